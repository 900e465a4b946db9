"""A head from a folder of photographs, with a small network: from its first line to `--method head`."""

from __future__ import annotations

from pathlib import Path
from unicodedata import normalize

import numpy as np
import PIL.Image
import pytest

from dinoseg import heads
from dinoseg.backbone.formats import read_state
from dinoseg.errors import InputNotFound, MaskError, OptionError, OutputConflict, TrainingError
from dinoseg.heads.run import choose, find_masks
from dinoseg.methods.head_weights import load_head
from dinoseg.options import TrainHeadOptions
from dinoseg.pipeline import Segmenter
from dinoseg.types import Source
from tests.helpers import disk_photo, exif_of
from tests.networks import save_teacher


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    save_teacher(path)
    return str(path)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twelve disks of many colours, and their masks."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "masks").mkdir()
    for number in range(12):
        pixels, mask = disk_photo(48 + 8 * (number % 2), 64, radius=12 + number % 3)
        PIL.Image.fromarray(np.roll(pixels, number % 3, axis=2)).save(tmp_path / "photos" / f"{number:02}.png")
        PIL.Image.fromarray(mask).save(tmp_path / "masks" / f"{number:02}.png")
    return tmp_path / "photos"


@pytest.fixture
def train(model: str, photos: Path, tmp_path: Path):
    def call(images=photos, output: str = "head.safetensors", **changes):
        asked = {"model": model, "size": 64, "device": "cpu", "epochs": 3, **changes}
        return heads.train_head(images, output=tmp_path / output, **asked)

    return call


def test_a_head_from_masks_of_its_own_or_given_is_one_of_that_network(train, model, photos, tmp_path) -> None:
    report = train(labels=tmp_path / "masks")
    assert (report.photographs, report.used, report.labelled, report.failed) == (12, 12, 12, ())
    _, header = read_state(Path(report.file))
    spec = Segmenter(model=model).backbone.spec
    assert header["backbone_sha256"] == spec.sha256
    assert (header["photographs"], header["labelled"], header["epochs"]) == ("12", "12", "3")
    result = Segmenter(model=model, method="head", param=(f"weights={report.file}",), size=64)(photos / "00.png")
    assert result.size == (48, 64)
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".tmp"]


def test_the_same_seed_gives_the_same_file(train, tmp_path) -> None:
    files = [Path(train(output=f"{n}.safetensors", labels=tmp_path / "masks").file).read_bytes() for n in range(2)]
    assert files[0] == files[1]


def test_batches_give_the_head_of_single_photographs(train, tmp_path) -> None:
    one, many = (load_head(train(output=f"{n}.pt", labels=tmp_path / "masks", batch=n).file) for n in (1, 5))
    for name, tensor in one.tensors.items():
        np.testing.assert_allclose(many.tensors[name], tensor, atol=5e-3)


def test_what_is_broken_is_listed_and_costs_nothing_else(train, photos, tmp_path) -> None:
    (photos / "broken.png").write_bytes(b"no picture")
    PIL.Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "masks" / "03.png")
    report = train(labels=tmp_path / "masks")
    assert {failure.id: failure.reason for failure in report.failed} == {"03.png": "mask", "broken.png": "not_an_image"}
    assert (report.photographs, report.used) == (13, 11)


def test_a_file_that_is_there_stays(train, tmp_path) -> None:
    (tmp_path / "head.safetensors").write_bytes(b"mine")
    with pytest.raises(OutputConflict, match="--overwrite"):
        train()
    assert (tmp_path / "head.safetensors").read_bytes() == b"mine"
    train(labels=tmp_path / "masks", overwrite=True)
    assert load_head(str(tmp_path / "head.safetensors"))


@pytest.mark.parametrize("what", [{"images": "nowhere"}, {"labels": Path("nowhere")}])
def test_a_path_that_is_not_there_is_told_before_anything_is_made(train, tmp_path, what) -> None:
    with pytest.raises(InputNotFound, match="nowhere"):
        train(output="new/head.safetensors", model="unknown", **what)
    assert not (tmp_path / "new").exists()


def test_too_few_masks_leave_no_file(train, photos, tmp_path) -> None:
    with pytest.raises(TrainingError, match="a head needs at least 8"):
        train(photos / "00.png")
    assert not (tmp_path / "head.safetensors").exists()


def test_masks_are_found_by_the_name_of_their_photograph(tmp_path: Path) -> None:
    for name in ("a.png", "b.jpg.png", "sub/c.png", "d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / normalize("NFC", "é.png")).touch()
    apart = normalize("NFD", "é.jpg")
    ids = ("a.jpg", "b.jpg", "sub/c.jpg", "photos/d.jpg", "none.jpg", apart)
    found = find_masks([Source(id_, id_) for id_ in ids], tmp_path)
    assert {id_: path.relative_to(tmp_path).as_posix() for id_, path in found.items()} == {
        "a.jpg": "a.png",
        "b.jpg": "b.jpg.png",
        "sub/c.jpg": "sub/c.png",
        "photos/d.jpg": "d.png",  # of one of several folders
        apart: normalize("NFC", "é.png"),
    }
    with pytest.raises(MaskError, match=r"cat\.jpg's is cat\.png"):
        find_masks([Source("none.jpg", "none.jpg")], tmp_path)


def test_some_of_many_photographs_are_drawn_by_the_seed_and_labelled_ones_always() -> None:
    sources = [Source(f"{number}.jpg", "") for number in range(100)]
    masks = {"7.jpg": Path("7.png"), "70.jpg": Path("70.png")}

    def ids(count: int, seed: int) -> list[int]:
        options = TrainHeadOptions(output=Path("head"), photographs=count, seed=seed)
        return [int(source.id.removesuffix(".jpg")) for source in choose(sources, masks, options)]

    assert len(ids(10, 0)) == 10
    assert {7, 70} <= set(ids(10, 0))
    assert ids(10, 0) == sorted(ids(10, 0)) == ids(10, 0) != ids(10, 1)
    assert ids(1, 0) == [7, 70]
    assert ids(500, 0) == list(range(100))


@pytest.mark.parametrize("changes", [{"photographs": 0}, {"epochs": 0}, {"seed": -1}, {"batch": 0}], ids=str)
def test_values_out_of_range(changes) -> None:
    with pytest.raises(OptionError, match="is out of range"):
        TrainHeadOptions(output=Path("head"), **changes)


def test_labels_of_the_stored_frame_are_counted(train, photos: Path) -> None:
    for path in photos.iterdir():
        PIL.Image.open(path).save(path, exif=exif_of(6))
    assert train(labels=photos.parent / "masks").turned == 12
    with pytest.raises(OptionError, match="--stored-frame is of --labels"):
        train(output="other.safetensors", stored_frame=True)
