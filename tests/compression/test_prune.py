"""Pruning: what goes is what costs least, what stays is refitted, and LayerScale comes back."""

import copy

import pytest
import torch

from dinoseg.backbone.vit import layer_scale
from dinoseg.compression.prune import Moments, folded_output, prunable, prune, replace_mlp, select
from dinoseg.errors import CompressionError
from tests.networks import small_teacher


def moments_of(hidden, target):
    hidden = torch.cat([hidden, torch.ones(len(hidden), 1)], dim=1).double()
    return Moments(hidden.T @ hidden / len(hidden), hidden.T @ target.double() / len(hidden))


def crops(count=3):
    torch.manual_seed(1)
    return [(images := torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8), images) for _ in range(count)]


def test_neurons_that_nothing_depends_on_go_first():
    torch.manual_seed(0)
    hidden = torch.randn(500, 40)
    used = torch.tensor([3, 7, 11, 19, 23, 29, 31, 37])
    weight = torch.zeros(41, 6)
    weight[used] = torch.randn(8, 6)
    target = torch.cat([hidden, torch.ones(500, 1)], dim=1) @ weight
    kept, refitted = select(moments_of(hidden, target), weight.double(), 8)
    assert torch.equal(kept, used)
    assert torch.allclose(refitted[:-1].float(), weight[used], atol=1e-3)


def test_a_doubled_neuron_is_free_and_its_twin_takes_over():
    torch.manual_seed(0)
    hidden = torch.randn(400, 24)
    hidden[:, 5] = hidden[:, 9]
    weight = torch.randn(25, 4)
    target = torch.cat([hidden, torch.ones(400, 1)], dim=1) @ weight
    kept, refitted = select(moments_of(hidden, target), weight.double(), 23)
    assert (5 in kept) != (9 in kept)
    ours = torch.cat([hidden[:, kept], torch.ones(400, 1)], dim=1) @ refitted.float()
    assert (ours - target).abs().max() < 1e-2


@pytest.mark.parametrize("family", ["dino", "dinov2", "dinov3"])
def test_keeping_every_neuron_changes_nothing(family):
    teacher = small_teacher(family)
    student = copy.deepcopy(teacher)
    prune(teacher, student, crops(), 96, progress=lambda: None)
    images = teacher.normalise(crops(1)[0][0])
    assert torch.allclose(student.tokens(images), teacher.tokens(images), atol=1e-3)


@pytest.mark.parametrize("family", ["dino", "dinov2", "dinov3"])
def test_refitting_beats_cutting(family):
    teacher = small_teacher(family)
    refitted, cut = copy.deepcopy(teacher), copy.deepcopy(teacher)
    prune(teacher, refitted, crops(8), 24, progress=lambda: None)
    for block in cut.vit.blocks:
        replace_mlp(block, torch.arange(24), folded_output(block)[[*range(24), 96]])
    images = teacher.normalise(torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8))  # other images
    errors = [(network.tokens(images) - teacher.tokens(images)).square().mean() for network in (refitted, cut)]
    assert errors[0] < 0.5 * errors[1]
    assert refitted.vit.blocks[0].mlp.fc1.weight.shape == (24, 32)


def test_layer_scale_is_given_back_and_tiny_channels_stay_folded():
    block = small_teacher("dinov2").vit.blocks[0]
    before, gamma = folded_output(block), block.ls2.gamma.clone()
    x = torch.randn(5, 32)
    expected = layer_scale(block, 2, block.mlp(x))
    replace_mlp(block, torch.arange(96), before)
    assert torch.allclose(layer_scale(block, 2, block.mlp(x)), expected, atol=1e-5)
    tiny = gamma.abs() < 1e-3
    assert tiny.any()
    assert torch.equal(block.ls2.gamma[~tiny], gamma[~tiny])
    assert (block.ls2.gamma[tiny] == 1).all()


def test_gated_mlps_and_wrong_counts_are_refused():
    from timm.layers import SwiGLU

    teacher = small_teacher()
    with pytest.raises(CompressionError, match="--neurons 97 is out of range"):
        prunable(teacher, 97)
    teacher.vit.blocks[0].mlp = SwiGLU(32, 96)
    with pytest.raises(CompressionError, match="gated MLP"):
        prunable(teacher, 24)
