"""What `segment` says and returns; the road itself is tested in tests/test_folder.py."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dinoseg.cli import run
from dinoseg.errors import ImageError, NotAnImage, OutputConflict, TruncatedImage
from dinoseg.options import OutputOptions, SegmentOptions, SelectOptions
from dinoseg.runs.summary import Summary
from dinoseg.types import Failure
from tests.helpers import write_images

pytestmark = pytest.mark.usefixtures("nothing_is_looked_for")


class Road:
    """Stands in the place of ``segment_folder``: keeps what it was asked and gives a summary made up."""

    def __init__(self) -> None:
        self.asked: tuple[Any, ...] = ()
        self.more: dict[str, Any] = {}
        self.summary = summary(done=2)

    def __call__(self, *asked: Any, progress: Callable[[str], object], **more: Any) -> Summary:
        self.asked, self.more = asked, more
        for _ in range(self.summary.done):
            progress("a result")
        return self.summary


@pytest.fixture
def road(monkeypatch: pytest.MonkeyPatch) -> Road:
    road = Road()
    monkeypatch.setattr("dinoseg.folder.segment_folder", road)
    return road


def summary(done: int = 0, skipped: int = 0, failed: tuple[ImageError, ...] = (), ignored: int = 0) -> Summary:
    failures = tuple(Failure(f"{number}.jpg", error) for number, error in enumerate(failed))
    cost = {"device": "cpu", "seconds": 1.5, "stages": {"decode": 0.5}}
    counts = {"done": done, "empty": 0, "skipped": skipped, "failed": len(failures), "ignored": ignored}
    return Summary(**counts, failures=failures[:100], **cost)


def test_the_options_reach_the_road(road: Road) -> None:
    line = (
        "segment a b/*.png -o out --formats masks coco --overwrite --method tokencut --param tau=0.3 --param facet=key"
    )
    assert run([*line.split(), "--model", "dino-vits8", "--batch", "4", "--offline", "--max-pixels", "1000"]) == 0
    images, options, output = road.asked
    assert images == ("a", "b/*.png")
    assert options == SegmentOptions(
        method="tokencut", param=("tau=0.3", "facet=key"), model="dino-vits8", batch=4, offline=True, max_pixels=1000
    )
    assert road.more == {"from_file": None, "shard": None, "select": SelectOptions()}
    assert output == OutputOptions(output=Path("out"), formats=("masks", "coco"), overwrite=True)


@pytest.mark.parametrize(
    "line", ["in -o a.png --watch", "in -o out --watch --json", "--from-file list.txt -o out --watch"]
)
def test_what_cannot_be_watched(road: Road, capsys: pytest.CaptureFixture[str], line: str) -> None:
    assert run(["segment", *line.split()]) == 2
    assert not road.asked
    assert capsys.readouterr().err.startswith("dinoseg: ")


def test_watching_ends_with_an_interruption(road: Road, capsys: pytest.CaptureFixture[str]) -> None:
    road.summary = summary()
    assert run(["segment", "--watch", "in", "-o", "out"]) == 130
    assert (road.asked[0], road.more["watched"]) == (("in",), True)
    assert "Watching; Ctrl-C ends it" in capsys.readouterr().err


def test_a_list_file_stands_for_images(road: Road) -> None:
    assert run(["segment", "--from-file", "list.txt", "-o", "out"]) == 0
    assert road.asked[0] == ()
    assert road.more["from_file"] == Path("list.txt")


def test_results_go_to_stdout_and_the_rest_to_stderr(road: Road, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["segment", "photos", "-o", "out"]) == 0
    out, err = capsys.readouterr()
    assert dict(line.split() for line in out.splitlines()) == {
        "masks": "out/masks",
        "overlays": "out/overlays",
        "coco": "out/coco.json",
        "contact-sheet": "out/contact_sheet.png",
        "manifest": "out/manifest.jsonl",
    }
    assert err == "2 done; 1.5 s on cpu\n"


@pytest.mark.parametrize(
    ("values", "code", "told"),
    [
        ({"done": 2}, 0, "2 done;"),
        ({"skipped": 3}, 0, "3 done before;"),  # a second run
        ({"done": 2, "ignored": 4}, 0, "4 other files ignored"),
        ({"done": 1, "failed": (TruncatedImage("ends early"),)}, 3, "failed: 0.jpg: ends early [truncated]"),
        ({"skipped": 1, "failed": (NotAnImage("is text"),)}, 3, "1 done before, 1 failed;"),
        ({"failed": (NotAnImage("is text"),)}, 4, "failed: 0.jpg: is text [not_an_image]"),
    ],
)
def test_exit_codes(
    road: Road, capsys: pytest.CaptureFixture[str], values: dict[str, Any], code: int, told: str
) -> None:
    road.summary = summary(**values)
    assert run(["segment", "photos", "-o", "out"]) == code
    assert told in capsys.readouterr().err


def test_b24_no_image_found_says_what_was_looked_for(road: Road, capsys: pytest.CaptureFixture[str]) -> None:
    road.summary = summary(ignored=2)
    assert run(["segment", "photos", "-o", "out"]) == 4
    out, err = capsys.readouterr()
    assert not out
    assert "No image found in photos (2 other files ignored)." in err
    assert ".jpg" in err
    assert ".png" in err


def test_many_failures_are_named_up_to_a_limit(road: Road, capsys: pytest.CaptureFixture[str]) -> None:
    road.summary = summary(done=1, failed=(TruncatedImage("ends early"),) * 500)
    assert run(["segment", "photos", "-o", "out"]) == 3
    err = capsys.readouterr().err
    assert len(err.splitlines()) < 30
    assert "... and 480 more: out/manifest.jsonl names all of them" in err


def test_json_is_one_document(road: Road, capsys: pytest.CaptureFixture[str]) -> None:
    road.summary = summary(done=1, ignored=2, failed=(TruncatedImage("ends early"),))
    assert run(["segment", "photos", "-o", "out", "--json"]) == 3
    assert json.loads(capsys.readouterr().out) == {
        "done": 1,
        "empty": 0,
        "skipped": 0,
        "ignored": 2,
        "device": "cpu",
        "seconds": 1.5,
        "stages": {"decode": 0.5},
        "notes": {},
        "failed_count": 1,
        "failed": [{"id": "0.jpg", "reason": "truncated", "message": "ends early"}],
        "results": {
            "masks": "out/masks",
            "overlays": "out/overlays",
            "coco": "out/coco.json",
            "contact-sheet": "out/contact_sheet.png",
            "manifest": "out/manifest.jsonl",
        },
    }


def test_a_background_asks_for_cutouts(road: Road, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["segment", "photos", "-o", "out", "--formats", "masks", "--background", "blur"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["masks", "cutouts", "manifest"]


def test_a06_a12_what_had_to_be_done_to_photographs_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    write_images(photos, 1)
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "green", "blue")]
    for name in ("a.gif", "b.gif"):
        frames[0].save(photos / name, save_all=True, append_images=frames[1:])
    frames[0].convert("CMYK").save(photos / "c.jpg")
    command = ["segment", str(photos), "-o", str(out), "--method", "prior", "--size", "64", "--formats", "masks"]
    assert run(command) == 0
    told = f"noted: first of several frames (2), from mode CMYK (1); {out}/manifest.jsonl says of which\n"
    assert told in capsys.readouterr().err
    assert run([*command, "--overwrite", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["notes"] == {"first of several frames": 2, "from mode CMYK": 1}


def test_e70_quiet_leaves_failures_only(road: Road, capsys: pytest.CaptureFixture[str]) -> None:
    road.summary = summary(done=1, failed=(TruncatedImage("ends early"),))
    assert run(["segment", "photos", "-o", "out", "-q"]) == 3
    out, err = capsys.readouterr()
    assert err == "failed: 0.jpg: ends early [truncated]\n"
    assert out.startswith("masks")


def test_nothing_named_is_wrong_use(road: Road, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["segment", "-o", "out"]) == 2
    assert "--from-file" in capsys.readouterr().err
    assert not road.asked


def test_what_the_road_refuses_is_wrong_use(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*asked: Any, **more: Any) -> None:
        raise OutputConflict("out holds results of other options: pass --overwrite")

    monkeypatch.setattr("dinoseg.folder.segment_folder", refuse)
    assert run(["segment", "photos", "-o", "out"]) == 2
    assert capsys.readouterr() == ("", "dinoseg: out holds results of other options: pass --overwrite\n")


def test_the_whole_road_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    write_images(photos, 2)
    (photos / "bad.jpg").write_bytes(b"no image")
    (photos / "notes.txt").write_text("not looked at")
    command = ["segment", str(photos), "-o", str(out), "--method", "prior", "--size", "64"]
    assert run(command) == 3
    told, err = capsys.readouterr()
    assert "failed: bad.jpg: " in err
    assert "2 done" in err
    assert "1 other files ignored" in err
    for line in told.splitlines():
        assert Path(line.split(maxsplit=1)[1]).exists()
    assert run(command) == 3
    assert "2 done before, 1 failed" in capsys.readouterr().err


def test_options_of_a_network_are_told_to_change_nothing_where_there_is_none(
    road: Road, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["segment", "a", "-o", "out", "--method", "prior", "--model", "dino-vits8", "--heads", "6"]) == 0
    err = capsys.readouterr().err
    for name in ("--model", "--heads"):
        assert f"--method prior has no network: {name} changes nothing." in err
    run(["segment", "a", "-o", "out", "--method", "prior", "--device", "cpu"])
    assert "changes nothing" not in capsys.readouterr().err
