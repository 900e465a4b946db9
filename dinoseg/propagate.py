"""Labels of a video's first frame, carried to the next ones by the likeness of patches; nothing is trained.

The rules are those of DINO's video evaluation (Caron et al. 2021, section 4.2.2, after Jabri et al. 2020). The affinity
is never whole: only pairs within the neighbourhood are multiplied, tile by tile. Left out are the program's slips: one
rule gives the size of frames and labels (it turns the labels of square videos), and an object too small for the grid
keeps one patch (there the last one is lost).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import cv2
import numpy as np
import PIL.Image
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dinoseg.backbone.features import single
from dinoseg.backbone.memory import on_device
from dinoseg.backbone.precision import inference
from dinoseg.backbone.spec import Network
from dinoseg.errors import FrameSize, MaskError, NanFeatures
from dinoseg.options import PropagateOptions
from dinoseg.types import Failure, Fit, Photo

SHORT_SIDE, MULTIPLE = 480, 64  # px of the published rule
RED_STD = 0.228  # what DINO's video program has in the place of ImageNet's 0.229
TILE = 12  # patches: the smallest sum of work outside of neighbourhoods and of calls


@dataclass(frozen=True, slots=True, eq=False)
class Tracked:
    """The labels of one frame."""

    photo: Photo
    labels: NDArray[np.uint8]
    """``(H, W)``: 0 background, else the number that the object has in the first mask."""
    objects: tuple[int, ...]
    """Numbers of all objects of the first mask, rising."""
    soft: NDArray[np.float32]
    """``(1 + objects, gh, gw)`` in 0..1: share of the background and of each object in each patch."""
    fit: Fit
    seconds: float
    """Spent on it: its share of the network's pass, and carrying labels to it."""


class Propagator:
    """Carries labels through videos with the patch tokens of a network; memory does not grow with their length.

    ``size``: long side in px at which the network sees frames (default: the published rule, a short side of 480 px).
    """

    def __init__(
        self,
        backbone: Network,
        options: PropagateOptions = PropagateOptions(),  # noqa: B008 (frozen)
        *,
        size: int | None = None,
        batch: int | None = None,
    ) -> None:
        red = (RED_STD, *backbone.spec.std[1:]) if options.normalise == "dino-video" else None
        self.backbone, self.options, self.size = backbone.normalising(None, red), options, size
        self.batch = batch or (1 if str(backbone.device) == "cpu" else 8)

    def run(self, frames: Iterable[Photo | Failure], labels: NDArray[np.uint8]) -> Iterator[Tracked | Failure]:
        """Each frame with its labels, in order; ``labels`` ``(H, W)`` are those of the first frame, 0 is background.

        A frame that failed, has another size or gives NaN is a ``Failure`` in its place and passed over. Raises the
        first frame's error when it is such a frame, and ``MaskError`` when ``labels`` are not of its size or hold no
        object.
        """
        frames = iter(frames)
        first = next(frames, None)
        if first is None:
            return
        if isinstance(first, Failure):
            raise first.error
        check_labels(labels, first)
        fit = frame_fit(first.size, self.backbone.spec.patch, self.size)
        objects = tuple(int(value) for value in np.unique(labels) if value)
        begun = time.perf_counter()
        start = one_hot(labels, objects, fit.grid)  # (C, gh, gw)
        memory = Memory(self.look([first], fit)[0], torch.from_numpy(start).to(self.backbone.device), self.options)
        yield Tracked(first, labels, objects, start, fit, time.perf_counter() - begun)
        for frame, tokens, seconds in self.embedded(frames, fit):
            if isinstance(frame, Failure):
                yield frame
                continue
            begun = time.perf_counter()
            soft = memory.follow(tokens)  # (C, gh, gw)
            numbers = np.array((0, *objects), np.uint8)[grow(soft, fit)]  # (H, W)
            yield Tracked(frame, numbers, objects, soft.cpu().numpy(), fit, seconds + time.perf_counter() - begun)

    def embedded(self, frames: Iterator[Photo | Failure], fit: Fit) -> Iterator[tuple[Photo | Failure, Tensor, float]]:
        """Frames with their tokens ``(gh, gw, d)``, computed batch by batch, and seconds; failures come with none."""
        none = torch.empty(0)
        while group := [same_size(frame, fit) for frame in islice(frames, self.batch)]:
            photos, begun = [frame for frame in group if isinstance(frame, Photo)], time.perf_counter()
            found = self.look(photos, fit) if photos else none  # (B, gh, gw, d)
            finite = found.isfinite().flatten(1).all(dim=1).tolist() if photos else []
            each = iter(zip(found, finite, strict=True))
            seconds = (time.perf_counter() - begun) / len(group)
            for frame in group:
                if isinstance(frame, Failure):
                    yield frame, none, 0.0
                    continue
                tokens, usable = next(each)
                yield (frame, tokens, seconds) if usable else (not_finite(frame), none, seconds)

    @inference
    def look(self, photos: Sequence[Photo], fit: Fit) -> Tensor:
        """Patch tokens after the final norm, of unit length, ``(B, gh, gw, d)``. Raises ``OutOfMemory``."""
        told = f"{photos[0].id}: {len(photos)} frame(s) of {fit.scaled} px a pass do not fit into memory"
        with on_device(self.backbone.device, f"{told}; use a smaller --batch or --size."):
            pixels = [resized(photo, fit) for photo in photos]
            tokens = single(self.backbone.encode(pixels, fit.grid, ("token",)).facets["token"])
        return F.normalize(torch.asarray(tokens), dim=-1)


def resized(photo: Photo, fit: Fit) -> NDArray[np.uint8]:
    """One frame as the network sees it, ``(h, w, 3)``: OpenCV's linear rule."""
    return np.asarray(cv2.resize(photo.pixels, fit.scaled[::-1], interpolation=cv2.INTER_LINEAR), np.uint8)


class Memory:
    """The first frame and the last few, with their tokens ``(gh, gw, d)`` and soft labels ``(C, gh, gw)``."""

    def __init__(self, tokens: Tensor, soft: Tensor, options: PropagateOptions) -> None:
        self.first, self.options = (tokens, soft), options
        self.recent: deque[tuple[Tensor, Tensor]] = deque(maxlen=options.context)

    @inference
    def follow(self, tokens: Tensor) -> Tensor:
        """Soft labels ``(C, gh, gw)`` of the next frame, which is then remembered."""
        context, labels = zip(self.first, *self.recent, strict=True)
        soft = propagate(tokens, context, labels, self.options)
        self.recent.append((tokens, soft))
        return soft


def propagate(tokens: Tensor, context: Sequence[Tensor], labels: Sequence[Tensor], options: PropagateOptions) -> Tensor:
    """One step: soft labels ``(C, gh, gw)`` for ``tokens`` ``(gh, gw, d)`` from frames of a context.

    ``context``: tokens of each frame, ``(gh, gw, d)``, of unit length as ``tokens`` are; ``labels``: its soft labels,
    ``(C, gh, gw)``. Per patch, exp(cosine / temperature) of its nearest in the neighbourhood over all frames, ties with
    the last of them kept, is made to sum to 1 and weighs their labels. Holds one tile's affinity at a time.
    """
    height, width, _ = tokens.shape
    radius = options.radius or max(height, width)
    soft = tokens.new_empty(len(labels[0]), height, width)  # (C, gh, gw)
    for rows, near_rows in tiles(height, radius):
        for columns, near_columns in tiles(width, radius):
            near = torch.cat([frame[near_rows, near_columns].flatten(0, 1) for frame in context])  # (F n, d)
            known = torch.cat([frame[:, near_rows, near_columns].flatten(1) for frame in labels], dim=1)  # (C, F n)
            cosine = tokens[rows, columns].flatten(0, 1) @ near.T  # (t, F n)
            outside = far(rows, near_rows, radius)[:, None, :, None] | far(columns, near_columns, radius)[:, None]
            beyond = outside.flatten(2).flatten(0, 1)[:, None].to(tokens.device)  # (t, 1, n)
            cosine.unflatten(1, (len(context), -1)).masked_fill_(beyond, -torch.inf)
            least = cosine.topk(min(options.neighbours, cosine.shape[1]), dim=1).values[:, -1:]
            weights = (cosine.masked_fill_(cosine < least, -torch.inf) / options.temperature).softmax(dim=1)
            soft[:, rows, columns] = (known @ weights.T).unflatten(1, (rows.stop - rows.start, -1))
    return soft


def tiles(length: int, radius: int) -> Iterator[tuple[slice, slice]]:
    """Pieces of one axis, each with all that lies within ``radius`` of any of it."""
    for start in range(0, length, TILE):
        stop = min(start + TILE, length)
        yield slice(start, stop), slice(max(start - radius, 0), min(stop + radius, length))


def far(piece: slice, near: slice, radius: int) -> Tensor:
    """Which positions of ``near`` lie beyond the radius of each of ``piece``, ``(t, n)`` bool."""
    here, there = torch.arange(piece.start, piece.stop), torch.arange(near.start, near.stop)
    return (here[:, None] - there).abs() > radius


def frame_fit(size: tuple[int, int], patch: int, long_side: int | None = None) -> Fit:
    """How frames of ``(H, W)`` px lie on the grid: without padding, so the aspect may change a little.

    The published rule: the short side 480 px, the long one in proportion, down to a multiple of 64; for a patch that
    does not divide these, down to a multiple of the patch. With ``long_side``: to the nearest multiples.
    """
    if long_side is None:
        unit = MULTIPLE if MULTIPLE % patch == 0 else patch
        short = SHORT_SIDE // patch * patch
        height, width = (max(unit, SHORT_SIDE * side // min(size) // unit * unit) for side in size)
        scaled = (height, short) if size[0] > size[1] else (short, width)
    else:
        height, width = (max(patch, round(side * long_side / max(size) / patch) * patch) for side in size)
        scaled = (height, width)
    return Fit(size, scaled, (scaled[0] // patch, scaled[1] // patch), patch)


def one_hot(labels: NDArray[np.uint8], objects: Sequence[int], grid: tuple[int, int]) -> NDArray[np.float32]:
    """The first frame's labels ``(H, W)`` on the grid by nearest neighbour, ``(1 + objects, gh, gw)`` of 0 and 1.

    An object that no patch's centre meets gets the patch of which it covers most.
    """
    small = np.array(PIL.Image.fromarray(labels).resize(grid[::-1], PIL.Image.Resampling.NEAREST))  # (gh, gw)
    cells = np.stack([small == number for number in (0, *objects)]).astype(np.float32)  # (C, gh, gw)
    for index, number in enumerate(objects, 1):
        if not cells[index].any():
            covered = cv2.resize((labels == number).astype(np.float32), grid[::-1], interpolation=cv2.INTER_AREA)
            most = np.unravel_index(covered.argmax(), grid)
            cells[(slice(None), *most)] = np.arange(len(cells)) == index
    return cells


def grow(soft: Tensor, fit: Fit) -> NDArray[np.int64]:
    """Soft labels ``(C, gh, gw)`` -> index of the winning channel at full size, ``(H, W)``.

    Every channel is upsampled bilinearly, shifted to minimum 0 and divided by its maximum; the largest wins, and the
    winner goes to the size of the frame by nearest neighbour. One channel is held at a time.
    """
    best = soft.new_full(fit.scaled, -1.0)  # (h, w)
    winner = torch.zeros(fit.scaled, dtype=torch.uint8, device=soft.device)  # (h, w)
    for index, channel in enumerate(soft):
        map_ = F.interpolate(channel[None, None], scale_factor=fit.patch, mode="bilinear")[0, 0]  # (h, w)
        map_ = map_ - map_.min()
        map_ = map_ / map_.max() if map_.max() > 0 else map_
        winner[map_ > best] = index
        best = torch.maximum(best, map_)
    image = PIL.Image.fromarray(winner.cpu().numpy())
    return np.array(image.resize(fit.size[::-1], PIL.Image.Resampling.NEAREST), np.int64)


def check_labels(labels: NDArray[np.uint8], first: Photo) -> None:
    """Raise ``MaskError`` for labels that are not of the frame's size or hold no object."""
    if labels.shape != first.size:
        told = " x ".join(map(str, labels.shape[::-1]))
        raise MaskError(f"the mask is {told} px, the first frame {first.id} {first.size[1]} x {first.size[0]}.")
    if not labels.any():
        raise MaskError("the mask holds no object: every pixel is background.")


def same_size(frame: Photo | Failure, fit: Fit) -> Photo | Failure:
    """The frame, or the failure of one that is not of the first frame's size."""
    if isinstance(frame, Failure) or frame.size == fit.size:
        return frame
    (height, width), (h, w) = frame.size, fit.size
    told = f"{frame.id}: this frame is {width} x {height} px, the first one {w} x {h}; make them equal."
    return Failure(frame.id, FrameSize(told))


def not_finite(frame: Photo) -> Failure:
    """The failure of a frame for which the network gave NaN."""
    return Failure(frame.id, NanFeatures(f"{frame.id}: the network gives NaN or infinite values; try another --size."))
