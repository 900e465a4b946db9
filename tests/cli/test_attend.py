"""`attend` on a small random network: figures, arrays, second runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dinoseg.backbone.export import save_backbone
from dinoseg.backbone.families import family_of
from dinoseg.backbone.spec import BackboneSpec
from dinoseg.cli import run
from dinoseg.places import claimed
from tests.helpers import exhaust_opencv, write_images


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A weight file of two layers with three heads, patch 8."""
    torch.manual_seed(0)
    spec = BackboneSpec("tiny", "dino", 8, 24, 2, 3, 48, 0, "offset", False)
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_backbone(family_of(spec.family).new(spec), path, store="float32")
    return str(path)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    write_images(tmp_path / "photos" / "sub", 2)
    return tmp_path / "photos"


@pytest.fixture
def attend(model: str, photos: Path, tmp_path: Path):
    """The command on two photographs, with more arguments."""

    def call(*arguments: str) -> int:
        return run(["attend", str(photos), "-o", str(tmp_path / "out"), "--model", model, "--size", "64", *arguments])

    return call


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_one_figure_per_photograph(attend, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert attend() == 0
    folder = tmp_path / "out" / "heads"
    assert sorted(path.name for path in (folder / "sub").iterdir()) == ["photo_000.jpg.png", "photo_001.jpg.png"]
    with Image.open(folder / "sub" / "photo_000.jpg.png") as figure:
        assert min(figure.size) > 100
    assert capsys.readouterr() == (f"{folder}\n", "2 done\n")


def test_a_pdf_of_any_resolution(attend, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert attend("--format", "pdf", "--dpi", "60") == 0
    before = times(tmp_path / "out" / "heads")
    assert {Path(name).suffix for name in before} == {".pdf"}
    assert attend("--format", "pdf", "--dpi", "60") == 0
    assert times(tmp_path / "out" / "heads") == before
    capsys.readouterr()
    assert attend("--format", "pdf", "--dpi", "200") == 2
    assert "made with other options" in capsys.readouterr().err
    assert attend("--dpi", "5") == 2
    assert "--dpi 5 is out of range: it must be 30..1200" in capsys.readouterr().err


def test_arrays_lead_back_to_pixels(attend, tmp_path: Path) -> None:
    assert attend("--arrays") == 0
    with np.load(tmp_path / "out" / "heads" / "sub" / "photo_000.jpg.npz", allow_pickle=False) as arrays:
        grid = tuple(arrays["grid"])
        assert arrays["attention"].shape == (3, *grid)
        assert arrays["attention"].dtype == np.float32
        assert tuple(arrays["size"]) == (96, 128)
        assert int(arrays["patch"]) == 8


@pytest.mark.parametrize("more", [["--layer", "1"], ["--query", "3", "4"], ["--rollout"]])
def test_what_is_looked_at_changes_the_maps(attend, tmp_path: Path, more: list[str]) -> None:
    maps = tmp_path / "out" / "heads" / "sub" / "photo_000.jpg.npz"
    assert attend("--arrays") == 0
    before = np.load(maps)["attention"]
    assert attend("--arrays", "--overwrite", *more) == 0
    after = np.load(maps)["attention"]
    assert before.shape != after.shape or not np.allclose(before, after)


def test_d54_a_second_run_does_only_what_is_missing(
    attend, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert attend() == 0
    before = times(tmp_path / "out")
    write_images(photos / "sub", 3)  # the first two are the same bytes as before
    assert attend("--batch", "2") == 0  # a batch does not change a figure
    assert "1 done, 2 done before" in capsys.readouterr().err
    assert times(tmp_path / "out").items() >= before.items()


def test_d54_a_changed_photograph_is_done_again(attend, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert attend() == 0
    write_images(photos / "sub", 1, height=80)
    assert attend() == 0
    assert "1 done, 1 done before" in capsys.readouterr().err


def test_arrays_that_were_not_asked_for_before_are_missing(attend, tmp_path: Path) -> None:
    assert attend() == 0
    assert attend("--arrays") == 0
    assert len(list((tmp_path / "out").rglob("*.npz"))) == 2


@pytest.mark.parametrize("obstacle", ["other options", "a foreign picture", "text"])
def test_d55_what_is_in_the_way_is_refused(
    attend, tmp_path: Path, capsys: pytest.CaptureFixture[str], obstacle: str
) -> None:
    figure = tmp_path / "out" / "heads" / "sub" / "photo_000.jpg.png"
    figure.parent.mkdir(parents=True)
    if obstacle == "other options":
        assert attend("--layer", "1") == 0
    elif obstacle == "a foreign picture":
        Image.new("RGB", (4, 4)).save(figure)
    else:
        figure.write_text("mine")
    before = figure.read_bytes()
    assert attend() == 2
    assert figure.read_bytes() == before
    assert "--overwrite" in capsys.readouterr().err
    assert attend("--overwrite") == 0
    assert figure.read_bytes() != before


def test_b34_a_folder_that_cannot_be_made_is_told_before_the_network_is_loaded(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").write_text("a file")
    assert run(["attend", str(photos), "-o", str(tmp_path / "out"), "--model", "missing.safetensors"]) == 2
    assert "name another folder" in capsys.readouterr().err


def test_a_bad_file_costs_that_file_only(attend, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (photos / "bad.jpg").write_bytes(b"no image")
    assert attend("--json") == 3
    out, err = capsys.readouterr()
    summary = json.loads(out)
    assert (summary["done"], summary["skipped"]) == (2, 0)
    assert [(failure["id"], failure["reason"]) for failure in summary["failed"]] == [("bad.jpg", "not_an_image")]
    assert "failed: bad.jpg: " in err


@pytest.mark.parametrize("place", ["dinoseg.attention.fit", "dinoseg.outputs.figures.FigureFolder.write"])
def test_memory_that_opencv_lacks_costs_that_file_only(
    attend, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    monkeypatch.setattr(place, exhaust_opencv)
    assert attend("--json") == 4
    assert [failure["reason"] for failure in json.loads(capsys.readouterr().out)["failed"]] == ["oom", "oom"]


def test_b24_no_image_found(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert run(["attend", str(tmp_path / "empty"), "-o", str(tmp_path / "out"), "--model", model]) == 4
    assert capsys.readouterr().err.startswith(f"No image found in {tmp_path / 'empty'}. In folders dinoseg looks for .")


def test_e66_a_layer_that_the_network_lacks(attend, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert attend("--layer", "3") == 2
    assert "1..2" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_query_outside_of_an_image_costs_that_image(attend, capsys: pytest.CaptureFixture[str]) -> None:
    assert attend("--query", "128", "0") == 4  # one px too far in both
    assert "128 x 96" in capsys.readouterr().err


def test_d62_the_folder_belongs_to_one_run(attend, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with claimed(tmp_path / "out"):
        assert attend() == 2
    assert "in use by another run" in capsys.readouterr().err
    assert not (tmp_path / "out" / "heads").exists()


def test_attend_and_segment_share_a_folder(attend, photos: Path, tmp_path: Path) -> None:
    """`attention/` is the format of `segment`; neither command touches what the other made, whichever comes first."""
    segment = ["segment", str(photos), "-o", str(tmp_path / "out"), "--method", "prior", "--formats", "masks"]
    assert attend("--arrays") == 0
    assert run(segment) == 0
    before = times(tmp_path / "out" / "heads") | times(tmp_path / "out" / "masks")
    assert attend("--arrays") == 0
    assert run(segment) == 0
    assert times(tmp_path / "out" / "heads") | times(tmp_path / "out" / "masks") == before
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_dir()) == ["heads", "masks"]


def test_nothing_named_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["attend", "-o", "out"]) == 2
    assert "--from-file" in capsys.readouterr().err


def test_what_is_like_a_patch_of_each_photograph(attend, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert attend("--like", "10", "20", "--arrays") == 0
    folder = tmp_path / "out" / "similarity"
    assert capsys.readouterr() == (f"{folder}\n", "2 done\n")
    with np.load(folder / "sub" / "photo_000.jpg.npz", allow_pickle=False) as arrays:
        assert arrays["similarity"].shape == tuple(arrays["grid"])
        assert arrays["similarity"].max() == pytest.approx(1)
    before = times(folder)
    assert attend("--like", "10", "20") == 0
    assert times(folder) == before
    assert attend("--like", "11", "20") == 2
    assert attend() == 0  # heads lie beside them
    assert times(folder) == before


def test_what_is_like_a_patch_in_other_photographs(attend, model: str, photos: Path, tmp_path: Path) -> None:
    command = ["attend", str(photos / "sub" / "photo_000.jpg"), "-o", str(tmp_path / "out"), "--like", "10", "20"]
    command += ["--in", str(photos / "sub"), "--model", model, "--size", "64", "--arrays"]
    assert run(command) == 0
    folder = tmp_path / "out" / "similarity"
    best = {}
    for path in folder.rglob("*.npz"):
        with np.load(path, allow_pickle=False) as arrays:
            best[path.name] = float(arrays["similarity"].max())
    assert best["photo_000.jpg.npz"] == pytest.approx(1)
    assert 0 < best["photo_001.jpg.npz"] < 1
    before = times(folder)
    assert run(command) == 0
    assert times(folder) == before


def test_a_point_outside_of_the_example_ends_the_run(
    attend, model: str, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["attend", str(photos / "sub" / "photo_000.jpg"), "-o", str(tmp_path / "out"), "--like", "999", "20"]
    assert run([*command, "--in", str(photos), "--model", model, "--size", "64"]) == 4
    assert "lies outside" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
