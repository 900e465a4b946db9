"""A classifier on frozen features: scores, floors, and how far few examples carry it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dinoseg.errors import OptionError
from dinoseg.evaluation.features.gallery import NETWORK, RAW, Gallery
from dinoseg.evaluation.metrics.classification import ClassScores, classification_scores
from dinoseg.evaluation.metrics.resampling import SEED, one_by_one, resampled
from dinoseg.evaluation.report import Kind, Row, Score

RESAMPLES = 1000
DRAWS = 10
"""Of the examples, for each number of shots."""

Labels: TypeAlias = NDArray[np.int64]
Votes: TypeAlias = NDArray[np.float64]
"""Class scores ``(n, classes)``, higher is likelier."""


@dataclass(frozen=True, slots=True)
class Classifier:
    """How classes are told apart."""

    learn: Callable[[Tensor, Labels, Tensor, int], Votes]
    """Training vectors ``(m, d)``, their labels, vectors to be told apart ``(n, d)``, number of classes."""
    among: Callable[[Tensor, Labels, int], Votes]
    """The same where the folder is not divided: each picture by others."""


def judge_classifier(
    gallery: Gallery, classifier: Classifier, shots: Sequence[int], variants: Mapping[str, Classifier], after: str = ""
) -> tuple[list[Score], list[Row[None]]]:
    """All scores of the network, the headline first; top-1 of variants, of few shots and of floors; rows by picture.

    ``after`` is put behind the names of the first.
    """
    predicted = predict(gallery, classifier, NETWORK)
    scores = scored(predicted, (), after, "labelled")
    for name, variant in variants.items():
        scores += scored(predict(gallery, variant, NETWORK), ("top-1",), f", {name}", "labelled")
    scores += [few_shots(gallery, classifier, count) for count in shots]
    scores += scored(predict(gallery, classifier, RAW), ("top-1",), f"{after}, {RAW}", "floor")
    scores += scored(most_frequent_class(gallery), ("top-1",), ", most frequent class", "floor")
    return scores, classified_rows(gallery, predicted)


def predict(gallery: Gallery, classifier: Classifier, vectors: str) -> ClassScores:
    """Class scores of the pictures that are asked for, by vectors of that name."""
    train, tested, classes = gallery.train, gallery.tested, len(gallery.classes)
    if gallery.test is None:
        scores = classifier.among(train.vectors[vectors], train.labels, classes)
    else:
        scores = classifier.learn(train.vectors[vectors], train.labels, tested.vectors[vectors], classes)
    return ClassScores(scores[gallery.asked], tested.labels[gallery.asked])


def most_frequent_class(gallery: Gallery) -> ClassScores:
    """Always the class with the most training pictures."""
    scores = np.zeros((len(gallery.asked), len(gallery.classes)))
    scores[:, np.bincount(gallery.train.labels).argmax()] = 1
    return ClassScores(scores, gallery.tested.labels[gallery.asked])


def few_shots(gallery: Gallery, classifier: Classifier, count: int) -> Score:
    """Mean top-1 when ``count`` pictures of each class are learned from; the interval is the spread over the draws."""
    values = [one_draw(gallery, classifier, count, seed) for seed in range(SEED, SEED + DRAWS)]
    low, high = np.quantile(values, [0.025, 0.975])
    interval = (float(low), float(high))
    return Score(f"top-1, {count} per class", float(np.mean(values)), interval, DRAWS, "draws", "labelled")


def one_draw(gallery: Gallery, classifier: Classifier, count: int, seed: int) -> float:
    """Top-1 of one draw of examples; where the folder is not divided, over those that were not drawn."""
    drawn = draw_examples(gallery, count, np.random.default_rng(seed))
    learned = gallery.train.vectors[NETWORK][drawn]
    rest = gallery.asked if gallery.test is not None else np.setdiff1d(gallery.asked, drawn)
    tested = gallery.tested
    scores = classifier.learn(learned, gallery.train.labels[drawn], tested.vectors[NETWORK][rest], len(gallery.classes))
    return float(ClassScores(scores, tested.labels[rest]).top(1).mean())


def draw_examples(gallery: Gallery, count: int, generator: np.random.Generator) -> Labels:
    """Positions of ``count`` training pictures of every class. Raises ``OptionError`` if a class has too few."""
    positions = []
    for number, name in enumerate(gallery.classes):
        own = np.flatnonzero(gallery.train.labels == number)
        left = len(own) - (gallery.test is None)  # one to be tested
        if left < count:
            raise OptionError(f"--shots {count} is out of range: {name} has {left} pictures to learn from.")
        positions.append(generator.choice(own, count, replace=False))
    return np.concatenate(positions)


def classified_rows(gallery: Gallery, scores: ClassScores) -> list[Row[None]]:
    """Whether each picture was right, and what it was taken for."""
    pictures = gallery.tested.pictures.take(gallery.asked)
    names, rows = gallery.classes, []
    for position, source in enumerate(pictures.sources):
        truth, predicted = int(scores.truth[position]), int(scores.predicted[position])
        values = {"top-1": float(scores.top(1)[position]), "top-5": float(scores.top(5)[position])}
        rows.append(Row(source.id, values, classes=(names[truth],), predicted=names[predicted], evidence=None))
    return rows


def scored(predicted: ClassScores, names: Collection[str], after: str, kind: Kind) -> list[Score]:
    """The named scores (all where none is named) with 95 % bootstrap intervals; ``after`` is put behind their names."""
    n = len(predicted.truth)
    values = {
        name: value
        for name, value in classification_scores(predicted, np.ones(n)).items()
        if not names or name in names
    }

    def statistic(drawn: NDArray[np.int64]) -> NDArray[np.float64]:
        again = classification_scores(predicted, drawn.astype(np.float64))
        return np.array([again[name] for name in values])

    bounds = (
        resampled(one_by_one(statistic), n, resamples=RESAMPLES).T if n > 1 else [None] * len(values)
    )  # (scores, 2)
    return [
        Score(name + after, value, None if ends is None else (float(ends[0]), float(ends[1])), n, "images", kind)
        for (name, value), ends in zip(values.items(), bounds, strict=True)
    ]
