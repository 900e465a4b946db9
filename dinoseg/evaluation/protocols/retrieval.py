"""``retrieval``: does a picture bring those of its own class first?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dinoseg.evaluation.aggregate import means
from dinoseg.evaluation.features.gallery import NETWORK, RAW, Gallery
from dinoseg.evaluation.metrics.ranking import average_precision, precision_at, rankings
from dinoseg.evaluation.protocols.features import LabelledProtocol
from dinoseg.evaluation.report import Row, Score

FIRST = (1, 5, 10)


def query_values(gallery: Gallery, vectors: str, after: str, first: Sequence[int]) -> list[dict[str, float]]:
    """Values of every query; none where no other picture is of its class. ``after`` is put behind their names."""
    database, tested = gallery.train, gallery.tested
    ranked = rankings(tested.vectors[vectors][gallery.asked], database.vectors[vectors])
    values = []
    for position, ranking in zip(gallery.asked, ranked, strict=True):
        junk = np.zeros(len(database.labels), bool)
        junk[position] = gallery.test is None  # the query itself
        wanted = (database.labels == tested.labels[position]) & ~junk
        query = {f"average precision{after}": average_precision(ranking, wanted, junk)}
        query |= {f"precision of the first {k}{after}": precision_at(ranking, wanted, junk, k) for k in first}
        values.append(query if wanted.any() else {})
    return values


class Retrieval(LabelledProtocol):
    """Ranking of labelled pictures by the cosine of CLS tokens: mean average precision by class."""

    name = "retrieval"
    definition = (
        "Retrieval by class: every tested picture ranks the training pictures (all others, where the folder is not "
        "divided) by the cosine of CLS tokens; those of its class are wanted. Average precision with trapezoids "
        "(Philbin et al. 2007, as on Oxford and Paris), mean over queries. Precision of the first k only where every "
        "class has k pictures to be found. Labels are only used for measuring."
    )
    learns = False

    def judge(self, gallery: Gallery, shots: Sequence[int]) -> tuple[list[Score], list[Row[None]]]:  # noqa: ARG002
        """See ``LabelledProtocol``: mean average precision, precision of the first few, and that of raw pixels."""
        """Mean average precision, precision of the first few, and that of raw pixels."""
        queries = gallery.tested.pictures.take(gallery.asked)
        rarest = int(np.bincount(gallery.train.labels).min()) - (gallery.test is None)  # the query itself is not wanted
        first = [k for k in FIRST if k <= max(rarest, 1)]
        network, raw = query_values(gallery, NETWORK, "", first), query_values(gallery, RAW, f", {RAW}", ())
        rows = [
            Row(source.id, values | floor, classes=(gallery.classes[label],), evidence=None)
            for source, label, values, floor in zip(queries.sources, queries.labels, network, raw, strict=True)
        ]
        return [replace(score, kind="floor") if score.name.endswith(RAW) else score for score in means(rows)], rows
