"""Patch resizing: the right transpose, and no change where none is asked for."""

import pytest
import torch
import torch.nn.functional as F

from dinoseg.compression.patch import resize_patch_kernel, shrink_matrix


@pytest.mark.parametrize("patch", [8, 10, 16, 20])
def test_a_constant_patch_gets_the_same_response(patch):
    kernel = 1 + F.interpolate(torch.rand(5, 3, 3, 3), size=(14, 14), mode="bilinear")  # smooth, as trained ones are
    resized = resize_patch_kernel(kernel, patch)
    assert resized.shape == (5, 3, patch, patch)
    ratio = resized.sum(dim=(2, 3)) / kernel.sum(dim=(2, 3))
    # The wrong reading of the pseudo-inverse gives about (patch / 14) ** 2, half of it at patch 10.
    assert torch.allclose(ratio, torch.ones_like(ratio), atol=2e-2)


@pytest.mark.parametrize("patch", [14, 20])
def test_what_was_shrunk_from_is_answered_exactly_when_nothing_is_lost(patch):
    kernel, x = torch.randn(4, 3, 14, 14), torch.randn(2, 3, 14, 14)
    larger = (shrink_matrix(14, patch) @ x.double().flatten(2).transpose(1, 2)).transpose(1, 2)  # (2, 3, p * p)
    response = torch.einsum("bcp,dcp->bd", larger, resize_patch_kernel(kernel, patch).double().flatten(2))
    assert torch.allclose(response, F.conv2d(x, kernel).flatten(1).double(), atol=1e-4)


def test_the_same_patch_is_untouched():
    kernel = torch.randn(2, 3, 14, 14)
    assert resize_patch_kernel(kernel, 14) is kernel
