"""Statistics of videos equal the DAVIS toolkit's, without its 8-bit wrap."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dinoseg.evaluation.metrics.series import series_statistics

STORED = np.load(Path(__file__).parents[2] / "data" / "j_and_f.npz")
SERIES = sorted({key.rsplit("/", 1)[0] for key in STORED.files if key.startswith("stat/")})
EXACT = {"rel": 0, "abs": 1e-12}


@pytest.mark.parametrize("case", SERIES)
def test_statistics_are_the_toolkits_but_for_its_8_bit_wrap(case: str) -> None:
    series, expected = STORED[f"{case}/series"], STORED[f"{case}/mean_recall_decay"]
    found = series_statistics(series)
    assert found[:2] == pytest.approx(expected[:2], **EXACT)
    if len(series) < 256:
        assert found.decay == pytest.approx(expected[2], **EXACT)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("series", "expected"),
    [
        ([np.nan] * 5, (np.nan, 0, np.nan)),  # nothing is known
        ([np.nan, np.nan, 0.75, 0.25, 0.25], (5 / 12, 0.2, np.nan)),  # nothing of the first quarter
        ([0.5], (0.5, 0, 0)),
    ],
)
def test_unknown_frames_are_no_warning(series: list[float], expected: tuple[float, ...]) -> None:
    assert series_statistics(series) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("frames", [100, 255, 256, 300, 1000])
def test_decay_of_a_falling_series_knows_no_wrap(frames: int) -> None:
    assert series_statistics(np.linspace(1, 0, frames)).decay == pytest.approx(0.75, abs=0.01)
