"""Trust in a mask, from correlations."""

import numpy as np
import pytest

from dinoseg.methods.score import agreement, sharp
from tests.methods.scenes import disk

OBJECT = disk()
SOFT = np.where(OBJECT, 0.9, 0.1).astype(np.float32)
HALF = np.random.default_rng(0).normal(size=OBJECT.shape) + 2 * OBJECT


@pytest.mark.parametrize(
    ("soft", "maps", "score"),
    [
        (SOFT, (), 1.0),  # two values: the mask says everything
        (SOFT, (SOFT, OBJECT), 1.0),
        (SOFT, (HALF,), np.corrcoef(OBJECT.ravel(), HALF.ravel())[0, 1]),
        (SOFT, (1 - OBJECT,), 0.0),  # attention lies beside the mask
        (SOFT, (np.ones(OBJECT.shape),), 0.0),  # a flat map agrees with nothing
        (np.zeros((3, 3), np.float32), (), 0.0),  # no mask
        (np.ones((3, 3), np.float32), (np.eye(3),), 0.0),  # nothing but mask
    ],
)
@pytest.mark.filterwarnings("error")
def test_agreement(soft, maps, score):
    assert agreement(soft, *maps) == pytest.approx(score, abs=1e-6)


def test_a_softer_map_is_less_sure():
    blurred = np.clip(SOFT + np.random.default_rng(1).normal(0, 0.15, SOFT.shape), 0, 1).astype(np.float32)
    assert 0.5 < agreement(blurred) < 0.99


def test_a_sharp_object_is_scored_by_the_attention():
    mask, attention = OBJECT, HALF
    proposal = sharp(mask, attention, "why")
    assert proposal.soft.dtype == np.float32
    np.testing.assert_array_equal(proposal.soft, mask)
    np.testing.assert_allclose(proposal.score, np.corrcoef(mask.ravel(), attention.ravel())[0, 1])
