"""Average precision against the Oxford program's, and the order of a ranking."""

from __future__ import annotations

import ast

import numpy as np
import pytest
import torch

from dinoseg.evaluation.metrics.ranking import average_precision, precision_at, rankings
from tests.helpers import GOLDEN


def flags(positions: list[int], n: int) -> np.ndarray:
    result = np.zeros(n, bool)
    result[np.array(positions, int)] = True
    return result


@pytest.mark.parametrize("query", range(4))
def test_precision_is_the_reference_programs(query: int) -> None:
    golden = np.load(GOLDEN / "training.npz")
    ranking = golden["map/ranks"][:, query]
    wanted, junk = (flags(ast.literal_eval(str(golden[f"map/{part}"][query])), 30) for part in ("ok", "junk"))
    expected = golden["map/aps"][query]
    assert average_precision(ranking, wanted, junk) == pytest.approx(expected, abs=1e-12, nan_ok=True)
    if wanted.any():
        assert [precision_at(ranking, wanted, junk, k) for k in (1, 5, 10)] == pytest.approx(golden["map/prs"][query])


@pytest.mark.parametrize(
    ("wanted", "junk", "expected"),
    [
        ([0], [], 1.0),
        ([1], [], 0.25),  # precision 0 before, 1/2 at it
        ([0, 1], [], 1.0),
        ([1], [0], 1.0),  # junk before it does not count
        ([0, 2], [], (1 + (1 / 2 + 2 / 3) / 2) / 2),
    ],
)
def test_average_precision_by_hand(wanted: list[int], junk: list[int], expected: float) -> None:
    assert average_precision(np.arange(4), flags(wanted, 4), flags(junk, 4)) == pytest.approx(expected)


def test_rankings_go_by_cosine_and_ties_stay_in_order() -> None:
    database = torch.tensor([[0.0, 1.0], [3.0, 0.0], [-1.0, 0.0], [0.0, 2.0]])
    (ranking,) = rankings(torch.tensor([[1.0, 0.0]]), database)
    assert ranking.tolist() == [1, 0, 3, 2]
