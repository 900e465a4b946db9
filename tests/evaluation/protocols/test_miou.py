"""Clusters of a folder against the classes of VOC; matchings are tested in test_clusters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dinoseg.errors import DatasetError, OptionError
from dinoseg.evaluation import evaluate
from dinoseg.evaluation.datasets.base import Truth
from dinoseg.evaluation.predictions.base import from_masks
from dinoseg.evaluation.protocols.miou import MeanIoU
from dinoseg.types import Source
from tests.evaluation.sets import SIZE, square, write_mask, write_pairs, write_voc

PROTOCOL = MeanIoU()

LEFT, RIGHT = square(16, 16, 32), square(16, 80, 32)
VOID_ROW = np.arange(SIZE[0])[:, None] >= 90


def write_set(root: Path) -> Path:
    """Three pictures with cats (8) and a person (15), the last with void."""
    maps = [8 * LEFT, 8 * LEFT + 15 * RIGHT, np.where(VOID_ROW, 255, 8 * RIGHT)]
    return write_voc(root / "voc", maps)


def write_clusters(root: Path, *maps: np.ndarray) -> Path:
    for index, values in enumerate(maps):
        write_mask(root / "semantic" / f"photo_{index:03d}.jpg.png", values, "P")
    return root / "semantic"


def test_names_of_clusters_do_not_matter_and_absent_classes_do_not_count(tmp_path: Path) -> None:
    found = write_clusters(tmp_path, 7 * LEFT, 7 * LEFT + 2 * RIGHT, np.where(VOID_ROW, 5, 7 * RIGHT))
    report = evaluate("miou", write_set(tmp_path), predictions=found)
    names = ["ORACLE mIoU, IoU-Hungarian", "ORACLE mIoU, pixel-Hungarian", "ORACLE mIoU, majority"]
    assert [score.name for score in report.scores] == names
    for score in report.scores:
        assert (score.value, score.units, score.unit, score.kind) == (1, 3, "classes", "oracle")  # with background
    assert len(report.absent) == 18


def test_one_table_over_all_pictures(tmp_path: Path) -> None:
    found = write_clusters(tmp_path, 1 * LEFT, 1 * LEFT + 1 * RIGHT, 1 * RIGHT)  # person and cat are one cluster
    report = evaluate("miou", write_set(tmp_path), predictions=found)
    assert report.scores[0].value == pytest.approx((1 + 3 / 4 + 0) / 3)
    low, high = report.scores[0].interval  # type: ignore[misc]
    assert low < report.scores[0].value < high


def test_the_interval_is_around_the_value_where_a_class_is_rare(tmp_path: Path) -> None:
    cats = [8 * LEFT, 8 * (LEFT | RIGHT), 8 * RIGHT] * 4
    data = write_voc(tmp_path / "voc", [*cats, 15 * LEFT])  # the person is in one picture, and never found
    found = write_clusters(tmp_path, *[(8 * LEFT) if n % 4 else 8 * RIGHT for n in range(len(cats))], 0 * LEFT)
    for score in evaluate("miou", data, predictions=found).scores:
        low, high = score.interval  # type: ignore[misc]
        assert score.value - low == pytest.approx(high - score.value, abs=0.06)
        assert high < 0.6  # up to 0.74 where resamples without the person leave it out


def test_what_cannot_be_scored(tmp_path: Path) -> None:
    data = write_set(tmp_path)
    with pytest.raises(OptionError, match="name them with --predictions"):
        evaluate("miou", data)
    (tmp_path / "coco.json").write_text("[]")
    with pytest.raises(OptionError, match="a folder of label maps"):
        evaluate("miou", data, predictions=tmp_path / "coco.json")
    pairs = write_pairs(tmp_path / "pairs", 1)
    with pytest.raises(DatasetError, match="this data set has none"):
        evaluate("miou", pairs, predictions=write_clusters(tmp_path, 1 * LEFT))


def test_labels_beyond_a_byte_are_clusters_too() -> None:
    classes = np.zeros((2, 300), np.uint8)
    masks = [(np.arange(300) == column) & (np.ones((2, 1)) > 0) for column in range(300)]
    found = from_masks(Source("a", "a"), (2, 300), [(mask, 1.0, label) for label, mask in enumerate(masks, 1)])
    assert PROTOCOL.evidence(Truth(classes > 0, list, class_map=classes), found).shape == (301, 1)
