"""Healing: no loss at the teacher, steps bring the student nearer, a resumed run equals an undisturbed one."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from dinoseg.backbone.distance import look, mean_cosine, statistics
from dinoseg.compression.crops import CropFeed, random_box
from dinoseg.compression.heal import Healing, HealOptions, learning_rate
from dinoseg.errors import CompressionError
from dinoseg.types import Source
from tests.helpers import disk_photo
from tests.networks import damaged, small_teacher


def sources(count=6):
    return [Source(f"{i}", disk_photo(48, 60, (24, 30), 14, seed=i)[0]) for i in range(count)]


def images(count=4):
    return torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))


def test_rate_warms_up_and_ends_near_nothing():
    options = HealOptions(5000, 24, 6e-5)
    rates = [learning_rate(seen, options) for seen in range(0, 5000, 24)]
    assert 0 < rates[0] < 0.1 * options.lr
    assert max(rates) == pytest.approx(options.lr, rel=0.01)
    assert rates[-1] < 1e-3 * options.lr
    assert np.argmax(rates) == pytest.approx(600 / 24, abs=1)


def healing(folder, crops=40):
    folder.mkdir(exist_ok=True)
    teacher = small_teacher()
    student = damaged(teacher)
    feed = CropFeed(sources(), (32, 32), seed=0)
    known = statistics(look(teacher, images()))
    run = Healing(teacher, student, feed, known, HealOptions(crops, 4, 3e-3), folder, amp=False)
    judge = lambda: mean_cosine(look(student, images()), look(teacher, images()), known)  # noqa: E731
    return run, judge


def test_healing_brings_the_student_nearer(tmp_path):
    run, judge = healing(tmp_path / "a", crops=400)
    with torch.no_grad():
        before = judge()
        run_all(run, judge)
        assert judge() > before + 0.2 * (1 - before)
    assert (tmp_path / "a" / "heal.jsonl").read_text().count("\n") >= 5


def run_all(run, judge):
    with torch.enable_grad():
        run.run(1, torch.no_grad()(judge), lambda crops, loss: None)


def test_killed_and_resumed_equals_undisturbed_bit_for_bit(tmp_path):
    whole, judge = healing(tmp_path / "whole")
    run_all(whole, judge)

    first, judge = healing(tmp_path / "parts")
    for large, small in first.feed.batches(1, 0, 12, 4):
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


def test_crops_are_a_function_of_their_index(tmp_path):
    feed = CropFeed(sources(), (32, 40), seed=0)
    together = [crop for batch in feed.batches(0, 0, 10, 4) for crop in zip(*batch, strict=True)]
    later = [crop for batch in feed.batches(0, 6, 4, 3) for crop in zip(*batch, strict=True)]
    for (large, small), (large_again, small_again) in zip(together[6:], later, strict=True):
        assert torch.equal(large, large_again)
        assert torch.equal(small, small_again)
    assert together[0][0].shape == (3, 32, 32)
    assert together[0][1].shape == (3, 40, 40)
    other = next(iter(replace(feed, seed=1).batches(0, 0, 1, 1)))
    assert not torch.equal(other[0][0], together[0][0])


def test_boxes_have_the_stated_area_and_aspect():
    generator = np.random.default_rng(0)
    boxes = np.array([random_box(250, 200, generator) for _ in range(2000)])
    w, h = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2] <= 250 + 1e-9).all()
    assert (boxes[:, 3] <= 200 + 1e-9).all()
    share = w * h / (250 * 200)
    assert 0.349 <= share.min() < 0.4
    assert 0.9 < share.max() <= 1
    assert np.log(w / h).min() >= math.log(3 / 4) - 1e-9
    assert np.log(w / h).max() <= math.log(4 / 3) + 1e-9


def test_unreadable_photographs_are_named_and_replaced_and_too_many_are_an_error(caplog):
    broken = Source("broken", b"no image")
    feed = CropFeed([*sources(2), broken], (32,), seed=0)
    assert len([crop for (batch,) in feed.batches(0, 0, 20, 5) for crop in batch]) == 20
    assert "broken" in caplog.text
    with pytest.raises(CompressionError, match="10 photographs in a row"):
        CropFeed([broken], (32,), seed=0).crop(0, 0)
