"""Shards: each photograph in exactly one, and together what a single run leaves, whatever happens in between."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from dinoseg.atomic import locked
from dinoseg.cli import run
from dinoseg.cli.exits import NOTHING_DONE, SOME_FAILED
from dinoseg.errors import InputNotFound, OptionError, OutputConflict
from dinoseg.images.shard import Shard
from dinoseg.outputs import shards
from dinoseg.outputs.shards import merge_shards
from tests.helpers import write_images

FORMATS = ["masks", "labels", "overlays", "cutouts", "coco", "contact-sheet", "yolo", "report"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Photographs, two of which share a stem, one in a folder, and one that is none."""
    folder = tmp_path / "photos"
    write_images(folder, 6, height=40, width=56)
    write_images(folder / "sub", 2, height=40, width=56, suffix=".png")
    shutil.copy(folder / "sub" / "photo_000.png", folder / "photo_000.png")
    (folder / "bad.jpg").write_text("no picture")
    return folder


def segment(photos: Path, output: Path, *words: str) -> int:
    return run(["segment", str(photos), "-o", str(output), "--method", "prior", "--formats", *FORMATS, "-q", *words])


def content(folder: Path) -> dict[str, Any]:
    """All that lies there, but the shards and what hangs on the clock."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not name.startswith(("shards/", ".", "report/")):
            found[name] = path.read_bytes()
    lines = [json.loads(line) for line in found.pop("manifest.jsonl").splitlines()]
    found["lines"] = [{key: value for key, value in line.items() if key != "seconds"} for line in lines]
    return found


@pytest.mark.parametrize("words", [(), ("--names", "stem", "--crop", "--largest")], ids=["plain", "stems"])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_h_shards_and_merge_are_one_run(photos: Path, tmp_path: Path, count: int, words: tuple[str, ...]) -> None:
    assert segment(photos, tmp_path / "one", *words) == SOME_FAILED
    codes = [segment(photos, tmp_path / "out", *words, "--shard", f"{i}/{count}") for i in range(1, count + 1)]
    assert sorted(set(codes)) in ([SOME_FAILED], [0, SOME_FAILED])
    assert run(["merge", str(tmp_path / "out")]) == SOME_FAILED
    assert content(tmp_path / "out") == content(tmp_path / "one")
    shutil.rmtree(tmp_path / "out" / "shards")  # nothing is left in it that is needed
    assert content(tmp_path / "out") == content(tmp_path / "one")
    assert segment(photos, tmp_path / "out", *words) == SOME_FAILED  # and a single run goes on from it
    assert content(tmp_path / "out") == content(tmp_path / "one")


def test_every_id_is_in_one_shard_and_shards_are_of_a_size() -> None:
    parts = [Shard(number, 7) for number in range(1, 8)]
    ids = [f"some/photo {number}.jpg" for number in range(7000)]
    sizes = [sum(id_ in part for id_ in ids) for part in parts]
    assert sum(sizes) == len(ids)
    assert max(sizes) < 1.15 * min(sizes)
    assert "caf\udce9.jpg" in Shard(1, 1)
    # As it was when the first shards were made: a run may go on for weeks.
    assert [next(part.number for part in parts if id_ in part) for id_ in ids[:5]] == [6, 7, 6, 1, 5]


@pytest.mark.parametrize("text", ["0/7", "8/7", "1/0", "a/7", "1/7/7", "-1/7", ""])
def test_what_is_no_shard(text: str) -> None:
    with pytest.raises(OptionError, match="must be I/N"):
        Shard.parse(text)


def test_what_cannot_be_merged_is_told(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(InputNotFound, match="holds no shards"):
        merge_shards(out)
    segment(photos, out, "--shard", "1/3")
    with pytest.raises(OutputConflict, match=r"of 3 shards 2 is missing: run --shard 2/3, 3/3"):
        merge_shards(out)
    segment(photos, out, "--shard", "2/3")
    segment(photos, out, "--shard", "3/3", "--refine", "none")
    with pytest.raises(OutputConflict, match=r'refine: there "none", now "guided"'):
        merge_shards(out)
    segment(photos, out, "--shard", "3/3", "--overwrite")
    with locked(out / "shards" / "2-of-3"), pytest.raises(OutputConflict, match="in use by another run"):
        merge_shards(out)
    segment(photos, out, "--shard", "1/2")
    with pytest.raises(OutputConflict, match="shards of 2 and of 3"):
        merge_shards(out)
    shutil.rmtree(out / "shards" / "1-of-2")
    assert merge_shards(out).failed == 1
    assert segment(photos, tmp_path / "other", "--refine", "none") == SOME_FAILED
    shutil.move(out / "shards", tmp_path / "other" / "shards")
    with pytest.raises(OutputConflict, match="name another folder for the shards"):
        merge_shards(tmp_path / "other")
    assert run(["merge", str(tmp_path / "photos")]) == 2


def test_a_shard_that_was_stopped_has_not_ended(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    for number in (1, 2):
        segment(photos, out, "--shard", f"{number}/2")
    monkeypatch.setattr(
        "dinoseg.outputs.folder.OutputFolder.finish", lambda _: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    segment(photos, out, "--shard", "2/2")
    with pytest.raises(OutputConflict, match=r"1 has not ended: run --shard 2/2"):
        merge_shards(out)
    monkeypatch.undo()
    segment(photos, out, "--shard", "2/2")
    assert merge_shards(out).failed == 1


def test_a_merge_that_was_stopped_goes_on_and_takes_what_is_new(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, adopt = tmp_path / "out", shards.adopt
    for number in (1, 2):
        segment(photos, out, "--shard", f"{number}/2")
    left = iter([None] * 9)

    def stopping(*arguments: Any) -> Any:
        if next(left, "end") == "end":
            raise KeyboardInterrupt
        return adopt(*arguments)

    monkeypatch.setattr(shards, "adopt", stopping)
    with pytest.raises(KeyboardInterrupt):
        merge_shards(out)
    monkeypatch.undo()
    merge_shards(out)
    segment(photos, tmp_path / "one")
    assert content(out) == content(tmp_path / "one")
    write_images(photos, 1, height=50, width=70)  # another photo_000.jpg
    for number in (1, 2):
        segment(photos, out, "--shard", f"{number}/2")
    monkeypatch.setattr(Path, "hardlink_to", lambda *_: (_ for _ in ()).throw(OSError("no links here")))
    merge_shards(out)
    segment(photos, tmp_path / "one")
    assert content(out) == content(tmp_path / "one")


def test_a_folder_without_photographs(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    assert segment(tmp_path / "photos", tmp_path / "out", "--shard", "1/1") == 0
    assert run(["merge", str(tmp_path / "out")]) == NOTHING_DONE


def test_a_photograph_that_fails_after_a_merge_leaves_nothing_of_what_it_was(photos: Path, tmp_path: Path) -> None:
    one, out = tmp_path / "one", tmp_path / "out"

    def both() -> None:
        segment(photos, one)
        for number in (1, 2):
            segment(photos, out, "--shard", f"{number}/2")
        merge_shards(out)

    both()
    assert list((out / "masks").glob("photo_003*"))
    (photos / "photo_003.jpg").write_bytes(b"no picture")
    both()
    assert not list((out / "masks").glob("photo_003*"))
    assert content(out) == content(one)
