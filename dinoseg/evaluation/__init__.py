"""Named protocols on data sets with ground truth, used for measuring only.

A protocol is one class in its file and its line in ``PROTOCOLS``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from dinoseg.options import EvaluateOptions, with_options_after_two
from dinoseg.registry import Registry

if TYPE_CHECKING:
    from dinoseg.evaluation.datasets import Data
    from dinoseg.evaluation.protocols.base import Protocol
    from dinoseg.evaluation.report import Report

Progress: TypeAlias = Callable[[int, int], object]
"""Called with how many of how many pictures are done."""

PROTOCOLS = Registry(
    "protocol",
    {
        "foreground": "dinoseg.evaluation.protocols.foreground:Foreground",
        "attention-jaccard": "dinoseg.evaluation.protocols.attention_jaccard:AttentionJaccard",
        "saliency": "dinoseg.evaluation.protocols.saliency:Saliency",
        "corloc": "dinoseg.evaluation.protocols.corloc:CorLoc",
        "ap": "dinoseg.evaluation.protocols.ap:InstanceAP",
        "miou": "dinoseg.evaluation.protocols.miou:MeanIoU",
        "davis-unsupervised": "dinoseg.evaluation.protocols.davis:DavisUnsupervised",
        "davis-unsupervised-objects": "dinoseg.evaluation.protocols.davis_objects:DavisUnsupervisedObjects",
        "davis-propagation": "dinoseg.evaluation.protocols.propagation:DavisPropagation",
        "knn": "dinoseg.evaluation.protocols.knn:NearestNeighbours",
        "linear": "dinoseg.evaluation.protocols.linear:LinearProbe",
        "retrieval": "dinoseg.evaluation.protocols.retrieval:Retrieval",
        "copies": "dinoseg.evaluation.protocols.copies:Copies",
    },
)


def make_protocol(name: str) -> Protocol:
    """The protocol of that name. Raises ``OptionError``, with the nearest name, for one that is not there."""
    protocol: Protocol = PROTOCOLS.load(name)()
    return protocol


@with_options_after_two(EvaluateOptions)
def evaluate(protocol: str, data: Data, options: EvaluateOptions) -> Report:
    """Score a method on a data set by a named protocol (one of ``PROTOCOLS``).

    ``data``: a data set's folder (image + mask folders, VOC, DAVIS, COCO), a COCO json, or a pair of folders;
    for knn, linear and retrieval a folder of classes, for copies any folder of pictures.
    Keywords are those of ``EvaluateOptions``. Raises ``InputNotFound`` for a path that is not there,
    ``DatasetError`` when the data is not as it must be, ``OptionError``, ``WeightsError``, and ``OutputConflict``
    when ``output`` holds a report, or rows of an evaluation with other options that was stopped; of one with the
    same options only the rest is measured.
    """
    from dinoseg.evaluation.run import run

    return run(protocol, data, options)
