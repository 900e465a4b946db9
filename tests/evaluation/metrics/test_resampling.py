"""Intervals hold what they say, repeat, and take no more memory for more draws."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dinoseg.evaluation.metrics import resampling
from dinoseg.evaluation.metrics.resampling import bootstrap, one_by_one, resampled, reweighted


def test_bootstrap_holds_the_mean_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    held = 0
    for index in range(200):
        low, high = bootstrap(random.normal(0.5, 0.2, 60), seed=index, resamples=500)
        held += low <= 0.5 <= high
    assert 0.88 <= held / 200 <= 0.99


def test_bootstrap_repeats_and_has_the_width_of_the_standard_error() -> None:
    values = np.random.default_rng(2).normal(0.5, 0.2, 400)
    low, high = bootstrap(values)
    assert (low, high) == bootstrap(values)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / math.sqrt(400), rel=0.1)
    assert bootstrap([0.3, 0.3]) == (0.3, 0.3)


def test_bootstrap_of_groups_draws_the_units_again() -> None:
    values = np.random.default_rng(1).normal(0.5, 0.1, 100)
    assert bootstrap(np.stack([values, values], axis=1)) == pytest.approx(bootstrap(values))  # twins add nothing
    halves = np.full((100, 2), np.nan)
    halves[:50, 0], halves[50:, 1] = values[:50], values[50:]
    low, high = bootstrap(halves)
    error = np.hypot(values[:50].std(), values[50:].std()) / 2 / np.sqrt(50)  # of the mean of two independent means
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_g98_a_group_that_a_resample_does_not_hold_is_not_in_its_mean() -> None:
    rare = np.full((50, 2), np.nan)
    rare[:, 0] = 0.25
    rare[0, 1] = 0.75  # about a third of the resamples lack this unit
    assert bootstrap(rare) == (0.25, 0.5)


def test_draws_come_in_parts_that_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).random(20)
    whole = bootstrap(values, resamples=50)
    monkeypatch.setattr(resampling, "AT_ONCE", 7 * 20)  # 50 draws in parts of 7
    assert bootstrap(values, resamples=50) == whole


def test_every_draw_has_as_many_units_as_there_are() -> None:
    counts = resampled(one_by_one(np.sum), 9, resamples=30)
    assert counts.tolist() == [9, 9]


def test_no_unit_is_lost_where_units_are_weighed_anew() -> None:
    values = np.random.default_rng(1).random(200)
    low, high = reweighted(lambda weights: float(weights @ values / weights.sum()), 200, resamples=2000)
    assert (low, high) == pytest.approx(bootstrap(values), abs=0.01)
    smallest, _ = reweighted(lambda weights: float(weights.min()), 200, resamples=500)
    assert smallest > 0
