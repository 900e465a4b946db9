"""The dense CRF against the published program and against its sums written out."""

import numpy as np
from scipy.special import expit

from dinoseg.refine.crf import ALPHA, APPEARANCE, BETA, GAMMA, ITERATIONS, POSITION, mean_field
from tests.helpers import GOLDEN, disk_photo
from tests.methods.scenes import iou


def test_golden():
    with np.load(GOLDEN / "methods.npz") as golden:
        result = mean_field(2 * golden["refine/coarse"].astype(np.float32) - 1, golden["refine/image"])
        assert iou(result > 0.5, golden["refine/densecrf"]) > 0.99


def written_out(unary, pixels):
    """Mean field with every pair of pixels."""
    y, x = (each.ravel() for each in np.indices(unary.shape))
    colours = pixels.reshape(-1, 3).astype(float)
    apart = (y[:, None] - y) ** 2 + (x[:, None] - x) ** 2
    unlike = ((colours[:, None] - colours) ** 2).sum(axis=2)
    kernels = APPEARANCE, np.exp(-apart / 2 / ALPHA**2 - unlike / 2 / BETA**2), POSITION, np.exp(-apart / 2 / GAMMA**2)
    norms = [np.sqrt(kernel.sum(axis=1)) for kernel in kernels[1::2]]
    a, b = (w * k / n / n[:, None] for w, k, n in zip(kernels[::2], kernels[1::2], norms, strict=True))
    odds = unary.ravel().astype(float)
    for _ in range(ITERATIONS):
        odds = unary.ravel() + (a + b) @ (2 * expit(odds) - 1)
    return expit(odds).reshape(unary.shape)


def test_it_is_mean_field_over_all_pairs():
    pixels, mask = disk_photo(24, 32)
    unary = np.roll(np.where(mask, 1, -1), 3, axis=1).astype(np.float32)
    result, expected = mean_field(unary, pixels), written_out(unary, pixels)
    assert iou(result > 0.5, expected > 0.5) > 0.95
    assert iou(result > 0.5, mask) > iou(unary > 0, mask)
