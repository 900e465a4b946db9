"""Classes that are alike are joined first."""

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest

from dinoseg.draw.class_tree import class_tree, join


def test_what_is_alike_is_joined_first() -> None:
    common = np.array([50.0, 50, 50])  # what all classes share says nothing
    means = common + np.array([[1, 0, 0], [0, 1, 0.1], [0.9, 0.1, 0], [0, 1, 0]])
    tree = join(means)
    assert {tuple(sorted(pair)) for pair in tree[:2, :2].astype(int).tolist()} == {(0, 2), (1, 3)}
    assert tree[2, 2] > 1


@pytest.mark.parametrize("classes", [2, 10, 100])
def test_every_class_has_its_row(classes: int) -> None:
    means = np.random.default_rng(0).normal(size=(classes, 6))
    picture = PIL.Image.new("RGB", (30, 20), "green")
    figure = class_tree(means, [f"class_{n}" for n in range(classes)], [picture, *[None] * (classes - 1)], "heading")
    told = {text.get_text() for text in figure.axes[0].texts}
    assert told == {f"class {n}" for n in range(classes)}


def test_a_thousand_classes_are_still_a_picture() -> None:
    means = np.random.default_rng(0).normal(size=(1500, 4))
    figure = class_tree(means, ["x"] * 1500, [None] * 1500, "heading")
    assert figure.get_figheight() * figure.dpi < 2**16  # matplotlib's limit


def test_equal_means_are_no_error() -> None:
    assert np.isfinite(join(np.ones((3, 4)))).all()
