"""Files of our own hold numbers only."""

import pytest

from dinoseg.backbone.export import save_backbone
from dinoseg.errors import NonFiniteLoss
from tests.networks import small_teacher


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e6])  # the last is no number in half precision
def test_weights_without_numbers_are_not_written(value, tmp_path):
    backbone = small_teacher()
    backbone.vit.norm.weight[0] = value
    with pytest.raises(NonFiniteLoss, match=r"w\.safetensors is not written"):
        save_backbone(backbone, tmp_path / "w.safetensors", store="float16")
    assert not list(tmp_path.iterdir())
