"""Healing: no loss at the teacher, steps bring the student nearer, a resumed run equals an undisturbed one."""

from collections import Counter

import numpy as np
import pytest
import torch

from dinoseg.compression.aims import AIMS
from dinoseg.compression.crops import CropFeed
from dinoseg.compression.heal import SHAPES, SHARES, Healing, HealOptions, learning_rate, request
from dinoseg.learning.distance import look, mean_cosine, statistics
from tests.compression.photographs import sources
from tests.networks import damaged, small_teacher


def images(count=4):
    return torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))


def test_rate_warms_up_and_ends_near_nothing():
    options = HealOptions(4800, 24, 6e-5, 16, 0)
    rates = [learning_rate(step, options) for step in range(options.steps)]
    assert 0 < rates[0] < 0.1 * options.lr
    assert max(rates) == pytest.approx(options.lr, rel=0.01)
    assert rates[-1] < 1e-3 * options.lr
    assert np.argmax(rates) == 200 / 8


def test_crops_of_a_step_are_a_function_of_the_step_and_as_large_in_all():
    options = HealOptions(48000, 24, 6e-5, 16, 0)
    asked = [request(step, options, (14, 10)) for step in range(2000)]
    assert asked[7] == request(7, options, (14, 10))
    assert [one.indices.start for one in asked[:3]] == [0, 24, 48]
    for one in asked:
        (height, width), small = one.sizes
        assert (height * 10, width * 10) == (small[0] * 14, small[1] * 14)
        patches = len(one.indices) * small[0] * small[1] // 100
        assert 0.8 * 24 * 256 < patches <= 24 * 256
    seen = Counter(one.sizes[1] for one in asked)
    for (rows, columns), share in zip(SHAPES, SHARES, strict=True):
        assert seen[round(160 * rows), round(160 * columns)] / 2000 == pytest.approx(share, abs=0.03)


def healing(folder, crops=40, aim="teacher"):
    folder.mkdir(exist_ok=True)
    teacher = small_teacher()
    student = damaged(teacher)
    known = statistics(look(teacher, images()))
    options = HealOptions(crops, 4, 3e-3, 4, 0)
    feed = CropFeed(sources(), seed=0)
    run = Healing(teacher, student, feed, known, AIMS[aim], options, folder / "heal.pt", amp=False)
    judge = lambda: mean_cosine(look(student, images()), look(teacher, images()), known).item()  # noqa: E731
    return run, judge


@pytest.mark.parametrize("aim", AIMS)
def test_healing_brings_the_student_nearer(aim, tmp_path):
    run, judge = healing(tmp_path / "a", crops=400, aim=aim)
    with torch.no_grad():
        before = judge()
        run_all(run, judge)
        assert judge() > before + 0.1 * (1 - before)
    assert (tmp_path / "a" / "heal.jsonl").read_text().count("\n") >= 5


def run_all(run, judge):
    with torch.enable_grad():
        run.run(1, torch.no_grad()(judge), lambda crops, loss: None)


def test_killed_and_resumed_equals_undisturbed_bit_for_bit(tmp_path):
    whole, judge = healing(tmp_path / "whole")
    run_all(whole, judge)

    first, judge = healing(tmp_path / "parts")
    steps = (request(step, first.options, (8, 8)) for step in range(3))
    for large, small in first.feed.batches(1, steps):
        first.one_step(large, small)
    first.save()
    second, judge = healing(tmp_path / "parts")
    second.load()
    assert second.step == 3
    run_all(second, judge)
    for name, parameter in whole.parameters.items():
        assert torch.equal(parameter, second.parameters[name]), name


def test_resuming_a_finished_healing_changes_nothing(tmp_path):
    first, judge = healing(tmp_path / "a")
    run_all(first, judge)
    again, judge = healing(tmp_path / "a")
    again.load()
    run_all(again, judge)
    for name, parameter in first.parameters.items():
        assert torch.equal(parameter, again.parameters[name]), name
