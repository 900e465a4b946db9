"""A segmentation head that teaches itself: trained on the masks that a method makes of unlabelled photographs.

find -> examples (backbone and pseudo-masks, once) -> fitting -> one file for ``--method head``
"""

from __future__ import annotations

from dinoseg.heads.run import HeadReport, run_head_training
from dinoseg.options import TrainHeadOptions, with_options

train_head = with_options(TrainHeadOptions)(run_head_training)

__all__ = ["HeadReport", "run_head_training", "train_head"]
