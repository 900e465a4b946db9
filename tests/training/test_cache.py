"""Photographs decoded once: sizes, order, and what happens to broken ones."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from dinoseg.errors import TrainingError
from dinoseg.training.cache import PhotoCache, load_photos, place
from tests.helpers import broken_images, gradient, write_images


def load(folder: Path, short_side: int = 24) -> PhotoCache:
    return load_photos([folder], short_side, exclude=folder / "run")[0]


@pytest.mark.parametrize(
    ("size", "kept"),
    [
        ((48, 64), (24, 32)),  # shrunk to the short side
        ((64, 48), (32, 24)),
        ((20, 30), (20, 30)),  # never enlarged
        ((60, 600), (7, 72)),  # a panorama: long side at most three times the short side
        ((1, 500), (1, 72)),
    ],
)
def test_photographs_are_kept_at_a_stated_size(size, kept, tmp_path):
    PIL.Image.fromarray(gradient(*size)).save(tmp_path / "a.png")
    assert load(tmp_path).photos[0].shape == (3, *kept)


def test_pixels_are_those_of_the_file(tmp_path):
    PIL.Image.fromarray(gradient(20, 30)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(load(tmp_path).photos[0].permute(1, 2, 0), gradient(20, 30))


def test_a_batch_is_a_frame_with_each_photograph_in_its_corner(tmp_path):
    for name, size in (("a", (20, 30)), ("b", (30, 20)), ("c", (8, 8))):
        PIL.Image.fromarray(gradient(*size)).save(tmp_path / f"{name}.png")
    pixels, sizes = load(tmp_path, 40).batch(torch.tensor([2, 0]))
    assert pixels.shape == (2, 3, 20, 30)
    assert sizes.tolist() == [[8, 8], [20, 30]]
    np.testing.assert_array_equal(pixels[0, :, :8, :8].permute(1, 2, 0), gradient(8, 8))
    assert not pixels[0, :, 8:].any()
    np.testing.assert_array_equal(pixels[1].permute(1, 2, 0), gradient(20, 30))


def test_f83_broken_photographs_are_left_out_and_listed(tmp_path):
    write_images(tmp_path, 20)
    (tmp_path / "photo_005x.jpg").write_bytes(broken_images()["half.jpg"])
    cache, failures = load_photos([tmp_path], 24, exclude=tmp_path / "run")
    assert cache.ids == [f"photo_{index:03d}.jpg" for index in range(20)]
    assert [(failure.id, failure.reason) for failure in failures] == [("photo_005x.jpg", "truncated")]


def test_f83_too_many_broken_photographs_abort(tmp_path):
    write_images(tmp_path, 20)
    for name, content in broken_images().items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(TrainingError, match=r"12 of 32 photographs cannot be read .*empty.jpg"):
        load(tmp_path)


def test_what_the_run_writes_is_not_learned(tmp_path):
    write_images(tmp_path, 3)
    write_images(tmp_path / "run", 3)
    assert len(load(tmp_path)) == 3


def test_digest_tells_collections_apart(tmp_path):
    write_images(tmp_path / "a", 3)
    write_images(tmp_path / "b", 3)
    first, same = load(tmp_path / "a"), load(tmp_path / "b")
    assert first.digest == same.digest
    (tmp_path / "b" / "photo_001.jpg").rename(tmp_path / "b" / "other.jpg")
    assert load(tmp_path / "b").digest != first.digest
    assert load(tmp_path / "a", 20).digest != first.digest


@pytest.mark.parametrize("where", ["auto", "device", "memory"])
def test_on_a_cpu_device_and_memory_are_one(where):
    cache = PhotoCache(["a"], [torch.zeros(3, 4, 4, dtype=torch.uint8)])
    assert place(cache, torch.device("cpu"), where) is cache


@pytest.mark.parametrize(
    ("where", "free", "expected"),
    [("auto", 100, "meta"), ("auto", 90, "cpu"), ("device", 0, "meta"), ("memory", 100, "cpu")],
)
def test_auto_takes_the_device_if_half_of_its_memory_is_enough(where, free, expected, monkeypatch):
    """``meta`` stands in for a GPU."""
    cache = PhotoCache(["a"], [torch.zeros(3, 4, 4, dtype=torch.uint8)])  # 48 bytes
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 1000))
    monkeypatch.setattr(
        PhotoCache, "to", lambda self, device: PhotoCache(self.ids, [p.to("meta") for p in self.photos])
    )
    assert place(cache, torch.device("cuda"), where).device.type == expected
