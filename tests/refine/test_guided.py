"""The guided filter against its formulas written out, and on photographs."""

import numpy as np
import pytest

from dinoseg.images.fit import resize, to_photo
from dinoseg.refine import refine
from dinoseg.refine.guided import EPS, RADIUS, coefficients, grey, guided_filter
from dinoseg.types import Photo
from tests.methods.scenes import iou
from tests.refine.scenes import coarse


def window(image, y, x, radius):
    return image[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]


def written_out(guide, mask, radius):
    """Mean a and b, pixel by pixel, with windows that end at the border."""
    a, b = np.zeros_like(guide), np.zeros_like(guide)
    for y, x in np.ndindex(guide.shape):
        i, p = window(guide, y, x, radius), window(mask, y, x, radius)
        a[y, x] = ((i * p).mean() - i.mean() * p.mean()) / (i.var() + EPS)
        b[y, x] = p.mean() - a[y, x] * i.mean()
    mean = [[window(c, y, x, radius).mean() for y, x in np.ndindex(guide.shape)] for c in (a, b)]
    return np.reshape(mean, (2, *guide.shape))


@pytest.mark.parametrize("radius", [1, 3, 20], ids=["small", "middle", "larger than the image"])
def test_coefficients_are_those_of_the_paper(radius):
    random = np.random.default_rng(0)
    guide, mask = random.uniform(size=(2, 9, 13))
    result = coefficients(guide.astype(np.float32), mask.astype(np.float32), radius)
    np.testing.assert_allclose(result, written_out(guide, mask, radius), atol=2e-5)


def test_at_working_size_it_is_the_filter_itself():
    photo, _, fitted, soft = coarse(128, 160, size=160)
    assert fitted.scaled == photo.size
    guide, mask = grey(photo.pixels), to_photo(soft, fitted)
    a, b = coefficients(guide, mask, round(RADIUS * 16))
    np.testing.assert_allclose(guided_filter(soft, photo, fitted), np.clip(a * guide + b, 0, 1), atol=1e-6)


def test_a_photo_decoded_smaller_has_masks_of_the_original_size():
    photo, mask, fitted, soft = coarse(480, 640)
    reduced = Photo(photo.id, resize(photo.pixels, (240, 320)), photo.size)
    result = refine("guided", soft, reduced, fitted).soft
    assert result.shape == photo.size
    assert iou(result > 0.5, mask) > 0.95


@pytest.mark.parametrize("cells", [1, 4])
def test_maps_may_be_finer_than_patches(cells):
    photo, mask, fitted, soft = coarse()
    finer = soft.repeat(cells, axis=0).repeat(cells, axis=1)
    assert iou(refine("guided", finer, photo, fitted).soft > 0.5, mask) > 0.9


def test_grey_is_luma():
    pixels = np.array([[[255, 255, 255], [0, 0, 0], [255, 0, 0], [0, 255, 0]]], np.uint8)
    np.testing.assert_allclose(grey(pixels), [[1, 0, 0.299, 0.587]], atol=0.003)
