"""Options of training are checked before anything is read."""

from typing import Any

import pytest

from dinoseg.errors import OptionError
from tests.training.tiny import options


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"resume": True, "overwrite": True}, "choose one"),  # contradiction
        ({"seed": -1}, "--seed -1"),
        ({"epochs": 0}, "--epochs 0"),
        ({"batch": 0}, "--batch 0"),
        ({"accumulate": 0}, "--accumulate 0"),
        ({"accumulate": 2, "distil_from": "builtin"}, "leave it out with --distil-from"),
        ({"max_broken": 1.1}, "--max-broken 1.1"),
        ({"max_broken": -0.1}, "--max-broken -0.1"),
        ({"save_every": 0}, "--save-every 0"),
        ({"watch_every": -1}, "--watch-every -1"),
        ({"init": "builtin", "layer_decay": 0.0}, "--layer-decay 0.0"),
        ({"init": "builtin", "layer_decay": 1.1}, "--layer-decay 1.1"),
        ({"init": "builtin", "freeze_blocks": -1}, "--freeze-blocks -1"),
        ({"distil_from": "builtin", "teacher_cache": -1.0}, "--teacher-cache -1"),
        ({"layer_decay": 0.8}, "add --init"),  # nothing to keep in random weights
        ({"freeze_blocks": 1}, "add --init"),
        ({"teacher_cache": 1.0}, "add --distil-from"),
        ({"distil_from": "builtin", "accumulate": 2}, "--accumulate is for DINO"),
        ({"distil_from": "builtin", "batch": 1}, "--batch 1"),  # one CLS token has no deviation
        ({"width": 10}, r"multiple of --heads \(3\)"),
        ({"global_size": 20}, r"--global-size 20 .*multiple of --patch \(8\)"),
        ({"local_size": 4}, "--local-size 4"),
        ({"local_crops": -1}, "--local-crops -1"),
        ({"prototypes": 1}, "--prototypes 1"),
        ({"lr": 0.0}, "--lr 0.0"),
        ({"lr": float("nan")}, "--lr nan"),
        ({"lr": 1e300}, r"--lr 1e\+300"),  # no number of the network's precision
        ({"weight_decay": (0.0, float("inf"))}, "--weight-decay"),
        ({"teacher_temp": (0.04, float("nan"))}, "--teacher-temp"),
        ({"warmup_epochs": 4}, r"--warmup-epochs 4 .*within --epochs \(0..3\)"),
        ({"teacher_temp_epochs": 4}, "--teacher-temp-epochs 4"),
        ({"weight_decay": (0.1, -0.1)}, "--weight-decay"),
        ({"momentum": 1.1}, "--momentum 1.1"),
        ({"teacher_temp": (0.0, 0.04)}, "--teacher-temp"),
        ({"freeze_last_layer": -1}, "--freeze-last-layer -1"),
        ({"drop_path": 1.0}, "--drop-path 1.0"),
        ({"clip": 0.0}, "--clip 0.0"),
        ({"clip": float("inf")}, "--clip inf"),
    ],
)
def test_e66_e67_values_out_of_range_and_contradictions(values: dict[str, Any], told: str):
    with pytest.raises(OptionError, match=told):
        options(**values)


@pytest.mark.parametrize(
    "values",
    [
        {"warmup_epochs": 3},
        {"warmup_epochs": 0},
        {"momentum": 1.0},
        {"local_crops": 0},
        {"drop_path": 0.0},
        {"epochs": 1},
        {"init": "builtin", "layer_decay": 1.0, "freeze_blocks": 0},
        {"init": "builtin", "patch": None, "width": 10},  # the file is looked at when it is read
    ],
)
def test_values_at_the_ends_of_their_ranges_are_fine(values: dict[str, Any]):
    options(**values)
