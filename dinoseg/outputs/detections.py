"""Segmentations for the annotators, trackers and zones of ``supervision``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dinoseg.errors import MissingExtra

if TYPE_CHECKING:
    from dinoseg.segmentation import Segmentation


def to_detections(segmentation: Segmentation) -> Any:
    """``supervision.Detections`` with boxes, masks ``(n, H, W)``, scores, and the one class ``object`` (0).

    Raises ``MissingExtra`` without that package.
    """
    try:
        import supervision
    except ImportError as error:
        raise MissingExtra("supervision is not installed; run: pip install supervision") from error
    count = len(segmentation.instances)
    return supervision.Detections(
        xyxy=segmentation.boxes.astype(np.float32),  # (n, 4)
        mask=segmentation.masks,
        confidence=np.array(segmentation.scores, np.float32),  # (n,)
        class_id=np.zeros(count, np.int64),
        data={"class_name": np.array(["object"] * count, dtype=str)},
    )
