"""Numbers that objects keep."""

from __future__ import annotations

import numpy as np

from dinoseg.smoothing.links import link
from dinoseg.smoothing.numbers import Numbers
from dinoseg.types import Proposal
from tests.smoothing.test_links import scene

GRID = (7, 9)
LINK = link(scene(), scene())


def at(column: int) -> Proposal:
    soft = np.zeros(GRID, np.float32)
    soft[2:5, column : column + 2] = 1
    return Proposal(soft, 0.5)


def columns(objects: dict[int, Proposal]) -> dict[int, int]:
    return {number: int(each.soft.any(axis=0).argmax()) for number, each in objects.items()}


def test_an_object_keeps_its_number_whatever_its_rank() -> None:
    numbers = Numbers(3)
    assert columns(numbers.give([at(1), at(6)], GRID, None)) == {1: 1, 2: 6}
    assert columns(numbers.give([at(6), at(1)], GRID, LINK)) == {2: 6, 1: 1}
    assert columns(numbers.give([at(3), at(1)], GRID, LINK)) == {3: 3, 1: 1}  # it is at another place: a third


def test_it_is_known_again_while_it_is_not_too_long_ago() -> None:
    numbers = Numbers(2)
    numbers.give([at(1)], GRID, None)
    for _ in range(2):
        assert numbers.give([], GRID, LINK) == {}
    assert columns(numbers.give([at(1)], GRID, LINK)) == {1: 1}
    for _ in range(3):
        numbers.give([], GRID, LINK)
    assert columns(numbers.give([at(1)], GRID, LINK)) == {2: 1}


def test_a_new_scene_has_new_numbers() -> None:
    numbers = Numbers(2)
    numbers.give([at(1)], GRID, None)
    numbers.forget()
    assert columns(numbers.give([at(1)], GRID, None)) == {2: 1}
