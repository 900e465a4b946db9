"""A bounded window of successive frames, in whose middle masks are made to agree with those around."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from dinoseg.backbone.features import single, to_numpy
from dinoseg.errors import FrameSize
from dinoseg.options import SmoothOptions
from dinoseg.pipeline import Proposed
from dinoseg.smoothing.links import Link, diffuse, link
from dinoseg.smoothing.motion import on_grid, own_motion, view
from dinoseg.smoothing.numbers import Numbers, share
from dinoseg.types import Failure, Proposal, Proposals

LINKED = 2
"""Frames before and after that a frame is linked to."""
OWN, ROUNDS = 0.2, 8
"""What a frame's own mask weighs in each round of diffusion, and their number."""
OWN_MOTION, MOTION_ROUNDS = 0.3, 4
"""The same for motion, which is diffused before masks are."""
MOVING = 0.8
"""Share of an object's motion below which a patch of it is doubted."""
STILL = 0.00125
"""Motion a frame, in shares of the long side, above which an object begins to be one that moves (all at twice)."""
CUT = 1.25
"""How much farther (1 - cosine) than their own neighbours the like of patches is, in the frame before, after a cut."""
UNSURE = 0.02
"""Shares are kept this far from 0 and 1 before their odds are compared."""


@dataclass(slots=True, eq=False)
class Frame:
    """A frame in the window."""

    index: int
    proposed: Proposed
    tokens: NDArray[np.float32]
    """``(gh, gw, d)``, of unit length."""
    grey: NDArray[np.uint8]
    motion: NDArray[np.float32] | None
    """``(N,)``, see ``own_motion``; None for the first of a scene until the second is there."""
    objects: dict[int, Proposal] = field(default_factory=dict)
    """What was found in it, by number."""
    links: dict[int, Link] = field(default_factory=dict)
    """To frames around, by their index."""


class Window:
    """Takes frames in order and gives them back, each when all that it depends on is there.

    So many frames are held as lie between the first and the last of a window: memory does not grow with the video.
    A frame that failed is passed over; where nothing is like the frame before, a new scene begins.
    """

    def __init__(self, options: SmoothOptions, facet: str) -> None:
        self.options, self.facet = options, facet
        self.around: deque[Frame] = deque()
        """Of the scene: as many frames before the next that is given back as are looked at, and all after it."""
        self.waiting: deque[Frame | Failure] = deque()
        self.numbers = Numbers(options.reach)
        self.size: tuple[int, int] | None = None
        self.index = 0

    def run(self, frames: Iterable[Proposed | Failure]) -> Iterator[Proposed | Failure]:
        """All of them, smoothed."""
        for each in frames:
            yield from self.take(each)
        yield from self.flush()

    def take(self, each: Proposed | Failure) -> Iterator[Proposed | Failure]:
        """One more frame; those that are done by it."""
        each = self.checked(each)
        if isinstance(each, Failure):
            self.waiting.append(each)
        else:
            frame = self.opened(each)
            if self.around and not self.join(frame):
                yield from self.flush()
            link_back = frame.links[self.around[-1].index] if self.around else None
            found = each.proposals.objects
            frame.objects = self.numbers.give(found, each.encoded.fit.grid, link_back)
            self.around.append(frame)
            self.waiting.append(frame)
        yield from self.done()

    def checked(self, each: Proposed | Failure) -> Proposed | Failure:
        """The frame, or the failure of one that is not of the first frame's size."""
        if isinstance(each, Failure):
            return each
        photo, source = each.encoded.photo, each.encoded.source
        self.size = self.size or photo.size
        if photo.size == self.size:
            return each
        (height, width), (h, w) = photo.size, self.size
        told = f"{source.id}: this frame is {width} x {height} px, the first one {w} x {h}; make them equal."
        return Failure(source.id, FrameSize(told), source)

    def opened(self, proposed: Proposed) -> Frame:
        """A frame as it is compared."""
        features = proposed.encoded.features
        assert features is not None
        tokens = to_numpy(single(features.facets[self.facet]), np.float32)[0]  # (gh, gw, d)
        tokens = tokens / np.maximum(np.linalg.norm(tokens, axis=2, keepdims=True), np.finfo(np.float32).tiny)
        self.index += 1
        return Frame(self.index, proposed, tokens, view(proposed.encoded.photo, proposed.encoded.fit), None)

    def join(self, frame: Frame) -> bool:
        """Link it to the frames before; False, and nothing is linked, if it is of another scene."""
        last, fit = self.around[-1], frame.proposed.encoded.fit
        backward = link(frame.tokens, last.tokens)
        if 1 - backward.likeness > CUT * (1 - neighbourliness(frame.tokens)):
            return False
        for other in list(self.around)[-LINKED:]:
            frame.links[other.index] = backward if other is last else link(frame.tokens, other.tokens)
            other.links[frame.index] = link(other.tokens, frame.tokens)
        if not self.options.keep_still:
            frame.motion = on_grid(own_motion(frame.grey, last.grey), fit).ravel()
            if last.motion is None:
                last.motion = on_grid(own_motion(last.grey, frame.grey), fit).ravel()
        return True

    def done(self) -> Iterator[Proposed | Failure]:
        """What waits and has all of its window."""
        while self.waiting:
            first = self.waiting[0]
            if isinstance(first, Frame):
                if self.around[-1].index - first.index < self.options.reach:
                    return
                while self.around[0].index < first.index - self.options.reach:
                    self.around.popleft()
                yield self.smoothed(first)
            else:
                yield first
            self.waiting.popleft()

    def flush(self) -> Iterator[Proposed | Failure]:
        """The end of a scene: all that waits, with what there is of its window."""
        while self.waiting:
            first = self.waiting.popleft()
            yield self.smoothed(first) if isinstance(first, Frame) else first
        self.around.clear()
        self.numbers.forget()

    def smoothed(self, frame: Frame) -> Proposed:
        """The frame with the objects of its window."""
        window = [each for each in self.around if abs(each.index - frame.index) <= self.options.reach]
        numbers = sorted({number for each in window for number in each.objects})
        grid = frame.proposed.encoded.fit.grid
        if len(window) == 1 or not numbers:
            return with_objects(frame.proposed, frame.objects)
        maps = np.stack([shares(each.objects, numbers, grid) for each in window])  # (F, N, C)
        places = {each.index: place for place, each in enumerate(window)}
        links = [{places[i]: one for i, one in each.links.items() if i in places} for each in window]
        evidence = maps
        if not self.options.keep_still:
            speeds = np.stack([np.zeros(maps.shape[1], np.float32) if x.motion is None else x.motion for x in window])
            evidence = maps * moving(diffuse(speeds[..., None], links, OWN_MOTION, MOTION_ROUNDS), maps)
        agreed = diffuse(evidence, links, OWN, ROUNDS)[places[frame.index]]  # (N, C)
        before = maps[places[frame.index]]
        found = {
            number: redrawn(frame.objects.get(number), *(each[:, i].reshape(grid) for each in (before, agreed)))
            for i, number in enumerate(numbers)
            if (agreed[:, i] > 0.5).any() or (number in frame.objects and not (before[:, i] > 0.5).any())  # it is small
        }
        return with_objects(frame.proposed, {number: each for number, each in found.items() if (each.soft > 0.5).any()})


def neighbourliness(tokens: NDArray[np.float32]) -> float:
    """How alike patches side by side are in a frame ``(gh, gw, d)``: the mean cosine; -1 where there are none."""
    cosines = [
        np.einsum("ijd,ijd->ij", tokens[1:], tokens[:-1]),
        np.einsum("ijd,ijd->ij", tokens[:, 1:], tokens[:, :-1]),
    ]
    joined = np.concatenate([each.ravel() for each in cosines])
    return float(joined.mean()) if joined.size else -1.0


def moving(speeds: NDArray[np.float32], maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """What is left of each share when what stands still in a moving object is doubted, ``(F, N, C)`` in 0..1.

    ``speeds``: motion ``(F, N, 1)``; ``maps``: objects ``(F, N, C)``. An object none of which moves is left alone.
    """
    result = np.ones_like(maps)
    for frame, number in np.ndindex(maps.shape[0], maps.shape[2]):
        inside = maps[frame, :, number] > 0.5
        if inside.any():
            speed = speeds[frame, :, 0]
            most = float(np.quantile(speed[inside], 0.9))
            sure = min(max(most / STILL - 1, 0.0), 1.0)
            if sure:
                result[frame, :, number] = 1 - sure * (1 - np.minimum(speed / (MOVING * most), 1))
    return result


def shares(objects: Mapping[int, Proposal], numbers: Sequence[int], grid: tuple[int, int]) -> NDArray[np.float32]:
    """Share of each object in each patch, ``(N, C)``: 0 for what was not found."""
    nothing = np.zeros(grid[0] * grid[1], np.float32)
    return np.stack([share(objects[n], grid) if n in objects else nothing for n in numbers], axis=1)


def redrawn(found: Proposal | None, before: NDArray[np.float32], agreed: NDArray[np.float32]) -> Proposal:
    """An object with the shares ``(gh, gw)`` that were agreed on: what its map has within patches is kept.

    The odds of all cells of a patch change as those of the patch do. Its score is the one that it had, or the mean
    share of the patches that are its.
    """
    if found is None:
        inside = agreed > 0.5
        return Proposal(agreed, float(agreed[inside].mean()) if inside.any() else 0.0, "found in the frames around")
    change = odds(agreed) - odds(before)
    grown = cv2.resize(change, found.soft.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return replace(found, soft=np.asarray(expit(odds(found.soft) + grown), np.float32))


def odds(share: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logarithm of the odds, of shares that are not too sure."""
    return np.asarray(logit(share.clip(UNSURE, 1 - UNSURE)), np.float32)


def with_objects(proposed: Proposed, objects: Mapping[int, Proposal]) -> Proposed:
    """The frame with these objects, each with its number."""
    numbered = tuple(replace(each, number=number) for number, each in objects.items())
    reason = None if numbered else proposed.proposals.reason or "no_object"
    return replace(proposed, proposals=Proposals(numbered, reason))
