"""Links between the patches of frames, and maps that go along them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from dinoseg.smoothing.links import RADIUS, carry, diffuse, link


def scene(height: int = 7, width: int = 9, seed: int = 0) -> NDArray[np.float32]:
    """Patches each of which is like itself only."""
    tokens = np.random.default_rng(seed).normal(size=(height, width, 64)).astype(np.float32)
    return tokens / np.linalg.norm(tokens, axis=2, keepdims=True)


@pytest.mark.parametrize("shift", [(0, 0), (1, 2), (-RADIUS, RADIUS), (0, -1)])
def test_a_patch_is_linked_to_itself_where_it_went(shift: tuple[int, int]) -> None:
    before = scene()
    after = np.roll(before, shift, (0, 1))
    found = link(after, before)
    y, x = np.mgrid[:7, :9]
    from_y, from_x = y - shift[0], x - shift[1]
    inside = ((from_y >= 0) & (from_y < 7) & (from_x >= 0) & (from_x < 9)).ravel()
    best = found.places[np.arange(63), found.weights.argmax(axis=1)]
    assert (best == (from_y * 9 + from_x).ravel())[inside].all()
    np.testing.assert_allclose(found.weights.sum(axis=1), 1, rtol=1e-5)
    assert (found.places >= 0).all()
    assert (found.places < 63).all()


def test_what_lies_beyond_the_border_weighs_nothing() -> None:
    found = link(scene(1, 3), scene(1, 3))  # fewer patches than the neighbourhood has places
    there = np.zeros((3, 1), np.float32)
    there[1] = 1
    np.testing.assert_array_equal(carry(found, there).ravel() > 0.5, [False, True, False])


def test_how_alike_two_frames_are() -> None:
    assert link(scene(), scene()).likeness == pytest.approx(1)
    assert link(scene(), scene(seed=1)).likeness < 0.5


def test_diffusion_fills_a_frame_from_those_around() -> None:
    tokens = scene()
    one = link(tokens, tokens)
    object_ = np.zeros((63, 1), np.float32)
    object_[20:30] = 1
    maps = np.stack([object_, object_, np.zeros_like(object_), object_, object_])
    links = [{other: one for other in (index - 1, index + 1) if 0 <= other < 5} for index in range(5)]
    for agreed in diffuse(maps, links, 0.2, 8):
        np.testing.assert_array_equal(agreed > 0.5, object_ > 0.5)


def test_diffusion_leaves_alone_what_agrees_and_what_is_alone() -> None:
    tokens = scene()
    one = link(tokens, tokens)
    same = np.full((2, 63, 2), 0.3, np.float32)
    np.testing.assert_allclose(diffuse(same, [{1: one}, {0: one}], 0.2, 5), same, atol=1e-6)
    other = np.random.default_rng(1).random((2, 63, 1), np.float32)
    np.testing.assert_array_equal(diffuse(other, [{}, {}], 0.2, 5), other)
    half = diffuse(other, [{1: one}, {}], 0.2, 5)
    np.testing.assert_array_equal(half[1], other[1])
    assert np.abs(half[0] - other[0]).max() > 0.1
