"""One photograph in, one picture out: the command too, whose pipes are of another process."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import PIL.Image
import pytest

from dinoseg.cli import run
from dinoseg.errors import NotAnImage, OptionError, OutputConflict
from dinoseg.options import OutputOptions, SegmentOptions, SelectOptions
from dinoseg.picture import segment_picture
from tests.helpers import write_images

QUICK = SegmentOptions(method="prior", refine="none")
WORDS = ("--method", "prior", "--refine", "none")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return write_images(tmp_path / "photos", 2)[0]


@pytest.mark.parametrize(
    ("name", "options", "mode"),
    [
        ("a.png", {}, "RGBA"),
        ("a.webp", {"quality": 50}, "RGBA"),
        ("new/a.JPG", {"background": "white"}, "RGB"),
        ("a.png", {"formats": ("masks",)}, "L"),
        ("a.png", {"formats": ("overlays",)}, "RGB"),
    ],
)
def test_a_picture(photo: Path, tmp_path: Path, name: str, options: dict[str, object], mode: str) -> None:
    found, content = segment_picture(photo, QUICK, OutputOptions(output=tmp_path / name, **options))
    assert len(found) == 1
    assert (tmp_path / name).read_bytes() == content
    with PIL.Image.open(tmp_path / name) as image:
        assert (image.mode, image.size) == (mode, (128, 96))
    assert sorted(path.name for path in (tmp_path / name).parent.iterdir() if path.is_file()) == [Path(name).name]


def test_it_is_the_cutout_of_a_folder_run(photo: Path, tmp_path: Path) -> None:
    assert run(["segment", str(photo), "-o", str(tmp_path / "out"), "--formats", "cutouts", *WORDS]) == 0
    _, content = segment_picture(photo.read_bytes(), QUICK, OutputOptions(output=Path("-")))
    assert content == (tmp_path / "out" / "cutouts" / f"{photo.name}.png").read_bytes()


def test_no_object_is_an_empty_picture(photo: Path, tmp_path: Path) -> None:
    output = OutputOptions(output=tmp_path / "a.png", crop=True)
    found, content = segment_picture(photo, QUICK, output, SelectOptions(min_area=1))
    assert (len(found), found.reason) == (0, "filtered")
    with PIL.Image.open(io.BytesIO(content)) as image:
        assert image.getextrema()[3] == (0, 0)


@pytest.mark.parametrize(
    "options",
    [
        {"formats": ("coco",)},
        {"formats": ("masks", "labels")},
        {"formats": ("masks",), "crop": True},
        {"image_format": "webp"},  # of another suffix
        {"names": "stem"},
        {"background": "nosuch"},
    ],
)
def test_what_is_no_picture(photo: Path, tmp_path: Path, options: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        segment_picture(photo, QUICK, OutputOptions(output=tmp_path / "a.png", **options))
    assert not (tmp_path / "a.png").exists()


def test_a_file_is_replaced_where_that_is_asked_for(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("mine")
    with pytest.raises(OutputConflict, match="--overwrite"):
        segment_picture(photo, QUICK, OutputOptions(output=tmp_path / "a.png"))
    segment_picture(photo, QUICK, OutputOptions(output=tmp_path / "a.png", overwrite=True))
    assert (tmp_path / "a.png").read_bytes()[1:4] == b"PNG"


def test_what_cannot_be_read_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(NotAnImage):
        segment_picture(b"some words", QUICK, OutputOptions(output=tmp_path / "a.png"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("photos -o a.png", "a.png is one picture: one photograph has to be named, and there are 2"),
        ("- -o folder", "for instance folder.png"),
        ("- photos -o a.png", "-: "),
        ("photos/photo_000.jpg -o a.jpg", "jpeg has no transparency"),
    ],
)
def test_wrong_words(
    photo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    line: str,
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["segment", *line.split(), *WORDS]) == 2
    assert told in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_pipes(photo: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "dinoseg", "segment", "-", "-o", "-", "--crop", *WORDS]
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(words, input=photo.read_bytes(), capture_output=True, check=False, env=here, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    with PIL.Image.open(io.BytesIO(done.stdout)) as image:
        assert image.mode == "RGBA"
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]
