"""`track` on a small random network: results, exit codes, second runs."""

from __future__ import annotations

import json
from pathlib import Path

import PIL.Image
import pytest

from dinoseg.backbone.export import save_backbone
from dinoseg.cli import run
from tests.evaluation.sets import write_mask
from tests.helpers import disk_photo
from tests.networks import small_teacher


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    save_backbone(small_teacher(), path, store="float32")
    return str(path)


@pytest.fixture
def track(model: str, tmp_path: Path):
    """The command on three frames and their first mask, with more arguments."""
    (tmp_path / "frames").mkdir()
    for index in range(3):
        pixels, mask = disk_photo(64, 96, (32, 20 + 8 * index), 14)
        PIL.Image.fromarray(pixels).save(tmp_path / "frames" / f"{index}.png")
        if index == 0:
            write_mask(tmp_path / "mask.png", 255 * mask)

    def call(*arguments: str, video: str = "frames") -> int:
        mask, out = str(tmp_path / "mask.png"), str(tmp_path / "out")
        common = ["-o", out, "--mask", mask, "--model", model, "--size", "96"]
        return run(["track", str(tmp_path / video), *common, *arguments])

    return call


def test_places_on_stdout_counts_on_stderr(track, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert track() == 0
    out, err = capsys.readouterr()
    places = [line.split() for line in out.splitlines()]
    assert [name for name, _ in places] == ["labels", "overlays", "manifest"]
    assert all(Path(place).exists() for _, place in places)
    assert err.startswith("3 done; ")
    assert track() == 0
    assert capsys.readouterr().err.startswith("3 done before; ")


def test_json(track, capsys: pytest.CaptureFixture[str]) -> None:
    assert track("--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["done"], told["skipped"], told["failed"], told["device"]) == (3, 0, [], "cpu")


def test_a_broken_frame_is_named(track, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "frames" / "1.png").write_bytes(b"")
    assert track() == 3
    assert "failed: 1.png" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("video", "arguments", "code", "says"),
    [
        ("nothing.mp4", [], 2, "is not there"),
        ("frames", ["--radius", "-1"], 2, "--radius -1"),
        ("text.mp4", [], 4, "cannot be opened as a video"),
    ],
)
def test_what_cannot_be_tracked(
    track, tmp_path: Path, capsys: pytest.CaptureFixture[str], video: str, arguments: list[str], code: int, says: str
) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    assert track(*arguments, video=video) == code
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
