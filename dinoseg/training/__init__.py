"""Train a Vision Transformer on photographs without labels: the recipe of DINO (Caron et al. 2021) on one device.

files -> cache (decoded once) -> views (multi-crop, on the device) -> recipe (one step) -> checkpoint, model
"""

from __future__ import annotations

from dinoseg.options import TrainOptions, with_options
from dinoseg.training.loop import TrainReport, run_training

train = with_options(TrainOptions)(run_training)

__all__ = ["TrainReport", "run_training", "train"]
