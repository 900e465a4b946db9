"""``linear``: a linear classifier on frozen features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.model_selection import StratifiedKFold
from torch import Tensor

from dinoseg.errors import DatasetError
from dinoseg.evaluation.features.classifier import Classifier, Labels, Votes, judge_classifier
from dinoseg.evaluation.features.gallery import Gallery
from dinoseg.evaluation.features.probe import probabilities
from dinoseg.evaluation.metrics.resampling import SEED
from dinoseg.evaluation.protocols.features import LabelledProtocol
from dinoseg.evaluation.report import Row, Score

FOLDS = 5


def learn_linear(train: Tensor, labels: Labels, test: Tensor, classes: int) -> Votes:
    """Probabilities of the classes for each tested picture, ``(n, classes)``, by a linear probe."""
    return probabilities(train.numpy(), labels, test.numpy(), classes)


def in_folds(vectors: Tensor, labels: Labels, classes: int) -> Votes:
    """Each fifth by the other four. Raises ``DatasetError`` for a class of one picture."""
    folds = min(FOLDS, int(np.bincount(labels).min()))
    if folds < 2:
        raise DatasetError("a class has a single picture: there is nothing to learn it from when that one is tested.")
    scores = np.zeros((len(labels), classes))
    for train, test in StratifiedKFold(folds, shuffle=True, random_state=SEED).split(labels, labels):
        scores[test] = learn_linear(vectors[train], labels[train], vectors[test], classes)
    return scores


class LinearProbe(LabelledProtocol):
    """Multinomial logistic regression on frozen CLS tokens."""

    name = "linear"
    definition = (
        "Multinomial logistic regression on CLS tokens of length 1, centred and scaled by the training pictures, no "
        "augmentation; its regularisation is chosen on a fifth of the training pictures (fixed where a class has "
        "fewer than 5). Not the published recipe (four blocks, SGD over 100 epochs of random crops): its values are "
        "not those of papers. Where the folder is not divided into train and val, in five folds. Precision, recall, "
        "F1 and AUROC (one against the rest) are means over classes. N per class: mean over 10 draws of examples, "
        "its interval is the spread of the draws; all others are over pictures."
    )

    def judge(self, gallery: Gallery, shots: Sequence[int]) -> tuple[list[Score], list[Row[None]]]:
        """See ``LabelledProtocol``."""
        return judge_classifier(gallery, Classifier(learn_linear, in_folds), shots, {})
