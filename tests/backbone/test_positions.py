"""Where patches lie, computed without torch: equal to what torch and timm make of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from timm.layers.pos_embed_sincos import RotaryEmbeddingDinoV3

from dinoseg.backbone.positions import rotary_table, table_matrices
from dinoseg.backbone.vit import resize_positions, resized_by

GRIDS = [(37, 37), (37, 20), (1, 1), (24, 32), (32, 21), (60, 45), (5, 90)]


@pytest.mark.parametrize("rule", ["offset", "antialias"])
@pytest.mark.parametrize("grid", GRIDS)
def test_a_table_is_resized_as_torch_does(grid: tuple[int, int], rule: str) -> None:
    table = torch.randn(1, 1 + 37 * 37, 8, generator=torch.Generator().manual_seed(0))
    matrices = map(torch.from_numpy, table_matrices(37, grid, rule))
    torch.testing.assert_close(resized_by(table, *matrices), resize_positions(table, grid, rule), atol=2e-5, rtol=0)


def test_a_table_of_its_own_size_stays_as_it_is() -> None:
    for matrix in table_matrices(14, (14, 14), "offset"):
        np.testing.assert_array_equal(matrix, np.eye(14))


@pytest.mark.parametrize("grid", GRIDS)
def test_rotary_positions_are_timms(grid: tuple[int, int]) -> None:
    timm = RotaryEmbeddingDinoV3(64, temperature=100.0, rotate_half=True)
    np.testing.assert_allclose(rotary_table(64, grid, 100.0), timm.get_embed(shape=list(grid)).numpy(), atol=2e-6)
