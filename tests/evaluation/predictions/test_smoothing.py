"""Masks of frames averaged over time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dinoseg.errors import OptionError
from dinoseg.evaluation import evaluate
from dinoseg.evaluation.datasets.base import Sample, Truth
from dinoseg.evaluation.predictions.base import from_soft
from dinoseg.evaluation.predictions.smoothing import Smoothed
from dinoseg.segmentation import Segmentation
from dinoseg.types import Source
from tests.evaluation.sets import square, write_davis, write_mask, write_pairs


class Grey:
    """Predicts even frames of these levels; a frame without one fails."""

    def __init__(self, levels: Sequence[float | None]) -> None:
        self.levels = levels
        self.made = 0

    def __call__(self, samples: Sequence[Sample]) -> Iterator[Segmentation | str]:
        for sample, level in zip(samples, self.levels, strict=True):
            self.made += 1
            soft = np.full((4, 6), level or 0, np.float32)
            yield "truncated" if level is None else from_soft(Source(sample.id, sample.image), soft)

    def facts(self) -> dict[str, Any]:
        return {"model": "grey", "options": {"method": "none"}}


def samples(videos: str) -> list[Sample]:
    """A frame for each letter, which names its video."""
    return [
        Sample(f"{v}/{i}", Path(f"{v}{i}"), Path("m"), lambda: Truth(square(), list), v) for i, v in enumerate(videos)
    ]


@pytest.mark.parametrize(
    ("videos", "levels", "reach", "expected"),
    [
        ("aaaaa", [0.9, 0.0, 0.9, 0.9, 0.0], 1, [0.45, 0.6, 0.6, 0.6, 0.45]),  # the ends have one neighbour
        ("aab", [1.0, 0.6, 0.2], 1, [0.8, 0.8, 0.2]),  # nothing goes over from one video to the next
        ("aa", [1.0, 0.5], 9, [0.75, 0.75]),  # a video shorter than the reach
        ("aaa", [1.0, None, 0.5], 1, [1.0, None, 0.5]),  # what failed stays so, and is in no mean
        ("aaa", [1.0, None, 0.5], 2, [0.75, None, 0.75]),
    ],
)
def test_means_over_frames(videos: str, levels: list[float | None], reach: int, expected: list[float | None]) -> None:
    found = list(Smoothed(Grey(levels), reach)(samples(videos)))
    assert [None if isinstance(x, str) else float(x.soft().mean()) for x in found] == pytest.approx(expected)
    assert [len(x.instances) for x in found if not isinstance(x, str)] == [
        int(x > 0.5) for x in expected if x is not None
    ]
    assert [x.id for x in found if not isinstance(x, str)] == [
        sample.id for sample, level in zip(samples(videos), levels, strict=True) if level is not None
    ]


def test_no_more_frames_are_made_than_are_needed() -> None:
    maker = Grey([0.5] * 50)
    frames = Smoothed(maker, 3)(samples("a" * 50))
    next(frames)
    assert maker.made == 4  # the first and three after it


def test_a_flicker_is_mended_and_the_report_says_how(tmp_path: Path) -> None:
    root = write_davis(tmp_path / "DAVIS", {"a": 5})
    for index in range(5):
        write_mask(tmp_path / "found" / "a" / f"photo_00{index}.png", 255 * square() * (index != 2))
    plain = evaluate("davis-unsupervised", root, predictions=tmp_path / "found")
    smooth = evaluate("davis-unsupervised", root, predictions=tmp_path / "found", smooth=1)
    assert [report.scores[0].value for report in (plain, smooth)] == [0.8, 1]
    assert (smooth.options["smooth"], "smooth" in plain.options) == (1, False)
    assert "- masks: averaged over 1 frames before to 1 after" in smooth.to_markdown().splitlines()
    assert "--smooth 1" in smooth.command


@pytest.mark.parametrize("protocol", ["foreground", "davis-propagation", "davis-unsupervised-objects", "ap", "knn"])
def test_other_protocols_refuse_it(tmp_path: Path, protocol: str) -> None:
    root = write_pairs(tmp_path, 2)
    with pytest.raises(OptionError, match="--smooth"):
        evaluate(protocol, root, smooth=1)
