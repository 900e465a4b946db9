"""``tokencut`` against the reference's arrays, and its defaults per family."""

import numpy as np
import pytest

from dinoseg.methods.base import View
from dinoseg.methods.cut import Cut
from dinoseg.methods.tokencut import TokenCut, seed_component
from tests.helpers import GOLDEN
from tests.methods.scenes import CASES, disk, features, features_of, fit_of, found, golden_box, iou


def component(golden, case, method):
    height, width = golden[f"{case}/dims"]
    facet = golden[f"{case}/feats"][1:].reshape(height, width, -1)
    attention = np.random.default_rng(0).uniform(size=(2, height, width))  # must not matter
    (proposal,) = found(method, features(attention, facet)).objects
    assert set(np.unique(proposal.soft)) <= {0, 1}
    return proposal.soft > 0.5


@pytest.mark.parametrize("case", CASES)
def test_golden_component(case):
    golden = np.load(GOLDEN / "methods.npz")
    mask = component(golden, case, TokenCut())
    np.testing.assert_array_equal(mask, golden[f"{case}/tc_component"])
    height, width = golden[f"{case}/image_size"]
    rows, columns = (np.arange(n) * cells // n for n, cells in zip((height, width), mask.shape, strict=True))
    np.testing.assert_array_equal(mask[rows][:, columns], golden[f"{case}/tcs_mask"])


@pytest.mark.parametrize("case", [case for case in CASES if case not in ("frame16", "net14")])  # close calls
def test_golden_component_of_the_weighted_graph(case):
    golden = np.load(GOLDEN / "methods.npz")
    np.testing.assert_array_equal(component(golden, case, TokenCut(weighted=True)), golden[f"{case}/tcw_component"])


@pytest.mark.parametrize(("weighted", "name"), [(False, "tc_box"), (True, "tcw_box")])
@pytest.mark.parametrize("case", CASES)
def test_golden_box(case, weighted, name):
    golden = np.load(GOLDEN / "methods.npz")
    mask = component(golden, case, TokenCut(weighted=weighted))
    assert golden_box(golden, case, mask) == golden[f"{case}/{name}"].tolist()


@pytest.mark.parametrize(
    ("method", "family", "facet", "centred"),
    [
        (TokenCut(), "dino", "key", False),
        (TokenCut(), "dinov2", "token", False),
        (TokenCut(), "dinov2-registers", "token", False),
        (TokenCut(), "dinov3", "token", False),
        (TokenCut(facet="key"), "dinov2", "key", True),  # its keys all point one way
        (TokenCut(facet="value"), "dinov2", "value", False),
        (TokenCut(facet="key", centre=False), "dinov2", "key", False),
        (TokenCut(centre=True), "dino", "key", True),
    ],
)
def test_defaults_per_family(method, family, facet, centred):
    assert method.facets(family) == (facet,)
    facets = {facet: np.random.default_rng(0).uniform(1, 2, (6, 4))}
    given = method.features(View(fit_of((2, 3)), family, np.ones((1, 2, 3)), facets))
    np.testing.assert_allclose(given.mean(axis=0), 0 if centred else facets[facet].mean(axis=0), atol=1e-12)


def test_only_the_piece_of_the_seed():
    near, far = disk(centre=(6, 4), radius=3), disk(centre=(6, 13), radius=1.5)
    (proposal,) = found("tokencut", features_of(near | far)).objects
    mask = proposal.soft > 0.5
    assert iou(mask, near) > 0.9 or iou(mask, far) > 0.9


def test_the_side_of_the_seed_is_that_above_the_mean_not_above_zero():
    cut = Cut(np.array([1.0, 0.3, 0.3, 0.2]), (0.1, 0.5), 0)
    assert seed_component(cut, (1, 4)).tolist() == [[True, False, False, False]]  # the mean is 0.45
