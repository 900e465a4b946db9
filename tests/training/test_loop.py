"""Whole runs: nothing is lost, whatever stops them."""

import io
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

import dinoseg
from dinoseg.backbone.weights import load_file
from dinoseg.errors import NonFiniteLoss, OptionError, OutputConflict, TrainingError
from dinoseg.options import TrainOptions
from dinoseg.training import loop, recipe, run_training
from dinoseg.training.learner import Measures
from dinoseg.training.recipe import DINO, MEASURES
from dinoseg.training.schedules import Schedules
from tests.helpers import broken_images, write_images
from tests.training.tiny import options, small_head

STEPS = 6
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _small_head(monkeypatch):
    small_head(monkeypatch)


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("photos")
    write_images(folder, 10, height=24, width=32)
    return [folder]


@pytest.fixture(scope="module")
def undisturbed(photos, tmp_path_factory) -> Path:
    """The folder of a run that nothing stopped."""
    output = tmp_path_factory.mktemp("undisturbed") / "run"
    with pytest.MonkeyPatch.context() as patch:
        small_head(patch)
        run_training(photos, options(output))
    return output


def learned(output: Path) -> dict[str, torch.Tensor]:
    """Everything in the last checkpoint, flat."""
    state = torch.load(output / "checkpoints" / f"step-{STEPS:08d}.pth", weights_only=True)
    tensors = {
        f"{side}.{name}": value for side in ("student", "teacher", "loss") for name, value in state[side].items()
    }
    moments = state["optimiser"]["state"]
    return tensors | {f"{index}.{name}": value for index, part in moments.items() for name, value in part.items()}


def assert_equal_runs(one: Path, other: Path) -> None:
    """The same files with the same bytes, but for what tells of speed."""
    a, b = files(one), files(other)
    assert a.keys() == b.keys()
    assert [name for name in a if a[name] != b[name] and name not in ("metrics.jsonl", "report.html")] == []
    assert metrics(one) == metrics(other)


def files(output: Path) -> dict[str, bytes]:
    """Everything in a run's folder."""
    return {path.relative_to(output).as_posix(): path.read_bytes() for path in output.rglob("*") if path.is_file()}


def assert_like_runs(one: Path, other: Path) -> None:
    """But for rounding: losses, centre, weights of both sides. Key biases have a gradient of rounding noise only."""
    a, b = learned(one), learned(other)
    for name in a:
        if name.startswith(("student.", "teacher.", "loss.")) and not name.endswith("qkv.bias"):
            torch.testing.assert_close(a[name], b[name], rtol=0, atol=2e-4, msg=name)
    for ours, theirs in zip(metrics(one), metrics(other), strict=True):
        assert ours.pop("spread") is not None  # of a part's features, not of all
        assert theirs.pop("spread") is not None
        assert ours == pytest.approx(theirs, abs=1e-4)


def metrics(output: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    assert all(line.pop("images_per_second") > 0 for line in lines)
    return lines


def at_step(number: int, happens, monkeypatch) -> None:
    """Let something happen before the step with that number is computed."""
    step = loop.Trainer.step

    def disturbed(self, index, *rest):
        if index == number:
            happens()
        return step(self, index, *rest)

    monkeypatch.setattr(loop.Trainer, "step", disturbed)


class Killed(BaseException):
    """Stands in for the end of the process."""


def run_until(step: int, photos, settings: TrainOptions, monkeypatch, train=run_training) -> None:
    """Train until the process ends before that step."""

    def end() -> None:
        raise Killed

    with monkeypatch.context() as patch:
        at_step(step, end, patch)
        with pytest.raises(Killed):
            train(photos, settings)


def test_a_run_leaves_a_model_that_loads_and_a_record(undisturbed):
    backbone = load_file(undisturbed / "model.safetensors")
    spec = backbone.spec
    assert (spec.family, spec.patch, spec.width, spec.depth, spec.heads) == ("dino", 8, 12, 2, 3)
    assert spec.positions == "offset"
    assert backbone(torch.zeros(1, 3, 24, 40)).attention.shape == (1, 3, 3, 5)
    teacher = {name: value for name, value in learned(undisturbed).items() if name.startswith("teacher.backbone.")}
    assert {f"teacher.backbone.vit.{name}" for name in backbone.vit.state_dict()} == set(teacher)
    assert all(torch.equal(v, teacher[f"teacher.backbone.vit.{k}"]) for k, v in backbone.vit.state_dict().items())


def test_a_checkpoint_loads_as_a_model_too(undisturbed):
    backbone = load_file(undisturbed / "checkpoints" / f"step-{STEPS:08d}.pth")
    assert backbone.spec.heads == 3
    model = load_file(undisturbed / "model.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(backbone.parameters(), model.parameters(), strict=True))


def test_metrics_tell_every_step(undisturbed):
    lines = metrics(undisturbed)
    assert [(line["step"], line["epoch"]) for line in lines] == [(step, step // 2) for step in range(STEPS)]
    names = {
        "loss",
        "teacher_entropy",
        "student_entropy",
        "spread",
        "kl",
        "lr",
        "weight_decay",
        "momentum",
        "teacher_temp",
        "frozen",
    }
    assert all(line.keys() == names | {"step", "epoch"} for line in lines)
    assert all(line["kl"] == pytest.approx(line["loss"] - line["teacher_entropy"]) for line in lines)
    assert [line["frozen"] for line in lines] == [True, True, False, False, False, False]


def test_the_same_seed_gives_the_same_run_and_another_does_not(photos, undisturbed, tmp_path):
    torch.manual_seed(77)  # the caller's own random numbers play no part ...
    report = run_training(photos, options(tmp_path / "same"))
    after = torch.rand(1)
    torch.manual_seed(77)
    assert torch.equal(torch.rand(1), after)  # ... and are left as they were
    assert_equal_runs(tmp_path / "same", undisturbed)
    assert (report.model, report.steps, report.photographs) == (tmp_path / "same" / "model.safetensors", STEPS, 10)
    assert report.loss == pytest.approx(sum(line["loss"] for line in metrics(undisturbed)[-2:]) / 2)
    run_training(photos, options(tmp_path / "other", seed=1))
    assert metrics(tmp_path / "other") != metrics(undisturbed)


@pytest.mark.parametrize("step", [0, 1, 2, 3, 5])  # before the first checkpoint, at an epoch's start, within one
def test_f84_killed_and_resumed_equals_undisturbed(step, photos, undisturbed, tmp_path, monkeypatch):
    run_until(step, photos, options(tmp_path / "run"), monkeypatch)
    run_training(photos, options(tmp_path / "run", resume=True))
    assert_equal_runs(tmp_path / "run", undisturbed)


def test_f84_killed_again_and_again(photos, undisturbed, tmp_path, monkeypatch):
    for step in (1, 2, 3, 4, 5):
        run_until(step, photos, options(tmp_path / "run", resume=step > 1), monkeypatch)
    run_training(photos, options(tmp_path / "run", resume=True))
    assert_equal_runs(tmp_path / "run", undisturbed)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("step", [0, 2])
def test_d53_f93_signals_save_within_an_epoch(number, step, photos, undisturbed, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        at_step(step, lambda: signal.raise_signal(number), patch)
        with pytest.raises(KeyboardInterrupt, match=f"after step {step + 1}"):
            run_training(photos, options(tmp_path / "run"))
    assert (tmp_path / "run" / "checkpoints" / f"step-{step + 1:08d}.pth").exists()
    load_file(tmp_path / "run" / "model.safetensors")
    run_training(photos, options(tmp_path / "run", resume=True))
    assert_equal_runs(tmp_path / "run", undisturbed)


STALLED = """
import signal, sys, threading, pytest
from pathlib import Path
from tests.training.tiny import options, small_head
from dinoseg.cli import main
from dinoseg.images import feed
from dinoseg.training import cache, feeds, run_training, stream

signal.signal(signal.SIGINT, signal.default_int_handler)  # a process in the background is deaf to it
small_head(pytest.MonkeyPatch())
feed.PATIENCE = 0.1
photos, output, when = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
read, count = cache.small_photo, 0

def small_photo(*arguments):
    global count
    count += 1
    if count >= when:
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        threading.Event().wait()  # the file never answers
    return read(*arguments)

feeds.small_photo = stream.small_photo = small_photo
import dinoseg.training
dinoseg.training.run_training = lambda *_, **__: run_training([photos], options(output, cache="disk"))
sys.argv[1:] = ["train", str(photos), "-o", str(output)]
main()
"""


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signals to threads here")
@pytest.mark.parametrize("when", [5, 31])  # while all are looked at once, and in the third epoch
def test_ctrl_c_ends_a_run_although_a_file_does_not_answer(when, photos, undisturbed, tmp_path):
    command = [sys.executable, "-c", STALLED, str(photos[0]), str(tmp_path / "run"), str(when)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, "Interrupted" in done.stderr) == (130, True), done.stderr
    if when == 31:
        assert list((tmp_path / "run" / "checkpoints").iterdir())
        run_training(photos, options(tmp_path / "run", resume=True))
        assert_equal_runs(tmp_path / "run", undisturbed)


def test_a_signal_in_the_last_step_ends_a_whole_run(photos, undisturbed, tmp_path, monkeypatch):
    at_step(STEPS - 1, lambda: signal.raise_signal(signal.SIGTERM), monkeypatch)
    run_training(photos, options(tmp_path / "run"))
    assert_equal_runs(tmp_path / "run", undisturbed)


def test_resuming_a_finished_run_changes_nothing(photos, undisturbed, tmp_path):
    first = run_training(photos, options(tmp_path / "run"))
    before = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    assert run_training(photos, options(tmp_path / "run", resume=True)).loss == first.loss
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == before


def test_f80_a_loss_that_is_no_number_stops_with_the_last_good_checkpoint(photos, tmp_path, monkeypatch):
    views = recipe.multi_crop

    def poisoned(*args):
        large, small = views(*args)
        return large * math.nan, small

    at_step(2, lambda: monkeypatch.setattr(recipe, "multi_crop", poisoned), monkeypatch)  # views are made a step ahead
    with pytest.raises(NonFiniteLoss, match=r"nan at step 3 .*step-00000002.pth"):
        run_training(photos, options(tmp_path / "run"))
    told = json.loads((tmp_path / "run" / "non_finite.json").read_text())
    assert told["step"] == 3
    assert told["lr"] > 0
    assert len(told["photographs"]) == 4
    assert [line["step"] for line in metrics(tmp_path / "run")] == [0, 1, 2]
    assert all(value.isfinite().all() for value in load_file(tmp_path / "run" / "model.safetensors").parameters())


def test_weights_that_the_last_step_of_an_epoch_spoils_are_not_written(photos, tmp_path, monkeypatch):
    learn = DINO.step

    def spoiled(self, settings, *crops):
        measures = learn(self, settings, *crops)  # the loss is that of the weights before
        if math.isclose(settings.lr, lr):
            self.teacher.backbone.vit.norm.bias.fill_(math.inf)
        return measures

    settings = options(tmp_path / "run")
    lr = Schedules(settings, 2, 4).at(STEPS - 1).lr
    monkeypatch.setattr(DINO, "step", spoiled)
    with pytest.raises(NonFiniteLoss, match=r"Weights became NaN or infinite at step 5 .*step-00000004\.pth"):
        run_training(photos, settings)
    assert [path.name for path in sorted((tmp_path / "run" / "checkpoints").iterdir())][-1] == "step-00000004.pth"
    load_file(tmp_path / "run" / "model.safetensors")


def test_a_checkpoint_of_another_run_is_named(photos, tmp_path, monkeypatch):
    run_until(3, photos, options(tmp_path / "run"), monkeypatch)
    run_until(5, photos, options(tmp_path / "other", depth=1), monkeypatch)
    other = "checkpoints/step-00000004.pth"
    (tmp_path / "run" / other).write_bytes((tmp_path / "other" / other).read_bytes())
    with pytest.raises(TrainingError, match=r"step-00000004\.pth is not of this run: remove it"):
        run_training(photos, options(tmp_path / "run", resume=True))


@pytest.mark.parametrize("call", range(1, 10))  # run.json, broken.jsonl, metrics.jsonl, then model and checkpoint
def test_d51_f87_a_full_disk_at_any_write_costs_nothing_that_was_saved(
    call, photos, undisturbed, tmp_path, monkeypatch
):
    calls, fsync = 0, os.fsync

    def full(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == call:
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            run_training(photos, options(tmp_path / "run"))
    assert not list((tmp_path / "run").rglob("*.tmp"))
    run_training(photos, options(tmp_path / "run", resume=call > 1))  # without run.json there is no run yet
    assert_equal_runs(tmp_path / "run", undisturbed)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_d51_a_disk_that_is_full_for_the_metrics_costs_nothing_that_was_saved(
    photos, undisturbed, tmp_path, monkeypatch
):
    run_until(3, photos, options(tmp_path / "run"), monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(loop.RunFolder, "open_metrics", lambda *_: io.FileIO("/dev/full", "a"))
        with pytest.raises(OSError, match=r"No space left on device: '/dev/full'"):
            run_training(photos, options(tmp_path / "run", resume=True))
    run_training(photos, options(tmp_path / "run", resume=True))
    assert_equal_runs(tmp_path / "run", undisturbed)


@pytest.mark.parametrize(
    ("count", "batch", "told"), [(3, 4, "--batch 4 .*3 photographs"), (0, 1, "there is no photograph in .*photos:")]
)
def test_f82_fewer_photographs_than_a_batch_are_refused_before_the_first_step(count, batch, told, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    write_images(folder, count, height=24, width=32)
    with pytest.raises(OptionError, match=told):
        run_training([folder], options(tmp_path / "run", batch=batch))
    assert not (tmp_path / "run").exists()


def test_a_batch_of_one_and_photographs_of_one_pixel_train(tmp_path):
    write_images(tmp_path / "photos", 2, height=1, width=1, suffix=".png")
    report = run_training([tmp_path / "photos"], options(tmp_path / "run", batch=1, epochs=1, local_crops=0))
    assert report.steps == 2
    assert math.isfinite(report.loss)


def test_f83_broken_photographs_are_reported(photos, tmp_path):
    folder = tmp_path / "photos"
    write_images(folder, 10, height=24, width=32)
    (folder / "half.jpg").write_bytes(broken_images()["half.jpg"])
    report = run_training([folder], options(tmp_path / "run", epochs=1, max_broken=0.1))
    assert report.photographs == 10
    assert [failure.id for failure in report.failed] == ["half.jpg"]


@pytest.mark.parametrize(
    ("entropy", "warmup", "told"),
    [
        (math.log(32), 0, "all prototypes alike"),
        (0.0, 0, "one prototype for all"),
        (math.log(32) / 2, 0, None),  # healthy
        (math.log(32), 3, None),  # still warming up
    ],
)
def test_f81_collapse_is_told(entropy, warmup, told, photos, tmp_path, monkeypatch, caplog):
    shown = torch.tensor([entropy + 1, entropy, entropy, 1.0, 1.0])
    monkeypatch.setattr(DINO, "step", lambda *_: Measures(MEASURES, shown))
    run_training(photos, options(tmp_path / "run", warmup_epochs=warmup))
    assert ("collapsed" in caplog.text) is (told is not None)
    assert told is None or told in caplog.text


def test_e75_too_little_memory_is_told_with_a_way_out(photos, tmp_path, monkeypatch):
    def too_large(self, *_):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(DINO, "step", too_large)
    with pytest.raises(TrainingError, match="--batch 4: halve it"):
        run_training(photos, options(tmp_path / "run"))


@pytest.mark.parametrize("cache", ["memory", "device", "disk"])
def test_every_feed_ends_with_the_same_network(cache, photos, undisturbed, tmp_path, monkeypatch):
    run_until(3, photos, options(tmp_path / "run", cache=cache), monkeypatch)
    run_training(photos, options(tmp_path / "run", cache=cache, resume=True))
    assert_equal_runs(tmp_path / "run", undisturbed)


def test_a_run_goes_on_from_another_feed(photos, undisturbed, tmp_path, monkeypatch):
    run_until(3, photos, options(tmp_path / "run", cache="disk"), monkeypatch)
    run_training(photos, options(tmp_path / "run", cache="memory", resume=True))
    assert_equal_runs(tmp_path / "run", undisturbed)


def test_f83_a_photograph_that_is_lost_on_the_way_is_listed(tmp_path, monkeypatch):
    paths = write_images(tmp_path / "photos", 8, height=24, width=32)  # two batches: an epoch needs them all
    at_step(1, paths[4].unlink, monkeypatch)  # the last epoch, steps 4 and 5, is not read ahead yet
    settings = options(tmp_path / "run", cache="disk", max_broken=0.2)
    report = run_training([tmp_path / "photos"], settings)
    assert [(failure.id, failure.reason) for failure in report.failed] == [("photo_004.jpg", "vanished")]
    listed = [json.loads(line) for line in (tmp_path / "run" / "broken.jsonl").read_text().splitlines()]
    assert [(line["id"], line["reason"]) for line in listed] == [("photo_004.jpg", "vanished")]
    assert report.steps == STEPS


def test_f83_too_many_lost_on_the_way_stop_the_run_and_keep_its_checkpoint(tmp_path, monkeypatch):
    paths = write_images(tmp_path / "photos", 10, height=24, width=32)
    at_step(2, lambda: [path.unlink() for path in paths], monkeypatch)
    with pytest.raises(TrainingError, match="--max-broken"):
        run_training([tmp_path / "photos"], options(tmp_path / "run", cache="disk"))
    assert (tmp_path / "run" / "checkpoints" / "step-00000002.pth").exists()


def test_views_that_cannot_be_made_cost_no_step_before_them(photos, tmp_path, monkeypatch):
    prepare = loop.Trainer.prepare

    def broken(self, step, pixels):
        if step == 2:  # the first of an epoch
            raise TrainingError("the disk is gone")
        return prepare(self, step, pixels)

    monkeypatch.setattr(loop.Trainer, "prepare", broken)
    with pytest.raises(TrainingError, match="the disk is gone"):
        run_training(photos, options(tmp_path / "run"))
    assert [line["step"] for line in metrics(tmp_path / "run")] == [0, 1]
    assert (tmp_path / "run" / "checkpoints" / "step-00000002.pth").exists()


def test_accumulated_batches_are_one_large_batch(photos, tmp_path):
    whole, parts = options(tmp_path / "whole", drop_path=0.0), options(tmp_path / "parts", drop_path=0.0)
    run_training(photos, whole)
    run_training(photos, replace(parts, batch=1, accumulate=4))
    assert_like_runs(parts.output, whole.output)


def test_every_epoch_sees_every_photograph_at_most_once(photos, tmp_path, monkeypatch):
    seen: list[int] = []
    prepare = DINO.prepare
    monkeypatch.setattr(
        DINO, "prepare", lambda self, batch, *rest: seen.extend(batch.indices.tolist()) or prepare(self, batch, *rest)
    )
    run_training(photos, options(tmp_path / "run"))
    epochs = [seen[start : start + 8] for start in range(0, len(seen), 8)]
    assert [len(set(epoch)) for epoch in epochs] == [8, 8, 8]  # 10 photographs, two batches of 4
    assert len({tuple(epoch) for epoch in epochs}) == 3  # in another order each time


def test_runs_in_another_thread(photos, undisturbed, tmp_path):
    thread = threading.Thread(target=run_training, args=(photos, options(tmp_path / "run")))
    thread.start()
    thread.join()
    assert_equal_runs(tmp_path / "run", undisturbed)


def test_train_takes_the_options_as_keywords(photos, tmp_path):
    values = {**asdict(options(tmp_path / "run")), "epochs": 1}
    assert dinoseg.train(photos[0], **values).steps == 2  # one folder, not in a list
    with pytest.raises(OptionError, match="--epochs 0"):
        dinoseg.train(photos, output=tmp_path / "run", epochs=0)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputConflict):
        dinoseg.train(photos, output=tmp_path)


SCRIPT = """
import sys, time, pytest
from pathlib import Path
from tests.training.test_loop import at_step
from tests.training.tiny import options, small_head
from dinoseg.training import run_training
small_head(pytest.MonkeyPatch())
at_step(3, lambda: time.sleep(600), pytest.MonkeyPatch())
run_training([Path(sys.argv[1])], options(Path(sys.argv[2])))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_d52_f84_kill_9_within_an_epoch(photos, undisturbed, tmp_path):
    command = [sys.executable, "-c", SCRIPT, str(photos[0]), str(tmp_path / "run")]
    process = subprocess.Popen(command, cwd=ROOT)
    log = tmp_path / "run" / "metrics.jsonl"
    while process.poll() is None and not (log.exists() and log.read_bytes().count(b"\n") == 3):
        time.sleep(0.05)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    run_training(photos, options(tmp_path / "run", resume=True))
    assert_equal_runs(tmp_path / "run", undisturbed)


def test_more_epochs_are_another_run_that_may_begin_with_what_this_one_learned(photos, tmp_path):
    report = run_training(photos, options(tmp_path / "run"))
    with pytest.raises(OutputConflict, match=f"epochs: there .*--init {report.model} begins there"):
        run_training(photos, options(tmp_path / "run", resume=True, epochs=9))
