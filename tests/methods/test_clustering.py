"""k-means: against scikit-learn, repeatable, few different points."""

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from dinoseg.methods.clustering import distances


def test_as_good_as_scikit_learn():
    """The sum of squares is what k-means minimises; both find the same minimum of an easy scene and near ones else."""
    random = np.random.default_rng(0)
    easy = (np.repeat(8 * np.eye(6), 40, axis=0) + random.normal(size=(240, 6))).astype(np.float32)
    for points, clusters, room in ((easy, 6, 1e-5), (random.normal(size=(300, 8)).astype(np.float32), 5, 0.02)):
        theirs = KMeans(clusters, n_init=10, random_state=0).fit(points).inertia_
        ours = float(distances(torch.from_numpy(points), clusters).amin(dim=1).square().sum())
        assert ours == pytest.approx(theirs, rel=room)


def test_centres_are_the_means_of_their_points():
    points = torch.from_numpy(np.random.default_rng(1).normal(size=(100, 3))).float()
    found = distances(points, 4)
    labels = found.argmin(dim=1)
    means = torch.stack([points[labels == label].mean(dim=0) for label in range(4)])
    torch.testing.assert_close(found, torch.cdist(points, means), atol=1e-3, rtol=1e-3)


def test_the_same_every_time():
    points = torch.from_numpy(np.random.default_rng(0).normal(size=(100, 16))).float()
    assert torch.equal(distances(points, 5), distances(points.clone(), 5))


@pytest.mark.parametrize(
    ("points", "different"),
    [
        (np.ones((9, 4)), 1),
        (np.repeat(np.eye(2), 4, axis=0), 2),
        (np.eye(2), 2),
        (np.zeros((1, 3)), 1),
    ],
)
def test_fewer_different_points_than_clusters(points, different):
    found = distances(torch.from_numpy(points).float(), 6)
    assert found.shape == (len(points), different)
    assert found.isfinite().all()
