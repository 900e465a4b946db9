"""The linear probe tells apart what a plane can."""

from __future__ import annotations

import numpy as np
import pytest

from dinoseg.evaluation.features import probe
from dinoseg.evaluation.features.probe import STRENGTHS, UNTRIED, probabilities, strength


def clouds(n: int, classes: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors ``(n, 8)`` around one axis per class, and labels."""
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    return (np.eye(8)[labels] + noise * generator.normal(size=(n, 8))).astype(np.float32), labels


def test_classes_that_a_plane_divides_are_told_apart() -> None:
    train, labels = clouds(90, 3, 0.15)
    test, truth = clouds(60, 3, 0.15, seed=1)
    found = probabilities(train, labels, test, 3)
    assert (found.argmax(axis=1) == truth).mean() > 0.95
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_the_length_of_vectors_does_not_matter() -> None:
    train, labels = clouds(30, 3, 0.2)
    np.testing.assert_allclose(
        probabilities(train, labels, 7 * train, 3), probabilities(5 * train, labels, train, 3), atol=1e-5
    )


def test_what_all_pictures_have_in_common_does_not_matter() -> None:
    train, labels = clouds(90, 3, 0.15)
    test, truth = clouds(60, 3, 0.15, seed=1)
    found = probabilities(train + 5000, labels, test + 5000, 3)  # the solver would stop where it starts
    assert (found.argmax(axis=1) == truth).mean() > 0.95


def test_a_class_without_examples_has_probability_zero() -> None:
    train, labels = clouds(20, 2, 0.1)
    found = probabilities(train, 2 * labels, train, 4)  # classes 0 and 2
    assert (found[:, [1, 3]] == 0).all()
    assert (found.argmax(axis=1) == 2 * labels).all()


@pytest.mark.parametrize(
    ("each", "chosen"),
    [
        (4, (UNTRIED,)),  # too few to hold some out
        (5, STRENGTHS),
    ],
)
def test_the_regularisation_is_chosen_on_held_out_pictures(each: int, chosen: tuple[float, ...]) -> None:
    train, labels = clouds(3 * each, 3, 0.2)
    assert strength(train, labels) in chosen


def test_the_strength_that_tells_held_out_pictures_best_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fake:
        def __init__(self, strength: float) -> None:
            self.strength = strength

        def score(self, vectors: np.ndarray, labels: np.ndarray) -> float:
            assert len(vectors) == 6  # a fifth of 30
            return 0.9 if self.strength in STRENGTHS[2:4] else 0.1

    monkeypatch.setattr(probe, "fit_regression", lambda train, labels, strength: Fake(strength))
    assert strength(*clouds(30, 3, 0.2)) == STRENGTHS[2]  # of equal ones the strongest regularisation
