"""A linear probe: how much of the classes a plane through frozen features can tell apart."""

from __future__ import annotations

import warnings
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedShuffleSplit

Vectors: TypeAlias = NDArray[np.float32]
Labels: TypeAlias = NDArray[np.int64]

STRENGTHS = tuple(10.0**power for power in range(-1, 5))
"""Inverse regularisations that are tried."""
UNTRIED = 100.0
"""Inverse regularisation where there are too few pictures to hold some out."""
HELD_OUT = 0.2
ENOUGH = 5
"""Pictures of the rarest class from which on a fifth is held out."""


def probabilities(train: Vectors, labels: Labels, test: Vectors, classes: int) -> NDArray[np.float64]:
    """Multinomial logistic regression on ``standardised`` vectors: ``(n, classes)``, 0 for a class without examples.

    ``train`` ``(m, d)`` with ``labels`` ``(m,)``, ``test`` ``(n, d)``. The regularisation is the one of ``STRENGTHS``
    that does best on a fifth of the training pictures, held out; then all of them are learned. With fewer than 5
    pictures in a class it is ``UNTRIED``.
    """
    train, test = standardised(train, test)
    model = fit_regression(train, labels, strength(train, labels))
    result = np.zeros((len(test), classes))
    result[:, model.classes_] = model.predict_proba(test)
    return result


def strength(train: Vectors, labels: Labels) -> float:
    """The inverse regularisation that tells held-out pictures apart best; of equal ones the strongest."""
    if np.bincount(labels)[np.unique(labels)].min() < ENOUGH:
        return UNTRIED
    held = max(HELD_OUT, len(np.unique(labels)) / len(labels))  # one of each class at least
    learned, tried = next(StratifiedShuffleSplit(1, test_size=held, random_state=0).split(train, labels))
    scores = [fit_regression(train[learned], labels[learned], c).score(train[tried], labels[tried]) for c in STRENGTHS]
    return STRENGTHS[int(np.argmax(scores))]


def fit_regression(train: Vectors, labels: Labels, strength: float) -> LogisticRegression:
    """The regression; one that is not quite at its optimum is as good."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return LogisticRegression(C=strength, max_iter=500).fit(train, labels)


def standardised(train: Vectors, test: Vectors) -> tuple[Vectors, Vectors]:
    """Both of length 1, then the training mean taken out and its mean square length made 1.

    So one range of regularisations fits every network, one whose vectors differ by little from each other too.
    """
    train, test = unit_length(train), unit_length(test)
    mean = train.mean(axis=0)
    scale = max(float(np.sqrt(np.mean(np.sum((train - mean) ** 2, axis=1)))), 1e-12)
    return (train - mean) / scale, (test - mean) / scale


def unit_length(vectors: Vectors) -> Vectors:
    """Rows of length 1, ``(n, d)``."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
