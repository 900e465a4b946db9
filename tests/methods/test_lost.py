"""``lost`` against the reference's arrays."""

import numpy as np
import pytest

from dinoseg.methods.lost import Lost, grow
from tests.helpers import GOLDEN
from tests.methods.scenes import CASES, features, found, golden_box, golden_features

KS = (100, 25)


@pytest.mark.parametrize("k", KS)
@pytest.mark.parametrize("case", CASES)
def test_golden_growth(case, k):
    golden = np.load(GOLDEN / "methods.npz")
    grown = grow(golden[f"{case}/feats"][1:].astype(np.float64), k)
    assert grown is not None
    np.testing.assert_array_equal(grown.degree, golden[f"{case}/lost_degree"])
    assert grown.degree[grown.seed] == grown.degree[golden[f"{case}/lost_k{k}_seed"]] == grown.degree.min()
    if golden[f"{case}/lost_seed_tie_count"] > 1 or golden[f"{case}/lost_k{k}_boundary_tie"]:
        return  # equal degrees: the reference's order is arbitrary
    assert grown.seed == golden[f"{case}/lost_k{k}_seed"]
    np.testing.assert_array_equal(grown.similar, golden[f"{case}/lost_k{k}_similar"])
    np.testing.assert_allclose(grown.expansion, golden[f"{case}/lost_k{k}_expansion"].ravel(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("k", KS)
@pytest.mark.parametrize("case", CASES)
def test_golden_box(case, k):
    golden = np.load(GOLDEN / "methods.npz")
    proposals = found(Lost(k=k), golden_features(golden, case))
    if case == "net14":  # the reference's box is the whole image, which is no object here
        assert golden[f"{case}/lost_k{k}_box"].tolist() == [0, 0, *golden[f"{case}/image_size"][::-1]]
        assert proposals.reason == "no_object"
        return
    (proposal,) = proposals.objects
    assert golden_box(golden, case, proposal.soft > 0.5) == golden[f"{case}/lost_k{k}_box"].tolist()


def test_equal_degrees_are_taken_in_reading_order():
    grown = grow(np.repeat(np.eye(2), (3, 3), axis=0) @ np.array([[1.0, 0], [-1, 0]]), 2)
    assert grown is not None
    assert (grown.degree == 2).all()
    assert grown.seed == 0
    assert grown.similar.tolist() == [0, 1]


@pytest.mark.parametrize("row", [np.ones(4), np.zeros(4)])  # all pairs are similar, none is
def test_a18_nothing_to_tell_patches_apart(row):
    assert grow(np.tile(row, (12, 1)), 100) is None
    flat = features(np.full((1, 3, 4), 1 / 12), np.tile(row, (3, 4, 1)))
    assert found("lost", flat).reason == "degenerate_graph"


def test_a18_a_seed_of_zeros_grows_nothing():
    rows = np.random.default_rng(0).normal(size=(12, 4)) + 1
    rows[5] = 0
    assert grow(rows, 100) is None
