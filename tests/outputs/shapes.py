"""Masks that are hard to trace, and how two masks are compared."""

import cv2
import numpy as np

from dinoseg.outputs.polygons import flat
from dinoseg.rle import decode_segmentation
from tests.outputs.scenes import box_mask

SIZE = (40, 60)


def blobs(size, sigma, share, seed=0):
    noise = np.random.default_rng(seed).random(size).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), sigma)
    return smooth > np.quantile(smooth, share)


def drawn(polygons, size):
    return decode_segmentation([flat(polygon) for polygon in polygons], size)


def iou(one, other):
    return (one & other).sum() / (one | other).sum()


MASKS = {
    "a pixel": box_mask(SIZE, 5, 6, 6, 7),
    "a corner of the picture": box_mask(SIZE, 0, 0, 9, 4),
    "all of it": np.ones(SIZE, bool),
    "a hole": box_mask(SIZE, 5, 5, 40, 30) & ~box_mask(SIZE, 10, 10, 20, 20),
    "an island in a hole": box_mask(SIZE, 5, 5, 40, 30) & ~box_mask(SIZE, 9, 9, 30, 25)
    | box_mask(SIZE, 12, 12, 20, 20),
    "two parts": box_mask(SIZE, 2, 3, 20, 20) | box_mask(SIZE, 30, 20, 50, 36),
    "parts that touch at a corner": box_mask(SIZE, 5, 5, 10, 10) | box_mask(SIZE, 10, 10, 15, 15),
    "a line": box_mask(SIZE, 3, 7, 50, 8),
    "noise": blobs(SIZE, 0.1, 0.5),
    "clouds": blobs((300, 400), 12, 0.6),
}
