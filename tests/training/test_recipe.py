"""Whole steps against the reference training loop, and what must not move."""

import copy

import numpy as np
import pytest
import torch

from dinoseg.training import recipe
from dinoseg.training.learner import Measures
from dinoseg.training.recipe import DINO, MEASURES
from dinoseg.training.schedules import Schedules, Settings
from tests.helpers import GOLDEN
from tests.training.tiny import options, small_head

SETTINGS = Settings(lr=0.01, weight_decay=0.1, momentum=0.9, teacher_temp=0.04, frozen=False)
GOLDEN_STEPS = {
    "epochs": 2,
    "batch": 2,
    "patch": 8,
    "width": 24,
    "global_size": 32,
    "local_size": 16,
    "local_crops": 3,
    "prototypes": 40,
    "lr": 0.002 * 256 / 2,
    "teacher_temp": (0.04, 0.06),
    "teacher_temp_epochs": 1,
    "clip": 0.3,
    "norm_last_layer": False,
    "drop_path": 0.0,
}


def parameters_like(network: torch.nn.Module, arrays: dict[str, np.ndarray], prefix: str) -> dict[str, torch.Tensor]:
    """The golden tensors under our names."""
    return {
        name: torch.from_numpy(arrays[prefix + name.replace(".vit.", ".")]) for name, _ in network.named_parameters()
    }


def test_six_whole_steps_are_those_of_the_reference(monkeypatch: pytest.MonkeyPatch):
    arrays = np.load(GOLDEN / "training.npz")
    small_head(monkeypatch, hidden=20, bottleneck=10)
    norms: list[torch.Tensor] = []
    clip = recipe.clip_each
    monkeypatch.setattr(recipe, "clip_each", lambda *a: norms.append(torch.stack(clip(*a))))
    dino = DINO(options(**GOLDEN_STEPS), torch.device("cpu"))
    for network in (dino.student, dino.teacher):
        network.load_state_dict(parameters_like(network, arrays, "step/init/"))
    schedules = Schedules(dino.options, 3, 2)

    for step in range(6):
        settings = schedules.at(step)
        told = [arrays[f"step/{name}"][step] for name in ("lr", "wd", "momentum")]
        np.testing.assert_allclose([settings.lr, settings.weight_decay, settings.momentum], told, rtol=0, atol=1e-12)
        crops = (torch.from_numpy(arrays[f"step/it{step}/{kind}"]) for kind in ("global", "local"))
        assert dino.step(settings, *crops).loss == pytest.approx(arrays["step/loss"][step], abs=1e-5)
        np.testing.assert_allclose(norms[step], arrays["step/grad_norms"][step], rtol=1e-3)
        if step % 3 == 2:
            for side in ("student", "teacher"):
                network = getattr(dino, side)
                compare(network, parameters_like(network, arrays, f"step/{side}_after_epoch{step // 3}/"))
    np.testing.assert_allclose(dino.loss.centre, arrays["step/centre"], rtol=0, atol=1e-6)


def compare(network: torch.nn.Module, expected: dict[str, torch.Tensor]) -> None:
    """Equal within 2e-6, but for the key biases: their gradient is rounding noise that Adam blows up."""
    for name, parameter in network.named_parameters():
        difference = (parameter.detach() - expected[name]).abs()
        if name.endswith("qkv.bias"):
            query, key, value = difference.chunk(3)
            assert key.max() <= 1e-3, name
            difference = torch.cat([query, value])
        assert difference.max() <= 2e-6, name


def test_decayed_parameters_are_those_of_the_reference(monkeypatch: pytest.MonkeyPatch):
    arrays = np.load(GOLDEN / "training.npz")
    dino = DINO(options(**GOLDEN_STEPS), torch.device("cpu"))
    names = {id(p): name.replace(".vit.", ".") for name, p in dino.student.named_parameters()}
    for group, key in zip(dino.optimiser.param_groups, ("regularised", "not_regularised"), strict=True):
        assert [names[id(p)] for p in group["params"]] == list(arrays[f"step/{key}"])


def crops(local: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return (
        torch.randn(2, 4, 3, 16, 16, generator=generator),
        torch.randn(local, 4, 3, 8, 8, generator=generator),
    )


@pytest.mark.parametrize("frozen", [True, False])
def test_last_layer_moves_only_when_it_is_not_frozen(frozen, monkeypatch):
    small_head(monkeypatch)
    dino = DINO(options(norm_last_layer=False), torch.device("cpu"))
    before = {name: p.detach().clone() for name, p in dino.student.named_parameters()}
    settings = Settings(0.01, 0.1, 0.9, 0.04, frozen)
    dino.step(settings, *crops())
    still = {name for name, p in dino.student.named_parameters() if torch.equal(p, before[name])}
    assert still == ({"head.last_layer.weight_g", "head.last_layer.weight_v"} if frozen else set())


def test_student_learns_one_batch_by_heart(monkeypatch):
    small_head(monkeypatch)
    torch.manual_seed(0)
    dino = DINO(options(drop_path=0.0), torch.device("cpu"))
    batch = crops()
    losses = [dino.step(SETTINGS, *batch).values["kl"] for _ in range(40)]
    assert min(losses[-5:]) < losses[0] / 2


@pytest.mark.parametrize(
    ("local", "half"),
    [
        (0, None),  # no local crops
        (2, torch.bfloat16),  # mixed precision
    ],
)
def test_steps_of_other_kinds_are_finite(local, half, monkeypatch):
    small_head(monkeypatch)
    monkeypatch.setattr(recipe, "half_precision", lambda device: half)
    dino = DINO(options(local_crops=local), torch.device("cpu"))
    assert np.isfinite(dino.step(SETTINGS, *crops(local)).loss)
    assert {p.dtype for p in dino.student.parameters()} == {torch.float32}


def test_mixed_precision_is_for_gpus():
    assert recipe.half_precision(torch.device("cpu")) is None


def test_f84_state_holds_everything_that_a_step_changes(monkeypatch):
    small_head(monkeypatch)
    one, other = (DINO(options(), torch.device("cpu")) for _ in range(2))
    one.step(SETTINGS, *crops())
    other.load(copy.deepcopy(one.state()))
    torch.manual_seed(1)
    first = one.step(SETTINGS, *crops()).values
    torch.manual_seed(1)
    assert other.step(SETTINGS, *crops()).values == first
    for a, b in zip(one.student.parameters(), other.student.parameters(), strict=True):
        assert torch.equal(a, b)
    assert torch.equal(one.loss.centre, other.loss.centre)


def test_measures_wait_for_the_device_that_they_come_from(monkeypatch):
    waited = []

    class Event:
        def record(self, stream=None):
            self.stream = stream

        def synchronize(self):
            waited.append(self.stream)

    class OnSecondGPU:
        is_cuda, device = True, "cuda:1"

        def to(self, device, non_blocking):
            return torch.arange(5.0)

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device=None: f"stream of {device}")
    assert Measures(MEASURES, OnSecondGPU()).loss == 0
    assert waited == ["stream of cuda:1"]
