"""The numbers that objects keep from frame to frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from dinoseg.smoothing.links import Link, carry
from dinoseg.types import Proposal

SAME = 0.25
"""Soft IoU from which what is found in a frame is an object of the frames before."""


class Numbers:
    """Gives what is found in each frame the number that it had in the frames before, else the next one."""

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.next = count(1)
        self.known: dict[int, NDArray[np.float32]] = {}
        """Where each object is in the last frame, ``(N,)``."""
        self.unseen: dict[int, int] = {}
        """For how many frames each has not been found."""

    def forget(self) -> None:
        """A new scene: its objects are others."""
        self.known.clear()
        self.unseen.clear()

    def give(self, found: Sequence[Proposal], grid: tuple[int, int], link: Link | None) -> dict[int, Proposal]:
        """What was found in a frame, by number. ``link``: to the last frame, if that is of the same scene."""
        maps = [share(each, grid) for each in found]
        objects: dict[int, Proposal] = {}
        if link is not None and self.known:
            carried = carry(link, np.stack(list(self.known.values()), axis=1))  # (N, C)
            self.known = dict(zip(self.known, carried.T, strict=True))
        given = matched(maps, self.known)
        for place, each in enumerate(found):
            number = given[place] if place in given else next(self.next)
            objects[number] = each
            self.known[number], self.unseen[number] = maps[place], 0
        for number in list(self.known):
            if number not in objects:
                self.unseen[number] += 1
                if self.unseen[number] > self.patience:
                    del self.known[number], self.unseen[number]
        return objects


def matched(maps: Sequence[NDArray[np.float32]], known: Mapping[int, NDArray[np.float32]]) -> dict[int, int]:
    """Numbers by the place of the map that has them: the assignment whose sum of soft IoU is largest."""
    if not maps or not known:
        return {}
    table = np.array([[soft_iou(one, other) for other in known.values()] for one in maps])
    numbers = list(known)
    pairs = zip(*linear_sum_assignment(table, maximize=True), strict=True)
    return {int(place): numbers[which] for place, which in pairs if table[place, which] >= SAME}


def soft_iou(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Sum of the smaller over that of the larger, of two maps of one shape."""
    return float(np.minimum(one, other).sum() / max(np.maximum(one, other).sum(), np.finfo(np.float32).tiny))


def share(proposal: Proposal, grid: tuple[int, int]) -> NDArray[np.float32]:
    """The mean of an object's map in each patch, ``(N,)``."""
    return np.asarray(cv2.resize(proposal.soft, grid[::-1], interpolation=cv2.INTER_AREA), np.float32).ravel()
