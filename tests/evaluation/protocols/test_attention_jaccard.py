"""Heads against objects, by hand."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from dinoseg.evaluation import evaluate
from dinoseg.evaluation.datasets.base import Truth
from dinoseg.evaluation.predictions.attention import head_masks
from dinoseg.evaluation.protocols.attention_jaccard import (
    AttentionJaccard,
    WithSquare,
    best_heads,
    resized_mask,
)
from dinoseg.segmentation import Segmentation
from tests.evaluation.results import heads, segmentation
from tests.evaluation.sets import SIZE, square, write_voc

PROTOCOL = AttentionJaccard()

LEFT, RIGHT = square(16, 16, 32), square(16, 80, 32)  # 4 x 4 patches each
SHARE = 10 / 16  # 60 % of the mass of 16 equal patches


def truth(*objects: np.ndarray, void: np.ndarray | None = None) -> Truth:
    return Truth(np.any([np.zeros(SIZE, bool), *objects], axis=0), lambda: list(objects), void)


def test_each_object_has_its_own_best_head() -> None:
    values = PROTOCOL.values(truth(LEFT, RIGHT), segmentation([], heads(LEFT, RIGHT)))
    assert values["ORACLE best head per object"] == pytest.approx(SHARE)
    assert values["head 0"] == values["head 1"] == pytest.approx(SHARE / 2)
    assert next(iter(values)) == "ORACLE best head per object"  # the headline, named as what it is


def test_the_mean_of_heads_is_not_the_mean_of_scores() -> None:
    values = PROTOCOL.values(truth(LEFT | RIGHT), segmentation([], heads(LEFT, RIGHT)))
    assert values["mean of heads"] == pytest.approx(20 / 32)
    assert values["head 0"] == pytest.approx(SHARE / 2)


def test_objects_of_one_picture_count_alike() -> None:
    small = square(72, 16, 8)
    values = PROTOCOL.values(truth(LEFT, small), segmentation([], heads(LEFT)))
    assert values["head 0"] == pytest.approx((SHARE + 0) / 2)


def test_g96_void_is_left_out() -> None:
    missed = LEFT & ~head_masks(segmentation([], heads(LEFT)))[0]
    values = PROTOCOL.values(truth(LEFT, void=missed), segmentation([], heads(LEFT)))
    assert values["head 0"] == 1


def test_g100_floors_are_measured_in_the_same_way() -> None:
    values = PROTOCOL.values(truth(LEFT, RIGHT), segmentation([], heads(LEFT)))
    assert values["whole image"] == pytest.approx(LEFT.sum() / LEFT.size)
    assert 0 < values["centred ellipse"] < 0.5


def test_a_picture_without_objects_is_in_no_mean() -> None:
    assert PROTOCOL.values(truth(), segmentation([], heads(LEFT))) == {}


# What the paper leaves open.


def twice(seen: Segmentation, square: Segmentation) -> WithSquare:
    return WithSquare(**{field.name: getattr(seen, field.name) for field in fields(Segmentation)}, square=square)


def test_one_head_per_image_is_chosen_by_its_mean_over_the_objects() -> None:
    small = square(16, 80, 16)
    values = best_heads(truth(LEFT, small), [LEFT, small], segmentation([], heads(LEFT, small)))
    per_object, per_image = (values[f"ORACLE best head per {what}"] for what in ("object", "image"))
    share = 3 / 4  # 60 % of the mass of 4 equal patches
    assert per_object == pytest.approx((SHARE + share) / 2)
    assert per_image == pytest.approx(max(SHARE, share) / 2)


def test_class_masks_join_the_instances_of_a_class() -> None:
    both = Truth(LEFT | RIGHT, lambda: [LEFT, RIGHT], class_map=np.where(LEFT | RIGHT, 8, 0).astype(np.uint8))
    values = best_heads(both, both.objects(), segmentation([], heads(LEFT | RIGHT)))
    assert values["ORACLE best head per object, class masks"] == pytest.approx(20 / 32)
    assert values["ORACLE best head per object"] < 20 / 32
    assert not any("class" in name for name in best_heads(truth(LEFT), [LEFT], segmentation([], heads(LEFT))))


def test_the_square_and_the_resized_frame_lay_the_same_masks_over_the_truth() -> None:
    seen = segmentation([], heads(LEFT))
    half = replace(seen.fit, size=(192, 256))  # the photograph is twice as large as what the network saw
    large = replace(seen, fit=half)
    wide = replace(seen, fit=replace(seen.fit, size=SIZE))
    thing = np.kron(LEFT, np.ones((2, 2), bool))
    big = Truth(thing, lambda: [thing])
    values = best_heads(big, [thing], twice(large, wide))
    assert list(values)[::2] == [
        f"ORACLE best head per object{x}{y}" for x in ("", ", square") for y in ("", ", resized frame")
    ]
    assert list(values.values()) == pytest.approx([SHARE] * 8)


def test_what_vanishes_in_the_resized_frame_is_no_object_there() -> None:
    speck = np.zeros((960, 1280), bool)
    speck[0, 0] = True
    seen = segmentation([], heads(LEFT))
    values = best_heads(Truth(speck, lambda: [speck]), [speck], replace(seen, fit=replace(seen.fit, size=(960, 1280))))
    assert set(values) == {"ORACLE best head per object", "ORACLE best head per image"}


def test_nearest_takes_the_value_at_the_centre_of_each_pixel() -> None:
    mask = np.array([[True, False, False, True]])
    assert resized_mask(mask, (1, 2)).tolist() == [[False, True]]
    assert resized_mask(mask, (2, 4)).tolist() == [mask[0].tolist()] * 2


def test_one_run_gives_the_whole_table(tmp_path: Path, small_model: Path) -> None:
    values = np.where(LEFT, 8, np.where(RIGHT, 15, 0))
    root = write_voc(tmp_path, [values], [np.where(values == 15, 2, values > 0)])
    report = evaluate("attention-jaccard", root, model=str(small_model), heads=2, size=64)
    oracles = [score.name for score in report.scores if score.kind == "oracle"]
    assert len(set(oracles)) == 16
    assert {"ORACLE best head per image, class masks, square, resized frame"} < set(oracles)
    label_free = {score.name for score in report.scores if score.kind == "label-free"}
    assert label_free == {"mean of heads", "mask of the method attention", "head 0", "head 1"}
    scores = {score.name: score.value for score in report.scores}
    assert scores["ORACLE best head per object, square"] != scores["ORACLE best head per object"]
    assert (report.size, report.headline.name) == (64, oracles[0])  # type: ignore[union-attr]


def test_a_broken_picture_fails_once(tmp_path: Path, small_model: Path) -> None:
    root = write_voc(tmp_path, [8 * square(), 8 * square()], [square(), square()])
    path = root / "JPEGImages" / "photo_000.jpg"
    path.write_bytes(path.read_bytes()[:300])
    report = evaluate("attention-jaccard", root, model=str(small_model), heads=2, size=64)
    assert report.failed == (("photo_000.jpg", "truncated"),)
    assert report.images == 1
