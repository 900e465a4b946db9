"""``attention-jaccard``: how well single attention heads outline objects (Caron et al. 2021, Fig. 4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import product

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from dinoseg.attention import fuse
from dinoseg.errors import ImageError
from dinoseg.evaluation.aggregate import ORACLE
from dinoseg.evaluation.datasets.base import Sample, Truth, by_value
from dinoseg.evaluation.metrics.floors import FLOORS
from dinoseg.evaluation.metrics.masks import Mask, jaccard
from dinoseg.evaluation.predictions.attention import head_masks, mass_in_frame
from dinoseg.evaluation.predictions.method import MethodPredictor
from dinoseg.evaluation.protocols.masks import MeanProtocol
from dinoseg.images.corruptions import Condition, parse_condition
from dinoseg.images.decode import decode
from dinoseg.options import EvaluateOptions, SegmentOptions
from dinoseg.segmentation import Segmentation
from dinoseg.types import Failure, Source

SIDE = 480
"""px of the long side, and of the square, where no size is asked for: that of the paper's figures."""
HEADLINE = f"{ORACLE} best head per object"


@dataclass(frozen=True, slots=True, eq=False)
class WithSquare(Segmentation):
    """The prediction for a picture as it is, and the one for the picture made a square."""

    square: Segmentation | None = None


class HeadsPredictor(MethodPredictor):
    """Attention over each picture twice."""

    def __init__(
        self, options: SegmentOptions, *, random_weights: bool = False, condition: Condition | None = None
    ) -> None:
        sized = replace(options, size=options.size or SIDE)
        super().__init__(sized, random_weights=random_weights, condition=condition)

    def __call__(self, samples: Sequence[Sample]) -> Iterator[Segmentation | str]:
        """The prediction for each picture, or why there is none."""
        side = self.options.size or SIDE
        squares = self.segmenter.run(squashed(self.source(sample), side, self.options.max_pixels) for sample in samples)
        for prediction, square in zip(super().__call__(samples), squares, strict=True):
            if isinstance(prediction, str):
                yield prediction
            elif isinstance(square, Failure):
                yield square.reason
            else:
                values = {field.name: getattr(prediction, field.name) for field in fields(prediction)}
                yield WithSquare(**values, square=square.segmentation)


def squashed(source: Source | Failure, side: int, max_pixels: int) -> Source | Failure:
    """A picture as a square, by the filter of torchvision's ``Resize``."""
    if isinstance(source, Failure):
        return source
    try:
        pixels = decode(source, max_pixels=max_pixels).pixels
    except ImageError as error:
        return Failure(source.id, error, source)
    return Source(source.id, PIL.Image.fromarray(pixels).resize((side, side), PIL.Image.Resampling.BILINEAR))


def best_heads(truth: Truth, objects: Sequence[Mask], prediction: Segmentation) -> dict[str, float]:
    """Every combination of what the paper leaves open, the headline first; named by what differs from it."""
    kinds = {"": objects, ", class masks": [] if truth.class_map is None else by_value(truth.class_map)}
    square = prediction.square if isinstance(prediction, WithSquare) else None
    inputs = {"": prediction, **({", square": square} if square is not None else {})}
    values = {}
    for (kind, things), (shape, result), frame in product(kinds.items(), inputs.items(), ("", ", resized frame")):
        assert result.attention is not None
        fitted = replace(result.fit, size=result.fit.scaled if frame else prediction.size)
        table = jaccard_table([mass_in_frame(head, fitted) for head in result.attention], things, truth.void)
        if len(table):
            values[f"{HEADLINE}{kind}{shape}{frame}"] = float(table.max(axis=1).mean())
            values[f"{ORACLE} best head per image{kind}{shape}{frame}"] = float(table.mean(axis=0).max())
    return values


def jaccard_table(heads: Sequence[Mask], things: Sequence[Mask], void: Mask | None) -> NDArray[np.float64]:
    """J of every object with every head in the frame of the heads' masks, ``(objects, heads)``.

    What vanishes in a smaller frame is no object there.
    """
    size = heads[0].shape
    unclear = None if void is None else resized_mask(void, size)
    wanted = [small for thing in things if (small := resized_mask(thing, size)).any()]
    return np.array([[jaccard(head, thing, unclear) for head in heads] for thing in wanted], np.float64)


def resized_mask(mask: Mask, size: tuple[int, ...]) -> Mask:
    """A mask ``(H, W)`` in another frame: the value at each pixel's centre."""
    y, x = (((np.arange(new) + 0.5) * old / new).astype(int) for new, old in zip(size, mask.shape, strict=True))
    return mask[y][:, x]


class AttentionJaccard(MeanProtocol):
    """Jaccard of the masks of single attention heads with annotated objects (Caron et al. 2021, figure 4)."""

    name = "attention-jaccard"
    definition = (
        "Jaccard of last-layer CLS attention (Caron et al. 2021, Fig. 4): masks that hold 60 % of a head's "
        f"attention, by nearest neighbour, void left out, {SIDE} px unless --size says otherwise. {ORACLE}: the "
        "ground truth picks the head. The paper does not say of what, where and how often; the first row is ours "
        "(the best head for each object, objects are instances, crowds are none, the aspect is kept, masks are "
        "compared in the frame of the photograph), and the others name what differs: one head per image (of the best "
        "mean over its objects), class masks, the picture made a square, comparison in the resized frame with the "
        "truth by nearest neighbour. Label-free beside them, read as the first row: the mean of the heads, the mask "
        "of the method attention, each head fixed over all pictures. Averaged over the objects of a picture, then "
        "over the pictures that have objects."
    )
    method = "attention"

    def predictor(self, options: EvaluateOptions) -> HeadsPredictor:
        """See ``MaskProtocol``."""
        condition = parse_condition(options.corrupt)
        return HeadsPredictor(self.segment_options(options), random_weights=options.random_weights, condition=condition)

    def values(self, truth: Truth, prediction: Segmentation) -> dict[str, float]:
        """The best head by every reading of the paper, then what needs no labels, averaged over the objects."""
        assert prediction.attention is not None
        objects = truth.objects()
        if not objects:
            return {}

        def over_objects(mask: Mask) -> float:
            return float(np.mean([jaccard(mask, thing, truth.void) for thing in objects]))

        heads = head_masks(prediction)
        values = best_heads(truth, objects, prediction)
        values["mean of heads"] = over_objects(mass_in_frame(fuse(prediction.attention), prediction.fit))
        values["mask of the method attention"] = over_objects(prediction.mask)
        values |= {f"head {number}": over_objects(head) for number, head in enumerate(heads)}
        return values | {name: over_objects(draw(prediction.size)) for name, draw in FLOORS.items()}
