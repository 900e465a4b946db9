"""The guided filter against its formulas written out, and on photographs."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import label

from dinoseg.images.fit import resize, to_photo
from dinoseg.refine import refine
from dinoseg.refine.guided import EPS, RADIUS, coefficients, colours, guided_filter
from dinoseg.types import Photo
from tests.methods.scenes import iou
from tests.refine.scenes import coarse


def window(image, y, x, radius):
    return image[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]


def written_out(guide, mask, radius, eps=EPS):
    """Mean a and b, pixel by pixel, with windows that end at the border; ``guide`` is ``(channels, h, w)``."""
    a, b = np.zeros_like(guide), np.zeros_like(mask)
    for y, x in np.ndindex(mask.shape):
        i = np.stack([window(channel, y, x, radius).ravel() for channel in guide])
        p = window(mask, y, x, radius).ravel()
        covariance, product = np.cov(i, bias=True), (i * p).mean(axis=1) - i.mean(axis=1) * p.mean()
        a[:, y, x] = np.linalg.solve(covariance + eps * np.eye(len(i)), product)
        b[y, x] = p.mean() - a[:, y, x] @ i.mean(axis=1)
    mean = [[window(c, y, x, radius).mean() for y, x in np.ndindex(mask.shape)] for c in (*a, b)]
    *slopes, offset = np.reshape(mean, (-1, *mask.shape))
    return np.array(slopes), offset


@pytest.mark.parametrize("radius", [1, 3, 20], ids=["small", "middle", "larger than the image"])
def test_coefficients_are_those_of_the_paper(radius):
    random = np.random.default_rng(0)
    guide, mask = random.uniform(size=(3, 9, 13)), random.uniform(size=(9, 13))
    result = coefficients(guide.astype(np.float32), mask.astype(np.float32), radius)
    for ours, theirs in zip(result, written_out(guide, mask, radius), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def test_of_a_grey_photo_it_is_the_filter_of_a_grey_guide():
    random = np.random.default_rng(0)
    guide, mask = random.uniform(size=(9, 13)), random.uniform(size=(9, 13))
    slopes, offset = coefficients(np.stack([guide] * 3).astype(np.float32), mask.astype(np.float32), 3)
    a, b = written_out(guide[None], mask, 3, EPS / 3)  # the slope is shared by three, eps is not
    np.testing.assert_allclose(slopes.sum(axis=0) * guide + offset, a[0] * guide + b, atol=1e-5)


def test_edges_between_colours_of_one_luma_move_the_mask():
    photo, mask, fitted, soft = coarse()
    photo = replace(photo, pixels=np.where(mask[..., None], (200, 0, 0), (0, 102, 0)).astype(np.uint8))
    assert iou(refine("guided", soft, photo, fitted).soft > 0.5, mask) > 0.99  # 0.93 by luma, 0.97 unrefined


def test_grain_of_a_large_photo_makes_no_specks():
    photo, mask, fitted, soft = coarse(600, 800, size=160)
    grain = np.random.default_rng(0).normal(0, 12, photo.pixels.shape)
    grainy = replace(photo, pixels=(photo.pixels + grain).clip(0, 255).astype(np.uint8))
    result = refine("guided", soft, grainy, fitted).soft > 0.5
    assert iou(result, mask) > 0.98
    assert label(result)[1] + label(~result)[1] < 10  # 69 without the mean


def test_at_working_size_it_is_the_filter_itself():
    photo, _, fitted, soft = coarse(128, 160, size=160)
    assert fitted.scaled == photo.size
    guide, mask = colours(photo.pixels), to_photo(soft, fitted)
    slopes, offset = coefficients(guide, mask, round(RADIUS * 16))
    expected = np.clip((slopes * guide).sum(axis=0) + offset, 0, 1)
    np.testing.assert_allclose(guided_filter(soft, photo, fitted), expected, atol=1e-5)


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


def test_channels_are_red_green_blue():
    pixels = np.array([[[255, 0, 51], [0, 255, 102]]], np.uint8)
    np.testing.assert_allclose(colours(pixels), [[[1, 0]], [[0, 1]], [[0.2, 0.4]]], atol=1e-6)
