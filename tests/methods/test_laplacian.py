"""The graph of cosines and colours against the reference's eigenvectors."""

import numpy as np
import pytest
import torch

from dinoseg.methods import laplacian
from dinoseg.methods.laplacian import NEIGHBOURS, colour_graph, laplacian_pairs
from dinoseg.types import Photo
from tests.helpers import GOLDEN, disk_photo
from tests.methods.scenes import CASES, disk, features_of, photo_of


def golden_pairs(golden, case, *, dtype=torch.float64, colour=0.0):
    features = torch.from_numpy(golden[f"{case}/feats"][1:]).to(dtype)[None]
    photo = photo_from(golden[f"{case}/ds_image"])
    (pairs,) = laplacian_pairs(features, [photo], tuple(golden[f"{case}/dims"].tolist()), 4, colour)
    return pairs


def photo_from(pixels):
    return Photo("a.jpg", pixels, pixels.shape[:2])


def misfits(pairs, expected):
    """Per vector, the largest difference up to sign, in units of the largest entry."""
    signs = np.sign((pairs.vectors.numpy() * expected).sum(axis=1))
    return abs(pairs.vectors.numpy() * signs[:, None] - expected).max(axis=1) / abs(expected).max(axis=1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("case", CASES)
def test_golden_eigenvectors(case, dtype):
    golden = np.load(GOLDEN / "methods.npz")
    pairs = golden_pairs(golden, case, dtype=dtype)
    np.testing.assert_allclose(pairs.eigenvalues[:-1], golden[f"{case}/ds_eigvals"][1:], rtol=0, atol=1e-5)
    assert misfits(pairs, golden[f"{case}/ds_eigvecs"][1:]).max() < 1e-3


@pytest.mark.parametrize("case", CASES)
def test_golden_eigenvectors_with_colour(case):
    golden = np.load(GOLDEN / "methods.npz")
    pairs = golden_pairs(golden, case, colour=10)
    np.testing.assert_allclose(pairs.eigenvalues[:-1], golden[f"{case}/ds_knn_eigvals"][1:], rtol=0, atol=5e-4)
    assert misfits(pairs, golden[f"{case}/ds_knn_eigvecs"][1:]).max() < 0.05  # other neighbours of equal distance


def test_colours_count_themselves_and_both_directions():
    graph = colour_graph(photo_of((12, 16)), (12, 16)).toarray()
    np.testing.assert_array_equal(graph, graph.T)
    np.testing.assert_array_equal(graph.diagonal(), 4)
    assert graph.sum() == 2 * 12 * 16 * sum(count for count, _ in NEIGHBOURS)


def test_like_colours_are_joined():
    pixels, mask = disk_photo(96, 128)
    inside = mask[4::8, 4::8].ravel() > 0
    graph = colour_graph(photo_from(pixels), (12, 16)).toarray()
    assert graph[inside][:, ~inside].sum() < graph[inside].sum() / 4


def test_fewer_patches_than_neighbours():
    assert colour_graph(photo_of((2, 3)), (2, 3)).toarray().min() == 4  # all are neighbours, twice, both ways


@pytest.mark.parametrize("at_once", [1, 2])
def test_an_image_does_not_depend_on_its_batch(monkeypatch, at_once):
    monkeypatch.setattr(laplacian, "graphs_at_once", lambda *_: at_once)
    photos = [photo_from(disk_photo(96, 128, seed=seed)[0]) for seed in range(3)]
    features = torch.cat([features_of(disk(), seed=seed).facets["key"].flatten(1, 2) for seed in range(3)])
    together = list(laplacian_pairs(features, photos, (12, 16), 2, 1.0))
    for index, pairs in enumerate(together):
        (alone,) = laplacian_pairs(features[index : index + 1], photos[index : index + 1], (12, 16), 2, 1.0)
        np.testing.assert_allclose(pairs.eigenvalues, alone.eigenvalues, atol=1e-5)
    assert len({pairs.eigenvalues for pairs in together}) == 3
