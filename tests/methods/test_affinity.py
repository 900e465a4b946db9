"""What stands in for CLS attention."""

import numpy as np
import pytest
import torch

from dinoseg.backbone.features import Features
from dinoseg.methods.affinity import attention_or_affinity


def features(token, attention=None):
    return Features(attention, "convolutional", 16, {"token": token})


def test_attention_is_taken_where_there_is_some():
    attention = torch.rand(1, 2, 3, 4)
    assert attention_or_affinity(features(torch.rand(1, 3, 4, 5), attention)) is attention


@pytest.mark.parametrize("library", [torch.from_numpy, np.asarray], ids=["torch", "numpy"])
def test_affinity_is_the_mean_product_of_a_cell_with_all_cells(library):
    token = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    rows = token.reshape(2, 12, 5)
    expected = np.maximum((rows @ rows.transpose(0, 2, 1)).mean(axis=2), 0).reshape(2, 1, 3, 4)
    np.testing.assert_allclose(np.asarray(attention_or_affinity(features(library(token)))), expected, atol=1e-6)
