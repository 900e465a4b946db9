"""Weighted k-NN against the reference program's scores."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dinoseg.evaluation.metrics import neighbours as module
from dinoseg.evaluation.metrics.neighbours import fitting, knn_votes, true_ranks
from tests.helpers import GOLDEN


def share(ranks: torch.Tensor, k: int) -> float:
    return 100 * float((ranks < k).float().mean())


@pytest.mark.parametrize(
    ("name", "k", "temperature"),
    [
        ("k1", 1, 0.07),
        ("k3", 3, 0.07),
        ("k10", 10, 0.07),
        ("k20", 20, 0.07),
        ("k100", 100, 0.07),
        ("k20_T0.02", 20, 0.02),
        ("k20_T1.0", 20, 1.0),
    ],
)
def test_scores_are_the_reference_programs(name: str, k: int, temperature: float) -> None:
    golden = np.load(GOLDEN / "training.npz")
    train, labels, test, truth = (
        torch.from_numpy(golden[f"knn/{part}"]) for part in ("train", "train_labels", "test", "test_labels")
    )
    ranks = true_ranks(knn_votes(train, labels, test, 10, k=k, temperature=temperature), truth)
    top1, top5 = golden[f"knn/top1_top5_{name}"]
    assert share(ranks, 1) == pytest.approx(top1, abs=1e-4)
    # The reference counts classes without a vote in the order of its sort: at most two of the 230, where k is small.
    assert share(ranks, 5) == pytest.approx(top5, abs=1e-4 if k >= 10 else 2 * 100 / 230)


def test_votes_by_hand() -> None:
    train = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 5.0], [-1.0, 0.0]])  # cosines 1, 0.6, 0, -1
    votes = knn_votes(train, torch.tensor([0, 1, 1, 2]), torch.tensor([[2.0, 0.0]]), 4, k=3, temperature=0.5)
    expected = torch.tensor([[1, np.exp(-0.4 / 0.5) + np.exp(-1 / 0.5), 0, 0]], dtype=torch.float32)
    torch.testing.assert_close(votes, expected)


def test_no_picture_votes_for_itself_and_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    vectors, labels = torch.randn(11, 5, generator=generator), torch.arange(11) % 3
    whole = knn_votes(vectors, labels, vectors, 3, k=4, leave_one_out=True)
    for index in range(11):
        others = torch.arange(11) != index
        alone = knn_votes(vectors[others], labels[others], vectors[index : index + 1], 3, k=4)
        torch.testing.assert_close(whole[index : index + 1], alone)
    monkeypatch.setattr(module, "CHUNK", 3)
    torch.testing.assert_close(knn_votes(vectors, labels, vectors, 3, k=4, leave_one_out=True), whole)


@pytest.mark.parametrize(
    ("k", "labels", "expected"),
    [(20, [0] * 30 + [1] * 25, 20), (20, [0] * 30 + [1] * 20, 20), (20, [0] * 30 + [1] * 6, 6), (20, [0, 2, 2], 1)],
)
def test_a_rare_class_bounds_the_neighbours(k: int, labels: list[int], expected: int) -> None:
    assert fitting(k, torch.tensor(labels)) == expected


def test_few_pictures_are_enough() -> None:
    votes = knn_votes(torch.eye(2), torch.tensor([0, 1]), torch.eye(2)[:1], 2, k=200)
    assert votes.argmax().item() == 0
    assert knn_votes(torch.eye(2), torch.tensor([0, 1]), torch.zeros(0, 2), 2, k=20).shape == (0, 2)


@pytest.mark.parametrize(
    ("scores", "label", "rank"),
    [
        ([3, 2, 1], 0, 0),
        ([3, 2, 1], 2, 2),
        ([2, 2, 1], 0, 0),  # equal: in the order of the classes
        ([2, 2, 1], 1, 1),
        ([2, 0, 0], 1, 3),  # without a vote it is never found
    ],
)
def test_ranks_of_the_truth(scores: list[float], label: int, rank: int) -> None:
    assert true_ranks(torch.tensor([scores], dtype=torch.float32), torch.tensor([label])).tolist() == [rank]
