"""Clusters of rows whose groups are known."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, silhouette_score

from dinoseg.grouping import clusters as module
from dinoseg.grouping.clusters import by_size, cluster
from dinoseg.grouping.store import Store


def blobs(sizes, spread=0.1, seed=0):
    """Rows ``(n, 8)`` around one axis each, in random order, and which."""
    random = np.random.default_rng(seed)
    kinds = random.permutation(np.repeat(np.arange(len(sizes)), sizes))
    rows = np.eye(8)[kinds] + spread * random.normal(size=(len(kinds), 8))
    return rows.astype(np.float32), kinds


def clustered(tmp_path, rows, count=None):
    with Store(tmp_path) as store:
        if len(rows):
            store.add(rows)
        return cluster(store, count)


@pytest.mark.parametrize("count", [None, 4], ids=["by BIC", "given"])
def test_groups_are_found_and_numbered_by_size(tmp_path, count):
    rows, kinds = blobs([20, 60, 10, 40])
    found = clustered(tmp_path, rows, count)
    assert found.count == 4
    np.testing.assert_array_equal(found.labels, np.array([3, 1, 4, 2])[kinds])
    assert min(found.scores) > 0.5
    assert (found.distances < 1).all()
    assert (count is None) == (len(found.tried) == 30)


@pytest.mark.parametrize("kinds", [1, 2, 3, 5, 8])
def test_the_number_of_groups_that_are_apart_is_found(tmp_path, kinds):
    rows, truth = blobs([40] * kinds, spread=0.2)
    found = clustered(tmp_path, rows)
    assert found.count == kinds
    assert adjusted_rand_score(found.labels, truth) > 0.98


def test_two_halves_are_not_always_the_best(tmp_path):
    """Six groups in two families: the silhouette is highest for the families."""
    random = np.random.default_rng(0)
    kinds = np.arange(240) % 6
    rows = 3 * np.eye(8)[kinds // 3] + np.eye(8)[2 + kinds] + 0.1 * random.normal(size=(240, 8))
    found = clustered(tmp_path, rows.astype(np.float32))
    assert found.count == 6
    two, six = (silhouette_score(rows, labels) for labels in (kinds // 3, kinds))
    assert two > six


def test_more_rows_than_the_sample_are_carried_on_in_batches(tmp_path, monkeypatch):
    """What the sample does not hold still gets its place, by centres that moved."""
    monkeypatch.setattr(module, "SAMPLE", 64)
    rows, kinds = blobs([300, 200, 100], spread=0.2)
    rows[64:] += 0.3  # the sample does not know
    found = clustered(tmp_path, rows, 3)
    assert adjusted_rand_score(found.labels, kinds) > 0.95
    monkeypatch.setattr(module, "carried_on", lambda chunks, centres: centres)
    assert found.distances.mean() < 0.95 * clustered(tmp_path, rows, 3).distances.mean()


def test_the_same_rows_give_the_same_clusters(tmp_path):
    rows, _ = blobs([30, 30, 30], spread=0.6)
    first, second = (clustered(tmp_path, rows) for _ in range(2))
    np.testing.assert_array_equal(first.labels, second.labels)
    assert first.tried == second.tried


@pytest.mark.parametrize(
    ("rows", "count", "labels"),
    [
        (np.zeros((0, 8)), None, []),  # no photograph has an object
        (np.ones((1, 8)), None, [1]),
        (np.ones((1, 8)), 5, [1]),  # fewer than asked for
        (np.ones((4, 8)), None, [1, 1, 1, 1]),  # all the same
        (np.eye(8)[[0, 1, 1]], 5, [2, 1, 1]),
        (np.eye(8)[[0, 1]], None, [1, 1]),  # too few to say
    ],
)
def test_few_rows(tmp_path, rows, count, labels):
    found = clustered(tmp_path, rows.astype(np.float32), count)
    assert found.labels.tolist() == labels
    assert found.count == len(set(labels))


def test_by_size_breaks_ties_by_what_comes_first():
    assert by_size(np.array([5, 5, 0, 0, 3])).tolist() == [1, 1, 2, 2, 3]
    assert by_size(np.array([9, 2, 2])).tolist() == [2, 1, 1]
