"""Which data set lies in a folder, and what is said when none does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dinoseg.errors import DatasetError
from dinoseg.evaluation.datasets import open_dataset
from dinoseg.evaluation.metrics.floors import centred_ellipse, whole_image
from dinoseg.evaluation.metrics.masks import jaccard
from tests.evaluation.sets import write_pairs


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"nowhere is not there\. It needs one of:\n  images/ and masks/"):
        open_dataset(tmp_path / "nowhere")


@pytest.mark.parametrize("folders", [(), ("images",), ("masks",), ("images", "img", "masks"), ("a", "b")])
def test_a_folder_without_a_layout_says_what_must_lie_where(tmp_path: Path, folders: tuple[str, ...]) -> None:
    for name in folders:
        (tmp_path / name).mkdir()
    with pytest.raises(DatasetError, match="has no layout that dinoseg knows") as told:
        open_dataset(tmp_path)
    assert all(name in str(told.value) for name in ("SegmentationClass/", "Annotations/480p/", "instances_val2017"))


def test_the_folder_above_a_data_set_is_answered_with_what_it_holds(tmp_path: Path) -> None:
    write_pairs(tmp_path / "DUTS-TE", 1, "DUTS-TE-Image", "DUTS-TE-Mask")
    (tmp_path / "VOC2012" / "JPEGImages").mkdir(parents=True)  # half of it is enough to be known
    (tmp_path / "other").mkdir()
    with pytest.raises(DatasetError, match="but holds DUTS-TE and VOC2012: name the one that is meant"):
        open_dataset(tmp_path)


def test_a_file_that_is_no_json_is_no_data_set(tmp_path: Path) -> None:
    (tmp_path / "list.txt").touch()
    with pytest.raises(DatasetError, match="no layout"):
        open_dataset(tmp_path / "list.txt")


def test_g94_a_data_set_without_one_whole_pair_is_half_a_download(tmp_path: Path) -> None:
    write_pairs(tmp_path, 2)
    for mask in (tmp_path / "masks").iterdir():
        mask.unlink()
    with pytest.raises(DatasetError, match=r"none of its 2 pictures .*Not there: \S+/masks/photo_000\.png"):
        open_dataset(tmp_path)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("folder", "pictures", "ellipse"),
    [("duts", 300, 0.42), ("VOC2012", 160, 0.356), ("DAVIS", 240, 0.109), ("coco", 50, 0.244)],
)
def test_g100_floors_lie_at_their_known_levels(shared: Path, folder: str, pictures: int, ellipse: float) -> None:
    dataset = open_dataset(shared / "data" / "eval" / folder)
    assert len(dataset.samples) == pictures
    truths = [sample.truth() for sample in dataset.samples]
    scores = [jaccard(centred_ellipse(x.foreground.shape), x.foreground, x.void) for x in truths]
    assert np.mean(scores) == pytest.approx(ellipse, abs=0.001)
    if folder == "duts":
        whole = [jaccard(whole_image(x.foreground.shape), x.foreground) for x in truths]
        assert np.mean(whole) == pytest.approx(0.256, abs=0.001)


@pytest.mark.shared
def test_splits_of_davis_are_the_agreed_ones(shared: Path) -> None:
    dataset = open_dataset(shared / "data" / "eval" / "DAVIS")
    even, odd = ({sample.sequence for sample in dataset.select(split)} for split in ("even", "odd"))
    assert even == {"blackswan", "dance-twirl", "drift-chicane"}
    assert odd == {"bmx-trees", "dog", "horsejump-high"}
