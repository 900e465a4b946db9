"""Vectors of pictures: the published frame, batches, failures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from torchvision import transforms

from dinoseg.evaluation.features.embedding import Embedder, centre_crop, cls_token, crop_side, embed, raw_pixels, squash
from dinoseg.types import Source
from tests.helpers import disk_photo, exhaust_opencv
from tests.networks import small_teacher


def sources(*sizes: tuple[int, int]) -> list[Source]:
    return [Source(f"{index}.png", disk_photo(*size, seed=index)[0]) for index, size in enumerate(sizes)]


@pytest.mark.parametrize("size", [(160, 160), (300, 400), (401, 257), (30, 500)])
def test_the_frame_is_the_published_one(size: tuple[int, int]) -> None:
    pixels = disk_photo(*size)[0]
    resize = transforms.Resize(256, interpolation=transforms.InterpolationMode.BICUBIC)
    expected = transforms.CenterCrop(224)(resize(PIL.Image.fromarray(pixels)))
    np.testing.assert_array_equal(centre_crop(pixels, 224), np.array(expected))


@pytest.mark.parametrize(
    ("patch", "size", "side"),
    [(16, None, 224), (14, None, 224), (10, None, 220), (8, 100, 96), (16, 10, 16)],
)
def test_the_frame_lies_on_the_patch_grid(patch: int, size: int | None, side: int) -> None:
    assert crop_side(patch, size) == side


def test_a_squash_keeps_everything() -> None:
    assert squash(disk_photo(30, 90)[0], 32).shape == (32, 32, 3)


def test_features_are_cls_tokens_and_batches_change_nothing() -> None:
    backbone, pictures = small_teacher(), sources((40, 60), (50, 50), (64, 32), (48, 48), (33, 47))
    found = embed(backbone, pictures, size=32, batch=2)
    frames = torch.stack([torch.from_numpy(centre_crop(x.content, 32)).permute(2, 0, 1) for x in pictures])
    with torch.inference_mode():
        expected = backbone(backbone.normalise(frames), cls=True).cls
    torch.testing.assert_close(found.vectors["cls"], expected, rtol=1e-4, atol=1e-4)
    assert found.positions.tolist() == [0, 1, 2, 3, 4]


def test_f83_broken_pictures_cost_themselves_only(tmp_path: Path) -> None:
    good = sources((40, 40), (44, 40), (48, 40))
    broken = Source("broken.jpg", b"no picture")
    found = embed(small_teacher(), [good[0], broken, good[1], broken, good[2]], size=32, batch=2)
    assert found.positions.tolist() == [0, 2, 4]
    assert [(failure.id, failure.reason) for failure in found.failures] == [("broken.jpg", "not_an_image")] * 2
    torch.testing.assert_close(found.vectors["cls"], embed(small_teacher(), good, size=32).vectors["cls"])


def test_memory_that_opencv_lacks_costs_that_picture_only() -> None:
    def view(pixels: np.ndarray) -> np.ndarray:
        return np.asarray(exhaust_opencv()) if len(pixels) == 44 else squash(pixels, 32)

    found = Embedder(small_teacher(), view, {"cls": cls_token})(sources((40, 40), (44, 40), (48, 40)))
    assert found.positions.tolist() == [0, 2]
    assert [failure.reason for failure in found.failures] == ["oom"]


def test_nan_is_a_failure_of_that_picture() -> None:
    backbone = small_teacher()

    def poisoned(images: torch.Tensor, features: object) -> torch.Tensor:
        return torch.where(torch.arange(len(images)) == 1, torch.nan, 1.0)[:, None]

    embedder = Embedder(backbone, lambda pixels: centre_crop(pixels, 32), {"x": poisoned}, batch=3)
    found = embedder(sources((32, 32), (32, 32), (32, 32)))
    assert found.positions.tolist() == [0, 2]
    assert [(failure.id, failure.reason) for failure in found.failures] == [("1.png", "nan_features")]


def test_raw_pixels_are_the_picture_small() -> None:
    view = {"cls": cls_token, "raw": raw_pixels}
    calls: list[int] = []
    embedder = Embedder(small_teacher(), lambda pixels: centre_crop(pixels, 64), view)
    found = embedder(sources((80, 80), (90, 70)), lambda: calls.append(1))
    assert found.vectors["raw"].shape == (2, 3 * 32 * 32)
    assert found.vectors["raw"].mean(dim=1).abs().max() < 3  # normalised as the network sees it
    assert len(calls) == 2
