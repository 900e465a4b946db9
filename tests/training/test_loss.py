"""The loss against the reference program's arrays and against its definition written out."""

import math

import numpy as np
import pytest
import torch

from dinoseg.training.loss import DINOLoss
from tests.training.tiny import golden


def test_loss_gradient_and_centre_are_those_of_the_reference():
    arrays = golden()
    loss = DINOLoss(20)
    for call in range(5):
        student = torch.from_numpy(arrays["loss/student"][call]).unflatten(0, (5, 3)).requires_grad_()
        teacher = torch.from_numpy(arrays["loss/teacher"][call]).unflatten(0, (2, 3))
        value, _ = loss(student, teacher, float(arrays["loss/teacher_temp_schedule"][call]))
        loss.update_centre(teacher)
        (gradient,) = torch.autograd.grad(value, student)
        assert value.item() == pytest.approx(arrays["loss/value"][call], rel=1e-6)
        np.testing.assert_allclose(gradient.flatten(0, 1), arrays["loss/grad_student"][call], rtol=0, atol=1e-6)
        np.testing.assert_allclose(loss.centre, arrays["loss/centre_after"][call], rtol=0, atol=1e-6)


def test_loss_is_the_mean_cross_entropy_of_different_views():
    torch.manual_seed(0)
    student, teacher, loss = torch.randn(4, 3, 7).double(), torch.randn(2, 3, 7).double(), DINOLoss(7).double()
    loss.centre.copy_(torch.randn(7))
    told = (teacher - loss.centre).div(0.05).softmax(-1)
    terms = [
        -(told[t] * student[v].div(0.1).log_softmax(-1)).sum(-1).mean() for t in range(2) for v in range(4) if t != v
    ]
    value, entropy = loss(student, teacher, 0.05)
    assert len(terms) == 6
    assert value.item() == pytest.approx(torch.stack(terms).mean().item())
    assert entropy.item() == pytest.approx(-(told * told.log()).sum(-1).mean().item())


@pytest.mark.parametrize(
    ("teacher", "entropy"),
    [
        (torch.zeros(2, 3, 8), math.log(8)),  # all prototypes alike
        (1e3 * torch.nn.functional.one_hot(torch.zeros(2, 3).long(), 8).float(), 0.0),  # one prototype
    ],
)
def test_f81_entropy_tells_the_two_kinds_of_collapse(teacher, entropy):
    assert DINOLoss(8)(torch.randn(4, 3, 8), teacher, 0.04)[1].item() == pytest.approx(entropy, abs=1e-6)


def test_teacher_gets_no_gradient():
    teacher = torch.randn(2, 3, 8, requires_grad=True)
    value, _ = DINOLoss(8)(torch.randn(3, 3, 8, requires_grad=True), teacher, 0.04)
    value.backward()
    assert teacher.grad is None
