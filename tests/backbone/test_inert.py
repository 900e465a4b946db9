"""A pickle is read and nothing in it is run: objects beside the tensors are passed over."""

import argparse
import collections
import enum
import functools
import os
import pathlib
import pickle
import subprocess

import numpy as np
import pytest
import torch

from dinoseg.backbone.weights import read_pickle, read_state
from dinoseg.errors import UnsafeWeights


class Calls:
    """A pickle of it calls a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "call",
    [
        (print, "code ran"),
        (os.system, "echo code ran"),
        (eval, "print('code ran')"),
        (exec, "print('code ran')"),
        (subprocess.run, ["echo", "code ran"]),
        (__import__, "os"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_what_a_file_wants_to_run_is_named_and_not_run(tmp_path, capfd, call, protocol):
    torch.save({"teacher": {}, "more": Calls(*call)}, tmp_path / "w.pth", pickle_protocol=protocol)
    with pytest.raises(UnsafeWeights, match=r"holds \w+\.\w+, which may run code"):
        read_state(tmp_path / "w.pth")
    (tmp_path / "bare.pkl").write_bytes(pickle.dumps(Calls(*call), protocol))
    with pytest.raises(UnsafeWeights):
        read_state(tmp_path / "bare.pkl")
    assert "code ran" not in "".join(capfd.readouterr())


RAN = []


def ours(word):
    RAN.append(word)
    return word


class Colour(enum.Enum):
    RED = 1


class Loud:
    """Speaks up wherever a pickle would let it."""

    def __init__(self):
        self.a = 1

    def __setstate__(self, state):
        ours("state")

    def __setitem__(self, key, value):
        ours("item")


def test_objects_beside_the_tensors_are_passed_over_and_no_function_is_called(tmp_path):
    beside = {
        "namespace": argparse.Namespace(a=1),
        "path": pathlib.PurePosixPath("a"),
        "deque": collections.deque([1, 2]),
        "counts": collections.defaultdict(list, a=[1]),
        "partial": functools.partial(ours, "called"),
        "array": np.arange(3),
        "scalar": np.float64(0.5),
        "colour": Colour.RED,
        "loud": Loud(),
        "call": Calls(ours, "called"),
        "module": torch.nn.Linear(2, 2),
        "optimiser": torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))]).state_dict(),
    }
    torch.save({**beside, "weight": torch.arange(3.0)}, tmp_path / "w.pth")
    content = read_pickle(tmp_path / "w.pth")
    assert torch.equal(content["weight"], torch.arange(3.0))
    assert content["optimiser"]["param_groups"][0]["lr"] == 0.001
    assert not RAN


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int8, torch.bool])
@pytest.mark.parametrize("new", [True, False])
def test_tensors_of_every_kind_come_as_they_were(tmp_path, dtype, new):
    state = {"a": torch.arange(6).reshape(2, 3).to(dtype), "b": torch.nn.Parameter(torch.ones(2))}
    state["view"] = state["a"].T
    torch.save(state, tmp_path / "w.pth", _use_new_zipfile_serialization=new)
    content = read_pickle(tmp_path / "w.pth")
    assert all(torch.equal(content[name], tensor) for name, tensor in state.items())
    assert content["a"].dtype == dtype
