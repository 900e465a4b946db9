"""Another patch size for the same network, without training."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def shrink_matrix(from_patch: int, to_patch: int) -> Tensor:
    """``B`` ``(p * p, P * P)`` float64: the linear map that resizes a flat patch, antialiased bilinear."""
    units = torch.eye(from_patch**2, dtype=torch.float64).view(-1, 1, from_patch, from_patch)
    small = F.interpolate(units, size=(to_patch, to_patch), mode="bilinear", antialias=True)
    return small.flatten(1).T  # column i is what the i-th pixel becomes


def resize_patch_kernel(kernel: Tensor, patch: int) -> Tensor:
    """Patch embedding ``(d, 3, P, P)`` for patches of ``patch`` px, ``(d, 3, p, p)``.

    As a row vector w per channel: w' = w B^+, so that w' (B x) is as near to w x as can be
    (FlexiViT, Beyer et al. 2023, section 3.4).
    """
    if kernel.shape[-1] == patch:
        return kernel
    inverse = torch.linalg.pinv(shrink_matrix(kernel.shape[-1], patch)).to(kernel.device)  # (P * P, p * p)
    return (kernel.double().flatten(2) @ inverse).unflatten(-1, (patch, patch)).to(kernel.dtype)
