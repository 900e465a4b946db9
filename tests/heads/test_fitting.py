"""How a head learns: what it learns, that given masks count more, that a seed says all."""

from __future__ import annotations

import pytest
import torch

from dinoseg.errors import NonFiniteLoss
from dinoseg.heads.examples import CELLS, Example
from dinoseg.heads.fitting import drawn, fit_head, passes, standardise, weights_of
from dinoseg.methods.head_network import HeadNetwork

CPU = torch.device("cpu")
WIDTH = 6


def example(seed: int, direction: int = 0, labelled: bool = False) -> Example:
    """Patches that are objects, in their right half only, where feature ``direction`` is positive."""
    features = torch.randn(40, WIDTH, generator=torch.Generator().manual_seed(seed))
    target = torch.zeros(40, CELLS, CELLS)
    target[features[:, direction] > 0, :, CELLS // 2 :] = 1
    return Example(features.half(), target.flatten(1).half(), labelled)


def test_learns_what_the_masks_have_in_common_cell_by_cell() -> None:
    network, loss = fit_head([example(seed) for seed in range(64)], epochs=30, seed=0, device=CPU)
    new = example(100)
    found = network(new.features.float()) > 0
    assert (found == (new.target > 0.5)).float().mean() > 0.85  # 0.75 are background
    assert loss < 0.3


def test_given_masks_outweigh_pseudo_masks() -> None:
    wrong = [example(seed, direction=1) for seed in range(48)]
    given = [example(seed, labelled=True) for seed in range(100, 104)]
    new = example(200)
    agreement = {
        name: (fit_head(used, epochs=30, seed=0, device=CPU)[0](new.features.float()) > 0) == (new.target > 0.5)
        for name, used in (("without", wrong), ("with", wrong + given))
    }
    assert agreement["with"].float().mean() > agreement["without"].float().mean() + 0.05


def test_weights_have_mean_one_and_are_bounded() -> None:
    pseudo, given = [example(0)] * 90, [example(1, labelled=True)] * 10
    assert weights_of(pseudo) == [1] * 90
    weights = weights_of(pseudo + given)
    assert sum(weights) == pytest.approx(100)
    assert sum(weights[90:]) == pytest.approx(50)  # together as much as all others
    few = weights_of([*pseudo, given[0]])
    assert few[-1] / few[0] == pytest.approx(20)
    assert weights_of(given[:3]) == [1] * 3


def test_a_seed_gives_one_head() -> None:
    used = [example(seed) for seed in range(20)]
    first, again, other = (fit_head(used, epochs=2, seed=seed, device=CPU)[0].state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["linear.weight"], other["linear.weight"])


def test_the_random_state_of_the_caller_stays() -> None:
    torch.manual_seed(7)
    fit_head([example(0)] * 8, epochs=1, seed=0, device=CPU)
    after = torch.rand(1)
    torch.manual_seed(7)
    assert torch.equal(after, torch.rand(1))


@pytest.mark.parametrize(
    ("photographs", "epochs"),
    [(2000, 5), (256, 5), (255, 5), (128, 10), (16, 80), (8, 80)],  # no fewer than 80 steps
)
def test_few_photographs_are_passed_over_more_often(photographs: int, epochs: int) -> None:
    assert passes(photographs) == epochs


def test_every_photograph_once_an_epoch() -> None:
    batches = list(drawn(37, epochs=2, seed=0))
    assert [len(batch) for batch in batches] == [16, 16, 5] * 2
    first, second = ([index for batch in batches[i : i + 3] for index in batch] for i in (0, 3))
    assert sorted(first) == sorted(second) == list(range(37))
    assert first != second


def test_a_feature_that_never_changes_stays_as_it_is() -> None:
    network = HeadNetwork(WIDTH, 2, CELLS)
    features = torch.ones(10, WIDTH)
    features[:, 0] = torch.arange(10)
    standardise(network, [Example(features.half(), torch.zeros(10, CELLS**2).half(), False)])
    torch.testing.assert_close(network.mean, torch.tensor([4.5, 1, 1, 1, 1, 1]))
    torch.testing.assert_close(network.deviation, torch.tensor([8.25**0.5, 1, 1, 1, 1, 1]))


def test_a_loss_that_is_no_number() -> None:
    broken = Example(torch.full((4, WIDTH), torch.nan).half(), torch.zeros(4, CELLS**2).half(), False)
    with pytest.raises(NonFiniteLoss, match="features of the network"):
        fit_head([broken] * 8, epochs=1, seed=0, device=CPU)
