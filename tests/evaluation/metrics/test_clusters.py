"""Matchings and IoU per class: the reference program's, torchmetrics', and small tables by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchmetrics.classification import MulticlassJaccardIndex

from dinoseg.evaluation.metrics.clusters import class_ious, iou_hungarian, majority, pixel_hungarian, table_of
from tests.helpers import GOLDEN


@pytest.mark.parametrize(
    ("case", "clusters", "classes", "match"),
    [
        ("h5", 5, 5, iou_hungarian),
        ("h4_missing", 4, 4, iou_hungarian),  # one class is in no picture
        ("over8to5", 8, 5, majority),
    ],
)
def test_matching_and_iou_are_the_reference_programs(case: str, clusters: int, classes: int, match: object) -> None:
    golden = np.load(GOLDEN / "evaluation.npz")
    table = table_of(golden[f"miou/{case}/pred"], golden[f"miou/{case}/gt"], (clusters, classes))
    matching = match(table)  # type: ignore[operator]
    assert [list(pair) for pair in enumerate(matching)] == golden[f"miou/{case}/match"].tolist()
    found = class_ious(table, matching)
    np.testing.assert_allclose(np.nan_to_num(found), golden[f"miou/{case}/iou_per_class"], atol=1e-7)
    assert np.nan_to_num(found).mean() == pytest.approx(golden[f"miou/{case}/miou"], abs=1e-7)  # absent ones as 0


def maps(classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Label maps of which about a third differ, with void."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, (3, 20, 30))
    found = np.where(random.random(truth.shape) < 0.3, random.integers(0, classes, truth.shape), truth)
    return found, np.where(random.random(truth.shape) < 0.1, 255, truth)


@pytest.mark.parametrize("match", [iou_hungarian, pixel_hungarian, majority])
def test_equal_to_torchmetrics_after_any_renaming(match: object) -> None:
    found, truth = maps(6)
    expected = MulticlassJaccardIndex(6, ignore_index=255)(torch.tensor(found), torch.tensor(truth))
    renamed = np.random.default_rng(1).permutation(6)[found]
    table = table_of(renamed, truth, (6, 6))
    assert class_ious(table, match(table)).mean() == pytest.approx(float(expected), abs=1e-6)  # type: ignore[operator]


def test_g98_an_absent_class_is_in_no_mean_as_in_torchmetrics() -> None:
    found, truth = maps(4)
    index = MulticlassJaccardIndex(6, ignore_index=255)  # classes 4 and 5 are nowhere
    table = table_of(found, truth, (6, 6))
    ious = class_ious(table, iou_hungarian(table))
    assert np.isnan(ious).tolist() == [False] * 4 + [True] * 2
    assert np.nanmean(ious) == pytest.approx(float(index(torch.tensor(found), torch.tensor(truth))), abs=1e-6)


def test_the_matchings_differ() -> None:
    table = np.array([[50, 9], [40, 10]])  # most pixels: 50 + 10; each cluster's best class is the first
    assert pixel_hungarian(table).tolist() == [0, 1]
    assert majority(table).tolist() == [0, 0]
    many = np.array([[9, 0], [8, 0], [0, 5]])
    assert iou_hungarian(many).tolist() == [0, -1, 1]  # more clusters than classes: one has none
    assert class_ious(many, iou_hungarian(many)).tolist() == [9 / 17, 1]
    assert class_ious(many, majority(many)).tolist() == [1, 1]


def test_void_is_left_out_and_labels_beyond_are_refused() -> None:
    table = table_of(np.array([0, 1, 7]), np.array([1, 0, 255]), (2, 2))
    assert table.tolist() == [[0, 1], [1, 0]]
    with pytest.raises(ValueError, match="a label 7, where there are 2"):
        table_of(np.array([7]), np.array([0]), (2, 2))
