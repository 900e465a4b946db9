"""The normalised cut against the reference's arrays, a dense solver, and graphs that have none."""

from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.linalg
import torch
from torch.nn.functional import normalize

from dinoseg.backbone.zoo import load
from dinoseg.images.decode import as_source, decode
from dinoseg.images.fit import fit
from dinoseg.methods import cut as cut_module
from dinoseg.methods.cut import EPS, affinity, normalised_cuts, solvable, start_of
from dinoseg.methods.lanczos import Pairs, smallest_pairs
from tests.helpers import GOLDEN
from tests.methods.scenes import CASES, iou


def groups(sizes=(80, 120), width=16, noise=0.3, seed=0):
    random = np.random.default_rng(seed)
    directions = random.normal(size=(len(sizes), width))
    return np.repeat(directions, sizes, axis=0) + noise * random.normal(size=(sum(sizes), width))


def graph_of(features, tau=0.2, *, weighted=False):
    """One graph, ``(N, N)``, in float64."""
    return affinity(normalize(torch.from_numpy(features)[None], dim=-1), tau, weighted)[0].numpy()


def cut_of(features, tau=0.2, *, dtype=torch.float32, weighted=False):
    (cut,) = normalised_cuts(torch.from_numpy(features).to(dtype)[None], tau, weighted=weighted)
    return cut


def reference(weights):
    """Second and third eigenvalue and the second vector, as the published program solves for them."""
    degree = np.diag(weights.sum(axis=1))
    values, vectors = scipy.linalg.eigh(degree - weights, degree, subset_by_index=[1, 2])
    return values, vectors[:, 0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("case", CASES)
def test_golden_binary_graph(case, dtype):
    golden = np.load(GOLDEN / "methods.npz")
    features = golden[f"{case}/feats"][1:]
    vector = golden[f"{case}/tc_eigvec"].ravel()
    assert (graph_of(features) == 1).sum() == golden[f"{case}/tc_edges"]
    cut = cut_of(features, dtype=dtype)
    vector = vector * np.sign(vector[cut.seed])
    exact = dtype == torch.float64
    atol = (1e-6 if exact else 1e-4) * abs(vector).max()
    second, third = cut.eigenvalues - golden[f"{case}/tc_eigvals"]
    assert abs(second) < (1e-8 if exact else 3e-6)
    assert abs(third) < (1e-8 if exact else 1e-3)
    np.testing.assert_allclose(cut.vector, vector, rtol=1e-6 if exact else 0, atol=atol)
    np.testing.assert_array_equal(cut.vector > cut.vector.mean(), vector > vector.mean())
    assert abs(vector[cut.seed]) >= (1 - 1e-6) * abs(vector).max()  # seeds tie
    assert cut.vector[cut.seed] > 0


@pytest.mark.parametrize("case", CASES)
def test_golden_weighted_graph(case):
    golden = np.load(GOLDEN / "methods.npz")
    cut = cut_of(golden[f"{case}/feats"][1:], weighted=True, dtype=torch.float64)
    vector = golden[f"{case}/tcw_eigvec"].ravel()
    np.testing.assert_allclose(cut.eigenvalues, golden[f"{case}/tcw_eigvals"], rtol=0, atol=1e-5)
    vector = vector * np.sign(vector[cut.seed])
    close = 3e-3 if case == "frame16" else 1e-3  # the reference is float32, and frame16's eigenvalue only 3e-5
    np.testing.assert_allclose(cut.vector, vector, rtol=0, atol=close * abs(vector).max())


@pytest.mark.parametrize("name", ["tc", "tcw"])
@pytest.mark.parametrize("case", CASES)
def test_golden_third_vector_and_sides(case, name):
    golden = np.load(GOLDEN / "methods.npz")
    features = torch.from_numpy(golden[f"{case}/feats"][1:]).double()
    (cut,) = normalised_cuts(features[None], 0.2, weighted=name == "tcw")
    side = (cut.vector > cut.vector.mean()) == (cut.vector[cut.seed] > cut.vector.mean())
    np.testing.assert_array_equal(side, golden[f"{case}/{name}_bipartition"].ravel())
    rows = normalize(features[None], dim=-1)
    (pairs,) = smallest_pairs(affinity(rows, 0.2, weighted=name == "tcw"), start_of(rows, 2), 2)
    third, expected = pairs.vectors[1].numpy(), golden[f"{case}/{name}_eigvec3"].ravel()
    if (case, name) != ("frame16", "tc"):  # its third and fourth eigenvalue coincide
        third = third * np.sign(third @ expected)
        close = 1e-6 if name == "tc" else 1e-3  # the reference is float32 with weights
        np.testing.assert_allclose(third, expected, rtol=0, atol=close * abs(expected).max())


@pytest.mark.shared
@pytest.mark.slow
def test_real_photographs_are_cut_as_by_the_published_solver(shared: Path):
    backbone = load("builtin")
    photos = sorted((shared / "data" / "eval" / "duts" / "images").glob("*.jpg"))[::25][:12]
    assert len(photos) == 12
    for path, weighted in product(photos, (False, True)):
        pixels, fitted = fit(decode(as_source(str(path)), max_pixels=10**8), backbone.spec.patch, 240)
        with torch.inference_mode():
            features = backbone(backbone.prepare(pixels, fitted.grid), ("token",)).facets["token"][0].flatten(0, 1)
        cut = cut_of(features.numpy(), weighted=weighted)
        _, vector = reference(graph_of(features.double().numpy(), weighted=weighted))
        vector *= np.sign(vector[cut.seed])
        assert iou(cut.vector > cut.vector.mean(), vector > vector.mean()) >= 0.999, path.name


def test_affinity():
    features = np.array([[1.0, 0], [3, 4], [0, 2], [0, 0]])  # cosines 0.6, 0 and 0.8; the last has no direction
    joined = [[1, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(graph_of(features, 0.7), np.where(joined, 1, EPS))
    cosines = [[1, 0, 0, 0], [0, 1, 0.8, 0], [0, 0.8, 1, 0], [0, 0, 0, 0]]
    np.testing.assert_allclose(graph_of(features, 0.7, weighted=True), np.where(joined, cosines, EPS))


def test_tau_itself_counts_only_with_weights():
    features = np.array([[1.0, 0], [3, 4]])
    cosine = graph_of(features, 0.5, weighted=True)[0, 1]  # 0.6, to rounding
    assert graph_of(features, cosine)[0, 1] == EPS
    assert graph_of(features, cosine, weighted=True)[0, 1] == cosine


def test_weights_are_positive():
    assert graph_of(np.eye(2), 0.0, weighted=True)[0, 1] == EPS


@pytest.mark.parametrize("weighted", [False, True])
def test_a_graph_made_in_panels_is_the_graph(monkeypatch, weighted):
    features = groups((7, 13), noise=1.0)
    whole = graph_of(features, weighted=weighted)
    monkeypatch.setattr(cut_module, "PANEL", 6)  # 20 is no multiple of it
    panels = graph_of(features, weighted=weighted)
    np.testing.assert_allclose(panels, whole, atol=1e-15)
    np.testing.assert_array_equal(panels, panels.T)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("sizes", "noise"),
    [
        ((12, 20), 0.3),  # solved densely
        ((80, 120), 0.3),  # joined by eps alone
        ((80, 120), 1.5),  # not well separated
        ((60, 70, 80), 1.0),  # second and third eigenvalue near each other
    ],
)
def test_cut_solves_the_generalised_problem(sizes, noise, weighted):
    features = groups(sizes, noise=noise)
    weights = graph_of(features, weighted=weighted)
    values, vector = reference(weights)
    for dtype, close in ((torch.float64, 1e-8), (torch.float32, 1e-4)):
        cut = cut_of(features, dtype=dtype, weighted=weighted)
        np.testing.assert_allclose(cut.eigenvalues, values, atol=1e-3)  # the third matters only for the gap
        np.testing.assert_allclose(cut.eigenvalues[0], values[0], atol=close)
        np.testing.assert_allclose(cut.vector, vector * np.sign(vector[cut.seed]), atol=close * abs(vector).max())
        np.testing.assert_allclose(cut.vector**2 @ weights.sum(axis=1), 1, atol=close)


def test_cut_is_the_same_every_time():
    first, second = cut_of(groups(noise=1.0)), cut_of(groups(noise=1.0))
    np.testing.assert_array_equal(first.vector, second.vector)
    assert first.seed == second.seed


@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_a_cut_does_not_depend_on_its_batch(monkeypatch, at_once):
    monkeypatch.setattr(cut_module, "graphs_at_once", lambda *_: at_once)
    images = [groups(noise=noise, seed=seed) for seed, noise in enumerate((0.3, 2.5, 1.0))]
    images.insert(1, np.ones_like(images[0]))  # without a cut
    images.insert(3, np.zeros_like(images[0]))
    cuts = normalised_cuts(torch.from_numpy(np.stack(images)).float(), 0.2)
    for cut, features in zip(cuts, images, strict=True):
        alone = cut_of(features)
        assert (cut is None) == (alone is None)
        if cut and alone:
            assert cut.seed == alone.seed
            np.testing.assert_array_equal(cut.vector > cut.vector.mean(), alone.vector > alone.vector.mean())
            np.testing.assert_allclose(cut.vector, alone.vector, atol=1e-5 * abs(alone.vector).max())
    assert [cut is None for cut in cuts] == [False, True, False, True, False]


@pytest.mark.parametrize("times", [1, 20], ids=["small", "large"])  # by the dense solver, by Lanczos
@pytest.mark.parametrize(
    "features",
    [
        np.ones((9, 4)),  # all edges
        np.zeros((9, 4)),  # no direction at all
        np.eye(9),  # no edges, or as many equal groups
        np.repeat(np.eye(3), 5, axis=0),  # three equal groups: any of them may be cut off
    ],
    ids=["all edges", "zeros", "no edges", "three equal groups"],
)
def test_a17_graphs_without_a_cut(features, times):
    for weighted in (False, True):
        assert cut_of(np.repeat(features, times, axis=0), weighted=weighted) is None


def test_a17_noise_in_equal_cosines_is_no_cut():
    features = np.ones((200, 16)) * np.linspace(1, 2, 200)[:, None]  # one direction, to rounding
    assert cut_of(features, weighted=True) is None


def test_a17_all_edges_by_unequal_cosines():
    features = 1 + 0.3 * np.random.default_rng(0).normal(size=(200, 16))  # a photograph may be that even, too
    assert cut_of(features) is None
    assert cut_of(features, weighted=True) is not None


def test_a17_no_edges_in_a_large_graph():
    assert cut_of(np.eye(200)) is None


@pytest.mark.parametrize("count", [1, 2])
def test_a17_too_few_patches(count):
    assert cut_of(np.eye(2)[:count]) is None


def test_patches_without_features_are_a_side_of_their_own():
    features = groups(noise=0.1, sizes=(150, 50))
    features[150:] = 0
    cut = cut_of(features)
    assert iou(cut.vector > cut.vector.mean(), np.arange(200) >= 150) in (0, 1)
    np.testing.assert_allclose(cut.eigenvalues[0], 150 / 200, atol=1e-3)  # (N - m) / N for m of them


@pytest.mark.parametrize(("device", "moved"), [("mps", True), ("cuda", False), ("cpu", False)])
def test_graphs_are_solved_on_a_device_that_has_float64(device, moved):
    features = SimpleNamespace(device=SimpleNamespace(type=device), cpu=lambda: "on the CPU")
    assert solvable(features) == ("on the CPU" if moved else features)


def test_the_seed_is_the_first_of_entries_that_are_equal_up_to_rounding():
    vector = torch.tensor([[0.1, -0.5, 0.3, -0.5 - 1e-9, 0.5]], dtype=torch.float64)
    cut = cut_module.cut_of(Pairs(vector, (0.1, 0.5), "dense"))
    assert cut.seed == 1
    np.testing.assert_allclose(cut.vector, -vector[0])  # positive there
