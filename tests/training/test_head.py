"""The head against the reference program's outputs."""

import numpy as np
import pytest
import torch

from dinoseg.training.head import DINOHead
from tests.training.tiny import golden


@pytest.mark.parametrize(
    ("variant", "layers", "batch_norm"),
    [("n1", 1, False), ("n2", 2, False), ("n3", 3, False), ("n3bn", 3, True)],
)
def test_outputs_are_those_of_the_reference(variant, layers, batch_norm):
    arrays = golden()
    prefix = f"head/{variant}/"
    state = {key.removeprefix(prefix): torch.from_numpy(arrays[key]) for key in arrays.files if key.startswith(prefix)}
    output = state.pop("output")
    if layers == 1:  # the reference's MLP of one layer is no sequence
        state = {key.replace("mlp.", "mlp.0."): value for key, value in state.items()}
    head = DINOHead(16, 24, hidden=20, bottleneck=8, layers=layers, batch_norm=batch_norm).eval()
    head.load_state_dict(state)
    np.testing.assert_allclose(head(torch.from_numpy(arrays["head/input"])).detach(), output, rtol=0, atol=1e-5)


@pytest.mark.parametrize("norm_last_layer", [True, False])
def test_norm_of_the_last_layer_starts_at_one_and_may_stay_there(norm_last_layer):
    last = DINOHead(16, 24, norm_last_layer=norm_last_layer).last_layer
    np.testing.assert_array_equal(last.weight_g.detach(), golden()["head/weight_g_init"])
    assert last.weight_g.requires_grad is not norm_last_layer


def test_outputs_are_cosines_while_the_norm_is_kept():
    out = DINOHead(16, 24)(torch.randn(50, 16))
    assert out.abs().max() <= 1 + 1e-6


def test_last_layer_is_float32_under_autocast():
    head, x = DINOHead(16, 24), torch.randn(5, 16)
    with torch.autocast("cpu", torch.bfloat16):
        assert head.mlp(x).dtype == torch.bfloat16
        assert head(x).dtype == torch.float32
