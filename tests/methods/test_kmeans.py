"""``kmeans``: clusters, votes, and what is nearer to which."""

import numpy as np
import pytest
import torch

from dinoseg.methods.kmeans import PatchClusters, votes_of
from tests.methods.scenes import disk, features_of, found, iou


def test_clusters_do_not_see_lengths():
    random = np.random.default_rng(0)
    directions = np.repeat(np.eye(3), 10, axis=0) + 0.05 * random.normal(size=(30, 3))
    scaled = torch.from_numpy(directions * random.uniform(0.1, 10, (30, 1)))
    labels = PatchClusters(clusters=3).distances(scaled).argmin(dim=1).reshape(3, 10)
    assert sorted(labels[:, 0].tolist()) == [0, 1, 2]
    assert (labels == labels[:, :1]).all()


@pytest.mark.parametrize("kinds", [2, 3, 5])
def test_automatic_number_of_clusters(kinds):
    points = np.repeat(np.eye(8)[:kinds], 12, axis=0) + 0.1 * np.random.default_rng(0).normal(size=(12 * kinds, 8))
    assert PatchClusters(clusters=None).distances(torch.from_numpy(points)).shape == (12 * kinds, kinds)


def test_votes():
    labels = np.zeros((4, 4), int)
    labels[1:3, 1:3] = 1
    attention = np.where(labels == 1, 4.0, 1.0)
    votes = votes_of(labels, attention)
    # border cells are 12 of 16: the outer cluster has all of them at 12 / 12 = 4/3 of the grid's share
    np.testing.assert_allclose(votes, np.where(labels == 1, 4.0, 1 - 2 / 3))


def test_a19_a_cluster_along_the_border_gets_no_vote():
    labels = np.zeros((9, 9), int)
    labels[0] = 1
    votes = votes_of(labels, np.where(labels == 1, 9.0, 1.0))
    assert votes[0].max() == 0
    assert votes[1:].min() > 0


def test_one_half_is_where_the_nearest_centre_changes():
    object_ = disk()
    (proposal,) = found(PatchClusters(clusters=2), features_of(object_, noise=0.6)).objects
    assert iou(proposal.soft > 0.5, object_) == 1
    assert 0.5 < proposal.soft[object_].min() < 0.95
    assert proposal.why == "1 of 2 clusters by CLS attention and border"
