"""How weights start, and how crops of two sizes go through."""

import numpy as np
import pytest
import torch

from dinoseg.training.network import drop_paths, new_network
from tests.training.tiny import golden, options


def test_weights_start_as_published():
    torch.manual_seed(0)
    network = new_network(options(width=192, depth=2, global_size=128, local_size=48, patch=16))
    vit, head = network.backbone.vit, network.head
    matrices = [p for name, p in vit.blocks.named_parameters() if p.ndim == 2] + [
        head.mlp[0].weight,
        head.mlp[4].weight,
    ]
    for tensor in [*matrices, vit.pos_embed]:
        assert tensor.std().item() == pytest.approx(0.02, rel=0.05)
    assert 0.01 < vit.cls_token.std() < 0.03
    assert vit.pos_embed.shape == (1, 1 + 8 * 8, 192)  # the grid of a global crop
    assert all((p == 0).all() for name, p in network.named_parameters() if "bias" in name and "patch_embed" not in name)
    assert (vit.norm.weight == 1).all()
    bound = (3 * 16 * 16) ** -0.5  # PyTorch's default for convolutions is uniform
    assert vit.patch_embed.proj.weight.abs().max() <= bound
    assert vit.patch_embed.proj.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)


def test_drop_path_rises_linearly_over_the_blocks():
    backbone = new_network(options(depth=12)).backbone
    drop_paths(backbone, 0.1)
    for branch in ("drop_path1", "drop_path2"):
        rates = [getattr(block, branch).drop_prob for block in backbone.vit.blocks]
        np.testing.assert_allclose(rates, golden()["sched/droppath_rates_12_0.1"], rtol=0, atol=1e-8)


def test_drop_path_drops_whole_branches_of_single_images():
    torch.manual_seed(0)
    backbone = new_network(options(depth=2)).backbone
    plain = backbone.tokens(torch.ones(64, 3, 16, 16)).detach()
    drop_paths(backbone, 0.5)
    seen = backbone.tokens(torch.ones(64, 3, 16, 16)).detach()
    assert len(seen.flatten(1).unique(dim=0)) > 1  # equal images, other fates
    assert len(plain.flatten(1).round(decimals=5).unique(dim=0)) == 1
    backbone.eval()
    torch.testing.assert_close(backbone.tokens(torch.ones(64, 3, 16, 16)), plain)


def test_answers_are_ordered_by_view_then_photograph():
    torch.manual_seed(0)
    network = new_network(options())
    large, small = torch.randn(2, 3, 3, 16, 16), torch.randn(4, 3, 3, 8, 8)
    answers = network(large, small)
    assert answers.shape == (6, 3, 32)
    alone = network.head(network.backbone.tokens(small[2])[:, 0])  # the third local view of all photographs
    torch.testing.assert_close(answers[4], alone)
