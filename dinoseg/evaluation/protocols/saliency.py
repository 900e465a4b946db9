"""``saliency``: soft masks against the foreground, by the measures of salient object detection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dinoseg.evaluation.aggregate import ORACLE, kind_of, means, per_unit
from dinoseg.evaluation.datasets.base import Truth
from dinoseg.evaluation.metrics.floors import FLOORS
from dinoseg.evaluation.metrics.masks import Mask, jaccard
from dinoseg.evaluation.metrics.resampling import resampled
from dinoseg.evaluation.metrics.soft import (
    BETA2,
    BETA2_FOUND,
    Curve,
    adaptive_mask,
    auroc,
    precision_recall,
    precision_recall_curve,
    s_measure,
)
from dinoseg.evaluation.predictions.base import union
from dinoseg.evaluation.protocols.masks import MaskProtocol
from dinoseg.evaluation.report import Row, Score
from dinoseg.segmentation import Segmentation

MAX_F = f"{ORACLE} max F (0.3) of the mean curve"


def valid(truth: Truth) -> Mask:
    """``(H, W)``: the pixels that count."""
    return np.ones(truth.foreground.shape, bool) if truth.void is None else ~truth.void


class Saliency(MaskProtocol[Curve]):
    """Soft masks against the foreground."""

    name = "saliency"
    definition = (
        "Saliency of soft masks (the surest object at every pixel; found is what is above 0.5) against the "
        "foreground, label-free, void left out (for S-measure: background on both sides). IoU, accuracy and "
        "everything else are means over images, both empty is an IoU of 1. F with beta^2 0.3 (Achanta et al. 2009) "
        "and 0.09 (as FOUND ships it), precision 1 where nothing is found, recall 1 where nothing is there, "
        f"thresholds 0, 1/255 .. 254/255. {ORACLE}: the ground truth chooses the threshold of a maximal F, one for "
        "all images (maximum of the mean curve; TokenCut, Wang et al. 2022) or one for each (mean of the maxima; "
        "FOUND, Simeoni et al. 2023): the two are not comparable. Adaptive: at twice the map's mean. MAE is of the "
        "soft mask; FOUND's, of the mask, is 1 - accuracy. S-measure: Fan et al. 2017, alpha 0.5. AUROC: over "
        "pixels, pictures with both sides."
    )

    def values(self, truth: Truth, prediction: Segmentation) -> dict[str, float]:
        """Values of one picture's soft mask, of the mask where it is above 0.5, and of the floors."""
        counted, soft_map = valid(truth), union(prediction)
        actual, soft = truth.foreground[counted], soft_map[counted]  # (pixels,) each
        predicted = soft > 0.5
        single = precision_recall(predicted, actual)
        curve, adaptive = precision_recall_curve(soft, actual), precision_recall(adaptive_mask(soft), actual)
        values = {
            "IoU": jaccard(predicted, actual),
            "accuracy": np.mean(predicted == actual),
            f"{ORACLE} max F (0.3) per image": curve.f(BETA2).max(),
            f"{ORACLE} max F (0.09) per image": curve.f(BETA2_FOUND).max(),
            "F (0.3) at 0.5": single.f(BETA2),
            "F (0.09) at 0.5": single.f(BETA2_FOUND),
            "F (0.3) adaptive": adaptive.f(BETA2),
            "F (0.09) adaptive": adaptive.f(BETA2_FOUND),
            "F1 at 0.5": single.f(1),
            "precision at 0.5": single.precision,
            "recall at 0.5": single.recall,
            "MAE (an error)": np.mean(np.abs(soft - actual)),
            "S-measure": s_measure(np.where(counted, soft_map, 0), truth.foreground & counted),
            "AUROC": auroc(soft, actual),
        }
        for name, draw in FLOORS.items():
            drawn = draw(prediction.size)[counted]
            values[f"IoU {name}"] = jaccard(drawn, actual)
            values[f"F (0.3) {name}"] = precision_recall(drawn, actual).f(BETA2)
        return {name: float(value) for name, value in values.items() if value is not None}

    def evidence(self, truth: Truth, prediction: Segmentation) -> Curve:
        """The F measure of one picture at every threshold of its soft mask, ``(thresholds,)``."""
        counted = valid(truth)
        return np.asarray(precision_recall_curve(union(prediction)[counted], truth.foreground[counted]).f(BETA2))

    def restore(self, stored: Any) -> Curve:
        """``evidence`` again, of what JSON has made of it."""
        return np.asarray(stored, np.float64)

    def conclude(self, rows: Sequence[Row[Curve]]) -> list[Score]:
        """Means of the values, and third the maximum of the mean curve, which is no mean."""
        curves, unit = per_unit(rows, lambda row: row.evidence)  # (units, 255)
        low, high = resampled(lambda drawn: (drawn @ curves).max(axis=1) / len(curves), len(curves))
        interval = (float(low), float(high)) if len(curves) > 1 else None
        value = float(curves.mean(axis=0).max())
        scores = means(rows)
        return [*scores[:2], Score(MAX_F, value, interval, len(curves), unit, kind_of(MAX_F)), *scores[2:]]
