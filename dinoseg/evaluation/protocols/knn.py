"""``knn``: weighted nearest neighbours among the labelled pictures, as DINO is judged."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from dinoseg.evaluation.features.classifier import Classifier, Labels, Votes, judge_classifier
from dinoseg.evaluation.features.gallery import Gallery
from dinoseg.evaluation.metrics.neighbours import TEMPERATURE, fitting, knn_votes
from dinoseg.evaluation.protocols.features import LabelledProtocol
from dinoseg.evaluation.report import Row, Score

K = 20
"""The published best."""
OTHERS = (10, 100, 200)


def vote(train: Tensor, labels: Labels, test: Tensor, classes: int, *, k: int) -> Votes:
    """Votes of the ``k`` nearest."""
    return knn_votes(train, torch.from_numpy(labels), test, classes, k=k).double().numpy()


def vote_among(vectors: Tensor, labels: Labels, classes: int, *, k: int) -> Votes:
    """Votes of the ``k`` nearest others."""
    own = torch.from_numpy(labels)
    return knn_votes(vectors, own, vectors, classes, k=k, leave_one_out=True).double().numpy()


def classifier_of(k: int) -> Classifier:
    """The rule with that many neighbours."""
    return Classifier(partial(vote, k=k), partial(vote_among, k=k))


class NearestNeighbours(LabelledProtocol):
    """Weighted k nearest neighbours among labelled pictures, by the cosine of CLS tokens."""

    name = "knn"
    definition = (
        "Weighted k nearest neighbours (Wu et al. 2018; Caron et al. 2021): cosine of CLS tokens, weights exp(cosine "
        f"/ {TEMPERATURE}), k {K} unless a score says another; never more than the rarest class has pictures, which "
        "would be outvoted. Where the folder is not divided into train and val, each picture is classified by all "
        "others (leave one out). Precision, recall, F1 and AUROC (one against the rest) are means over classes. N "
        "per class: mean over 10 draws of examples, its interval is the spread of the draws; all other intervals are "
        "over pictures."
    )

    def judge(self, gallery: Gallery, shots: Sequence[int]) -> tuple[list[Score], list[Row[None]]]:
        """See ``LabelledProtocol``; with ``K`` and ``OTHERS``, those that the rarest class allows."""
        """Scores with ``K`` and ``OTHERS``, those that the rarest class allows."""
        labels = torch.from_numpy(gallery.train.labels)
        k = fitting(K, labels)
        variants = {f"k {other}": classifier_of(other) for other in OTHERS if other == fitting(other, labels)}
        return judge_classifier(gallery, classifier_of(k), shots, variants, "" if k == K else f", k {k}")
