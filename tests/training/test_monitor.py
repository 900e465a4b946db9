"""What is said of an epoch, and how often."""

import math

import pytest

from dinoseg.training.monitor import Monitor, findings, means
from tests.training.tiny import options

K = math.log(32)
FINE = {"teacher_entropy": K / 2, "spread": 0.5}


@pytest.mark.parametrize(
    ("values", "kinds"),
    [
        ({}, set()),
        ({"spread": 0.01}, {"spread"}),
        ({"teacher_entropy": K}, {"uniform"}),
        ({"teacher_entropy": 0.0}, {"constant"}),
        ({"teacher_entropy": 0.0, "spread": 0.0}, {"constant", "spread"}),
        ({"teacher_entropy": 0.98 * K, "spread": 0.03}, set()),  # near, but not there
    ],
)
def test_each_way_to_collapse_is_told_with_its_remedy(values, kinds):
    found = findings(FINE | values, options())
    assert set(found) == kinds
    assert all("--" in text for text in found.values())


def test_a_learner_without_these_measures_is_never_warned_of():
    assert findings({"loss": 1.0, "cosine": 0.2}, options()) == {}


def test_warned_once_until_it_comes_back(caplog):
    monitor = Monitor(options(warmup_epochs=1))
    for epoch, spread in enumerate((0.0, 0.0, 0.0, 0.5, 0.0), 1):
        monitor.add(FINE | {"spread": spread})
        monitor.end_epoch(epoch)
    told = [record.getMessage().split(":")[0] for record in caplog.records]
    assert told == ["Epoch 2", "Epoch 5"]  # not of the warm-up, not again in epoch 3


def test_an_epoch_is_judged_by_its_mean():
    assert means([{"spread": 0.0, "loss": 1}, {"spread": 1.0, "loss": 3}]) == {"spread": 0.5}
    assert means([]) == {}
