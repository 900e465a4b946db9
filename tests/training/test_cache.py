"""Photographs as they are kept: sizes, pixels, and the frame of a batch."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from dinoseg.errors import UnsupportedImage
from dinoseg.training.cache import DeviceCache, PhotoCache, frame, small_photo
from dinoseg.types import Source
from tests.helpers import gradient


def kept(path: Path, short_side: int = 24, size: tuple[int, int] | None = None) -> torch.Tensor:
    return small_photo(Source(path.name, path), short_side, size)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((48, 64), (24, 32)),  # shrunk to the short side
        ((64, 48), (32, 24)),
        ((20, 30), (20, 30)),  # never enlarged
        ((60, 600), (7, 72)),  # a panorama: long side at most three times the short side
        ((1, 500), (1, 72)),
    ],
)
def test_photographs_are_kept_at_a_stated_size(size, expected, tmp_path):
    PIL.Image.fromarray(gradient(*size)).save(tmp_path / "a.png")
    assert kept(tmp_path / "a.png").shape == (3, *expected)
    assert kept(tmp_path / "a.png", size=(10, 12)).shape == (3, 10, 12)  # or at the one that is asked for


def test_pixels_are_those_of_the_file(tmp_path):
    PIL.Image.fromarray(gradient(20, 30)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(kept(tmp_path / "a.png").permute(1, 2, 0), gradient(20, 30))


GREY = np.arange(0, 65536, 4096, dtype=np.uint16).reshape(4, 4)


@pytest.mark.parametrize(
    ("name", "picture", "expected"),
    [
        ("a.png", GREY, GREY // 257),  # 16 bit: scaled, so that 65535 is white; within half a level
        ("a.tif", GREY, GREY // 257),
        ("a.tif", GREY.astype(np.float32) / 65535, GREY // 257),  # float: 0 is black, 1 is white
        ("a.png", np.dstack([np.full((4, 4, 3), 50), np.zeros((4, 4))]).astype(np.uint8), 255),  # alpha: over white
    ],
)
def test_more_than_8_bits_and_alpha_have_a_stated_way(name, picture, expected, tmp_path):
    PIL.Image.fromarray(picture).save(tmp_path / name)
    pixels = kept(tmp_path / name).permute(1, 2, 0).numpy().astype(int)
    assert np.abs(pixels - np.broadcast_to(np.asarray(expected)[..., None], (4, 4, 3))).max() <= 1


def test_more_than_four_channels_are_refused_never_guessed():
    with pytest.raises(UnsupportedImage, match=r"a: array of shape \(8, 8, 7\)"):
        small_photo(Source("a", np.zeros((8, 8, 7), np.uint8)), 24)


@pytest.mark.parametrize("on_device", [False, True])
def test_a_batch_is_a_frame_with_each_photograph_in_its_corner(on_device):
    photos = [torch.from_numpy(gradient(*size)).permute(2, 0, 1) for size in ((20, 30), (30, 20), (8, 8))]
    cache = PhotoCache(["a", "b", "c"], photos)
    kept = DeviceCache(cache, torch.device("cpu")) if on_device else cache
    pixels = kept.batch(torch.tensor([2, 0]))
    assert pixels.shape == (2, 3, 20, 30)
    assert pixels.permute(0, 2, 3, 1).is_contiguous()  # how the CPU's kernel is fastest
    assert kept.sizes.tolist() == [[20, 30], [30, 20], [8, 8]]
    np.testing.assert_array_equal(pixels[0, :, :8, :8].permute(1, 2, 0), gradient(8, 8))
    assert not pixels[0, :, 8:].any()
    assert not pixels[0, :, :, 8:].any()
    np.testing.assert_array_equal(pixels[1].permute(1, 2, 0), gradient(20, 30))
    torch.testing.assert_close(frame([photos[2], photos[0]]), pixels)


def test_digest_tells_collections_apart():
    photos = [torch.zeros(3, 4, 4, dtype=torch.uint8)] * 2
    digests = {
        PhotoCache(["a", "b"], photos).digest,
        PhotoCache(["b", "a"], photos).digest,
        PhotoCache(["a"], photos[:1]).digest,
        PhotoCache(["a", "b"], [photos[0], torch.zeros(3, 4, 5, dtype=torch.uint8)]).digest,
    }
    assert len(digests) == 4
    assert PhotoCache(["a", "b"], photos).digest in digests
