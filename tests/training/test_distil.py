"""A student comes nearer to a frozen teacher, whatever its shape, and a run of it loses nothing."""

import copy
import json

import numpy as np
import pytest
import torch

from dinoseg.backbone.weights import load_file
from dinoseg.learning.distance import look
from dinoseg.training import distil, run_training
from dinoseg.training.distil import Distillation
from dinoseg.training.learner import Batch
from dinoseg.training.schedules import Settings
from dinoseg.training.teacher_cache import GIB, RecordShape, TeacherCache
from tests.helpers import write_images
from tests.networks import save_teacher, small_teacher
from tests.training.test_loop import at_step, run_until
from tests.training.tiny import options

SETTINGS = Settings(lr=3e-3, weight_decay=0.0, momentum=0.9, teacher_temp=0.04, frozen=False)
CPU = torch.device("cpu")
STEPS = 6


def batch(epoch: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(4)
    pixels = torch.randint(0, 256, (4, 3, 30, 40), dtype=torch.uint8, generator=generator)
    return Batch(pixels, torch.tensor([[30, 40]] * 4), torch.arange(4), epoch, slice(0, 4))


def distillation(cache: TeacherCache | None = None, **changes) -> Distillation:
    torch.manual_seed(0)
    asked = options(**({"width": 24, "drop_path": 0.0, "global_size": 32, "distil_from": "small"} | changes))
    return Distillation(asked, small_teacher(), CPU, cache)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 24, "heads": 3},  # narrower, with other heads
        {"width": 32, "heads": 2},  # of the same width: no map in between
        {"patch": 4, "global_size": 16, "local_size": 8},  # a finer student sees the same grid
    ],
)
def test_a_student_comes_nearer(changes):
    learner = distillation(**changes)
    prepared = learner.prepare(batch(), generator())
    assert prepared[1].grid == (4, 4)
    shown = [learner.step(SETTINGS, *prepared) for _ in range(60)]
    assert shown[-1].loss < 0.75 * shown[0].loss
    assert shown[-1].values["cosine"] > shown[0].values["cosine"] + 0.2


def test_the_teacher_stays_and_the_average_follows():
    learner = distillation()
    before = copy.deepcopy(learner.teacher.state_dict())
    start = learner.model.vit.blocks[0].attn.qkv.weight.clone()
    for seed in range(3):
        learner.step(SETTINGS, *learner.prepare(batch(), generator(seed)))
    assert all(torch.equal(before[name], value) for name, value in learner.teacher.state_dict().items())
    own, average = (side.vit.blocks[0].attn.qkv.weight for side in (learner.student.backbone, learner.model))
    assert 0 < (average - start).norm() < (own - start).norm()


def test_teacher_and_student_see_the_same_crop():
    learner = distillation()
    crops, target = learner.prepare(batch(), generator())
    assert crops.shape == (4, 3, 32, 32)
    torch.testing.assert_close(target.facets["token"], look(small_teacher(), crops).facets["token"])  # 8 px both


def cached(tmp_path, rounds: int = 2) -> TeacherCache:
    shape = RecordShape.of(small_teacher().spec, 4)
    return TeacherCache(tmp_path / "teacher.cache", shape, 10, (rounds + 0.1) * 10 * shape.nbytes / GIB, 9)


def test_with_a_cache_crops_are_fixed_and_the_teacher_looks_once(tmp_path, monkeypatch):
    learner = distillation(cached(tmp_path))
    looks = []
    forward = learner.teacher.forward
    monkeypatch.setattr(learner.teacher, "forward", lambda *a, **k: looks.append(1) or forward(*a, **k))
    first = learner.prepare(batch(0), generator(0))
    other = learner.prepare(batch(1), generator(0))
    again = learner.prepare(batch(2), generator(7))  # the first round once more
    assert len(looks) == 2
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1].facets["token"], again[1].facets["token"])
    assert torch.equal(first[1].attention, again[1].attention)
    assert not torch.equal(first[0], other[0])


def test_records_are_never_changed(tmp_path):
    """So a step that is done again reads what it read before, even if a later one wrote in between."""
    kept = cached(tmp_path)
    learner = distillation(kept)
    learner.prepare(batch(), generator())
    before = kept.read([0, 1, 2, 3])
    kept.path.write_bytes(kept.path.read_bytes()[: 3 * kept.shape.nbytes])  # the last record is lost
    learner.teacher.vit.norm.bias.add_(1)  # what is computed now can be told from what was
    seen = learner.prepare(batch(), generator())[1]
    after = kept.read([0, 1, 2, 3])
    assert all((a == b).all() for a, b in zip(before[:3], after[:3], strict=True))
    assert not (before[3] == after[3]).all()
    assert torch.equal(seen.cls, kept.shape.unpack(np.stack(after), CPU).cls)


def test_f84_state_holds_everything_that_a_step_changes():
    one, other = distillation(), distillation()
    one.step(SETTINGS, *one.prepare(batch(), generator(0)))
    other.load(copy.deepcopy(one.state()))
    prepared = one.prepare(batch(), generator(1))
    assert other.step(SETTINGS, *prepared).values == one.step(SETTINGS, *prepared).values
    for side in ("student", "average"):
        pairs = zip(getattr(one, side).parameters(), getattr(other, side).parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


@pytest.fixture
def run(tmp_path):
    """Photographs and options of a whole run: 10 photographs are 2 steps an epoch, 6 in all."""
    save_teacher(tmp_path / "teacher.safetensors")
    write_images(tmp_path / "photos", 10, height=24, width=32)
    return [tmp_path / "photos"], {"distil_from": str(tmp_path / "teacher.safetensors"), "width": 24, "lr": 0.1}


@pytest.mark.parametrize("gib", [0.0, 1.0])
@pytest.mark.parametrize("step", [1, 4])  # before the first checkpoint, within an epoch
def test_f84_killed_and_resumed_equals_undisturbed(gib, step, run, tmp_path, monkeypatch):
    photos, values = run
    values["teacher_cache"] = gib
    report = run_training(photos, options(tmp_path / "whole", **values))
    run_until(step, photos, options(tmp_path / "parts", **values), monkeypatch)
    assert (tmp_path / "parts" / "teacher.cache").exists() == bool(gib)
    run_training(photos, options(tmp_path / "parts", resume=True, **values))
    whole, parts = (tmp_path / name / "model.safetensors" for name in ("whole", "parts"))
    assert whole.read_bytes() == parts.read_bytes()
    assert not (tmp_path / "parts" / "teacher.cache").exists()  # it has done its work
    assert report.steps == STEPS


def test_what_comes_out_loads_as_model_and_as_checkpoint(run, tmp_path):
    photos, values = run
    run_training(photos, options(tmp_path / "run", **values))
    model = load_file(tmp_path / "run" / "model.safetensors")
    checkpoint = load_file(tmp_path / "run" / "checkpoints" / f"step-{STEPS:08d}.pth")
    assert (model.spec.width, model.spec.heads) == (24, 3)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), checkpoint.parameters(), strict=True))
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert all({"loss", "cosine", "lr"} <= line.keys() for line in lines)


def test_resuming_from_another_teacher_is_refused(run, tmp_path, monkeypatch):
    from dinoseg.errors import OutputConflict

    photos, values = run
    run_until(3, photos, options(tmp_path / "run", **values), monkeypatch)
    save_teacher(tmp_path / "teacher.safetensors", hidden=48)
    with pytest.raises(OutputConflict, match="teacher_sha256: there"):
        run_training(photos, options(tmp_path / "run", resume=True, **values))


def test_a_loss_that_is_no_number_stops_the_run(run, tmp_path, monkeypatch):
    from dinoseg.errors import NonFiniteLoss
    from dinoseg.training import distil

    photos, values = run
    nothing = lambda *_: torch.tensor(float("nan"), requires_grad=True)  # noqa: E731
    at_step(3, lambda: monkeypatch.setattr(distil, "distance", nothing), monkeypatch)
    with pytest.raises(NonFiniteLoss, match="step 3"):
        run_training(photos, options(tmp_path / "run", **values))


def test_the_average_follows_fast_at_first(monkeypatch):
    momenta = []
    monkeypatch.setattr(distil, "update_average", lambda average, student, momentum: momenta.append(momentum))
    learner = distillation()
    prepared = learner.prepare(batch(), generator())
    for _ in range(3):
        learner.step(SETTINGS, *prepared)
    assert momenta == pytest.approx([1 - 10 / 11, 1 - 10 / 12, 1 - 10 / 13])
    learner.steps = 10**6
    learner.step(SETTINGS, *prepared)
    assert momenta[-1] == 0.999
