"""Clipping, groups, the frozen layer and the moving average."""

import numpy as np
import pytest
import torch
from torch import nn

from dinoseg.learning.average import update_average
from dinoseg.training.optim import cancel_last_layer, clip_each, parameter_groups
from tests.training.tiny import golden


def test_every_tensor_is_clipped_by_its_own_norm():
    arrays = golden()
    large, small = nn.Parameter(torch.zeros(2, 3)), nn.Parameter(torch.zeros(2))
    large.grad, small.grad = torch.tensor([[3.0, 4.0, 0], [0, 0, 0]]), torch.tensor([0.1, 0.2])
    without = nn.Parameter(torch.zeros(1))  # has no gradient
    norms = clip_each([large, small, without], 1.0)
    np.testing.assert_allclose(torch.stack(norms), arrays["clip/norms"], rtol=1e-6)
    np.testing.assert_allclose(large.grad, arrays["clip/weight_grad"], rtol=1e-6)
    np.testing.assert_allclose(small.grad, arrays["clip/bias_grad"], rtol=1e-6)


def test_vectors_and_biases_are_not_decayed_and_frozen_parameters_are_left_out():
    network = nn.ModuleDict({"linear": nn.Linear(3, 3), "norm": nn.LayerNorm(3), "conv": nn.Conv2d(3, 1, 2)})
    network.cls_token = nn.Parameter(torch.zeros(1, 1, 3))
    network.frozen = nn.Parameter(torch.zeros(3, 3), requires_grad=False)
    decayed, plain = parameter_groups(network)
    assert {p.ndim for p in decayed["params"]} == {2, 3, 4}  # linear, CLS, kernel
    assert len(plain["params"]) == 4
    assert plain["weight_decay"] == 0


def test_cancelled_layer_neither_moves_nor_decays():
    head = nn.ModuleDict({"mlp": nn.Linear(3, 3), "last_layer": nn.Linear(3, 5)})
    before = {name: p.detach().clone() for name, p in head.named_parameters()}
    optimiser = torch.optim.AdamW(parameter_groups(head), lr=0.1, weight_decay=0.5)
    head["last_layer"](head["mlp"](torch.randn(4, 3))).square().sum().backward()
    cancel_last_layer(head)
    optimiser.step()
    moved = {name: not torch.equal(p, before[name]) for name, p in head.named_parameters()}
    assert moved == {"mlp.weight": True, "mlp.bias": True, "last_layer.weight": False, "last_layer.bias": False}


@pytest.mark.parametrize(("momentum", "expected"), [(0.0, 3.0), (0.75, 1.5), (1.0, 1.0)])
def test_teacher_follows(momentum, expected):
    teacher, student = nn.Linear(2, 2), nn.Linear(2, 2)
    for network, value in ((teacher, 1.0), (student, 3.0)):
        for parameter in network.parameters():
            nn.init.constant_(parameter, value)
    update_average(teacher.parameters(), student.parameters(), momentum)
    assert all((p == expected).all() for p in teacher.parameters())
    assert all((p == 3).all() for p in student.parameters())
