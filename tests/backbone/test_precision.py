"""What a program around has set for PyTorch changes nothing here, and stays as it was."""

import os
import subprocess
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch

import dinoseg
from dinoseg.backbone import zoo
from dinoseg.backbone.precision import inference, own_precision
from dinoseg.methods import METHODS
from tests.helpers import disk_photo
from tests.networks import save_teacher


@contextmanager
def default_dtype(dtype):
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


SURROUNDINGS = {
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "float64": lambda: default_dtype(torch.float64),
    "bfloat16": lambda: default_dtype(torch.bfloat16),
    "another device": lambda: torch.device("meta"),
}


def found(method):
    result = dinoseg.segment(disk_photo()[0], method=method, size=160, device="cpu")
    return result.mask, result.scores


@pytest.mark.parametrize("around", SURROUNDINGS)
@pytest.mark.parametrize("method", METHODS)
def test_masks_are_the_same_whatever_is_around(method, around):
    expected, scores = found(method)
    with SURROUNDINGS[around]():
        mask, again = found(method)
    np.testing.assert_array_equal(mask, expected)
    assert again == scores


@pytest.mark.parametrize("around", SURROUNDINGS)
@pytest.mark.parametrize("rollout", [False, True])
def test_attention_is_the_same_whatever_is_around(around, rollout):
    expected = dinoseg.attend(disk_photo()[0], device="cpu", rollout=rollout).heads
    with SURROUNDINGS[around]():
        np.testing.assert_array_equal(dinoseg.attend(disk_photo()[0], device="cpu", rollout=rollout).heads, expected)


@pytest.mark.parametrize("around", SURROUNDINGS)
def test_a_network_that_was_loaded_then_is_whole_for_who_comes_later(around):
    expected, _ = found("attention")
    zoo._kept.cache_clear()
    with SURROUNDINGS[around]():
        found("attention")
    np.testing.assert_array_equal(found("attention")[0], expected)


@pytest.mark.parametrize("around", [*SURROUNDINGS.values(), torch.inference_mode, torch.no_grad])
@pytest.mark.parametrize("family", ["dinov2", "dinov3"])
def test_a_network_that_was_loaded_then_can_learn(tmp_path, family, around):
    save_teacher(tmp_path / "w.safetensors", family=family)
    images = torch.randn(1, 3, 32, 32)
    expected = zoo.load(str(tmp_path / "w.safetensors"), heads=2).tokens(images)
    with around():
        backbone = zoo.load(str(tmp_path / "w.safetensors"), heads=2)
    tokens = backbone.requires_grad_(True).tokens(images)
    tokens.sum().backward()
    torch.testing.assert_close(tokens, expected, atol=0, rtol=0)


def test_what_was_set_stays_set():
    with default_dtype(torch.float64), torch.autocast("cpu"):
        with own_precision():
            assert torch.get_default_dtype() == torch.float32
            assert not torch.is_autocast_enabled("cpu")
        assert torch.get_default_dtype() == torch.float64
        assert torch.is_autocast_enabled("cpu")


def test_threads_that_overlap_leave_the_default_as_it_was():
    with default_dtype(torch.float64):
        first, second = own_precision(), own_precision()
        first.__enter__()
        thread = Thread(target=second.__enter__)
        thread.start()
        thread.join()
        first.__exit__(None, None, None)
        assert torch.get_default_dtype() == torch.float32  # one is still at work
        thread = Thread(target=second.__exit__, args=(None, None, None))
        thread.start()
        thread.join()
        assert torch.get_default_dtype() == torch.float64


def test_inference_keeps_no_graph_and_its_function_s_name():
    @inference
    def twice(x):
        """Two of it."""
        return 2 * x

    assert not twice(torch.ones(2, requires_grad=True)).requires_grad
    assert twice.__doc__ == "Two of it."
    with nullcontext():
        assert twice(3) == 6


FORKS = """
import multiprocessing, sys
import dinoseg
from tests.helpers import disk_photo

def area(seed):
    return int(dinoseg.segment(disk_photo(seed=seed)[0], device="cpu").mask.sum())

if __name__ == "__main__":
    here = area(0)  # PyTorch's threads are started
    with multiprocessing.get_context("fork").Pool(1) as pool:
        print(here, pool.apply_async(area, (0,)).get(timeout=200))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_process_that_was_forked_after_a_first_call_does_not_hang(tmp_path):
    (tmp_path / "forks.py").write_text(FORKS)
    root = str(Path(__file__).parents[2])
    around = {**os.environ, "OMP_NUM_THREADS": "2", "PYTHONPATH": os.pathsep.join([root, *sys.path])}
    done = subprocess.run(
        [sys.executable, str(tmp_path / "forks.py")],
        capture_output=True,
        text=True,
        timeout=300,
        env=around,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    here, there = map(int, done.stdout.split())
    assert abs(here - there) <= 0.01 * here  # sums in another order
