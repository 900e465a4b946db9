"""Schedules against the reference program's arrays."""

import numpy as np
import pytest

from dinoseg.learning.curves import cosine, ramp
from dinoseg.training.schedules import Schedules
from tests.training.tiny import golden, options


@pytest.mark.parametrize(
    ("key", "field", "changes", "per_epoch"),
    [
        ("lr_b512_e10_n7_w2", "lr", {"lr": 5e-4, "batch": 512, "epochs": 10, "warmup_epochs": 2}, 7),
        ("lr_e3_n4_w3", "lr", {"lr": 1e-3, "batch": 256, "epochs": 3, "warmup_epochs": 3}, 4),
        ("wd_e10_n7", "weight_decay", {"epochs": 10}, 7),
        ("momentum_e10_n7", "momentum", {"epochs": 10, "momentum": 0.996}, 7),
    ],
)
def test_schedules_are_those_of_the_reference(key, field, changes, per_epoch):
    schedules = Schedules(options(**changes), per_epoch, options(**changes).batch)
    ours = [getattr(schedules.at(step), field) for step in range(schedules.steps)]
    np.testing.assert_allclose(ours, golden()[f"sched/{key}"], rtol=0, atol=1e-12)


def test_teacher_temperature_warms_up_by_epoch():
    changes = {"epochs": 6, "teacher_temp": (0.04, 0.07), "teacher_temp_epochs": 3}
    schedules = Schedules(options(**changes), 2, 4)
    ours = [schedules.at(step).teacher_temp for step in range(12)]
    np.testing.assert_allclose(ours, np.repeat(golden()["loss/teacher_temp_schedule"], 2), rtol=0, atol=1e-12)


@pytest.mark.parametrize("frozen", [0, 1, 3])
def test_last_layer_is_frozen_for_whole_epochs(frozen):
    schedules = Schedules(options(epochs=3, freeze_last_layer=frozen), 4, 4)
    assert [schedules.at(step).frozen for step in range(12)] == [step < 4 * frozen for step in range(12)]


def test_ends_of_the_curves():
    assert [ramp(1.0, 3.0, i, 3) for i in range(3)] == [1.0, 2.0, 3.0]  # both ends included
    assert ramp(0.0, 5.0, 0, 1) == 0.0  # one value is the first
    assert cosine(1.0, 0.0, 0, 4) == 1.0
    assert cosine(1.0, 0.0, 3, 4) > 0  # the last value is not reached


@pytest.mark.parametrize(
    ("epochs", "warmup"),
    [
        (100, 10),  # published
        (20, 10),
        (9, 4),  # room for half of it
        (1, 0),
    ],
)
def test_short_runs_warm_up_for_half_of_their_epochs(epochs, warmup):
    schedules = Schedules(options(epochs=epochs, warmup_epochs=None, lr=0.3), 5, 256)
    rates = [schedules.at(step).lr for step in range(schedules.steps)]
    assert rates.index(max(rates)) == max(5 * warmup - 1, 0)
    assert rates[-1] < 0.3


def test_without_warm_up_the_first_step_has_the_peak():
    assert Schedules(options(warmup_epochs=0, lr=0.3), 5, 256).at(0).lr == pytest.approx(0.3)
