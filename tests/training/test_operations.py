"""Single operations against the reference's arrays and against Pillow and torchvision, in grey levels."""

import numpy as np
import PIL.Image
import PIL.ImageFilter
import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as tv

from dinoseg.training import operations
from tests.helpers import GOLDEN, disk_photo


def blur(images: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    return operations.blur(images, operations.box_weights(sigma, 2.0))


def blur_by_products(images: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    return operations.blur_by_products(images, operations.box_weights(sigma, 2.0))


def pillow_blur(image: PIL.Image.Image, sigma: float) -> PIL.Image.Image:
    return image.filter(PIL.ImageFilter.GaussianBlur(sigma))


CROP = [operations.crop_each, operations.crop_at_once]  # as on a CPU, and as on other devices
SINGLE = {
    "blur_0.1": (blur, 0.1),
    "blur_0.5": (blur, 0.5),
    "blur_1.0": (blur, 1.0),
    "blur_2.0": (blur, 2.0),
    "jitter_b1.4": (operations.brightness, 1.4),
    "jitter_c0.6": (operations.contrast, 0.6),
    "jitter_s1.2": (operations.saturation, 1.2),
    "jitter_h0.1": (operations.hue, 0.1),
    "solarised": (operations.solarise, None),
    "grey": (operations.to_grey, None),
}


def as_photographs(*pixels: np.ndarray) -> torch.Tensor:
    """uint8 ``(h, w, 3)`` -> uint8 ``(n, 3, h, w)``."""
    return torch.from_numpy(np.stack(pixels).transpose(0, 3, 1, 2))


def as_batch(*pixels: np.ndarray) -> torch.Tensor:
    """uint8 ``(h, w, 3)`` -> float ``(n, 3, h, w)``."""
    return as_photographs(*pixels).float() / 255


def levels(images: torch.Tensor) -> np.ndarray:
    """Float ``(n, 3, h, w)`` -> whole grey levels ``(n, h, w, 3)``."""
    assert images.min() >= 0
    assert images.max() <= 1
    return (images * 255).round().numpy().transpose(0, 2, 3, 1).astype(int)


def assert_equal_pictures(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Within one grey level; one pixel in 500 may be a step of Pillow's 8-bit hue (6 levels) further off."""
    difference = np.abs(ours - theirs.astype(int))
    assert (difference > 1).mean() <= 0.002
    assert difference.max() <= 6


@pytest.mark.parametrize("name", SINGLE)
def test_single_operations_are_those_of_the_reference(name: str):
    arrays = np.load(GOLDEN / "training.npz")
    operation, parameter = SINGLE[name]
    parameters = [] if parameter is None else [torch.tensor([parameter])]
    ours = levels(operation(as_batch(arrays["aug/image"]), *parameters))[0, ::2, ::2]
    assert_equal_pictures(ours, arrays[f"aug/{name}"])


@pytest.mark.parametrize("crop_resize", CROP)
@pytest.mark.parametrize("box", [(10, 20, 60, 80), (5, 7, 30, 22)])  # shrunk, enlarged
def test_crops_are_those_of_the_reference(box, crop_resize):
    arrays = np.load(GOLDEN / "training.npz")
    crop = crop_resize(as_photographs(arrays["aug/image"]), torch.tensor([[box]]), 48, torch.tensor([[False]]))
    difference = np.abs(levels(crop[0])[0] - arrays["aug/crop_{}_{}_{}_{}_to_48".format(*box)].astype(int))
    assert difference.max() <= 1


PHOTO = np.random.default_rng(1).integers(0, 256, (40, 52, 3)).astype(np.uint8)  # every colour, sharp everywhere


@pytest.mark.parametrize(
    ("ours", "theirs", "factors"),
    [
        (operations.brightness, tv.adjust_brightness, (0.6, 1.0, 1.4)),
        (operations.contrast, tv.adjust_contrast, (0.6, 1.0, 1.4)),
        (operations.saturation, tv.adjust_saturation, (0.8, 1.0, 1.2)),
        (operations.hue, tv.adjust_hue, (-0.1, 0.03, 0.1)),
        (blur, pillow_blur, (0.1, 0.7, 1.3, 2.0)),
        (blur_by_products, pillow_blur, (0.1, 0.7, 1.3, 2.0)),  # as on other devices
    ],
)
def test_a_batch_of_factors_is_the_reference_one_by_one(ours, theirs, factors):
    batch = ours(as_batch(*[PHOTO] * len(factors)), torch.tensor(factors))
    for picture, factor in zip(levels(batch), factors, strict=True):
        assert_equal_pictures(picture, np.array(theirs(PIL.Image.fromarray(PHOTO), factor)))


@pytest.mark.parametrize("crop_resize", CROP)
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(
    "box",
    [
        (0, 0, 40, 52),  # everything
        (3, 5, 30, 44),
        (39, 51, 1, 1),  # one pixel in the corner
        (10, 0, 5, 52),  # very wide
    ],
)
def test_crops_are_torchvisions(box, flip, crop_resize):
    crop = crop_resize(as_photographs(PHOTO), torch.tensor([[box]]), 16, torch.tensor([[flip]]))
    expected = tv.resized_crop(
        PIL.Image.fromarray(PHOTO), *box, [16, 16], interpolation=InterpolationMode.BICUBIC, antialias=True
    )
    expected = np.array(tv.hflip(expected) if flip else expected).astype(int)
    assert np.abs(levels(crop[0])[0] - expected).max() <= 1


@pytest.mark.parametrize("crop_resize", CROP)
def test_several_views_of_several_photographs_keep_their_places(crop_resize):
    photos = as_photographs(PHOTO, PHOTO[::-1].copy())
    boxes = torch.tensor([[(0, 0, 20, 20), (5, 5, 30, 30)], [(8, 2, 25, 40), (1, 1, 9, 9)]])  # (V, B, 4)
    flip = torch.tensor([[False, True], [True, False]])
    crops = crop_resize(photos, boxes, 8, flip)
    for v in range(2):
        for b in range(2):
            alone = crop_resize(photos[b : b + 1], boxes[v : v + 1, b : b + 1], 8, flip[v : v + 1, b : b + 1])
            torch.testing.assert_close(crops[v, b], alone[0, 0])


@pytest.mark.parametrize("crop_resize", CROP)
def test_nothing_outside_the_box_is_seen(crop_resize):
    photo = torch.zeros(1, 3, 40, 52, dtype=torch.uint8)
    photo[:, :, 10:30, 12:40] = 100
    crop = crop_resize(photo, torch.tensor([[(10, 12, 20, 28)]]), 16, torch.tensor([[False]]))
    torch.testing.assert_close(crop, torch.full_like(crop, 100 / 255))


@pytest.mark.parametrize("sigma", [0.1, 0.9, 2.0])
def test_three_passes_have_the_deviation(sigma):
    half = operations.box_weights(torch.tensor([sigma]), 2.0)[0].double().numpy()
    box = np.concatenate([half[:0:-1], half])
    kernel = np.convolve(np.convolve(box, box), box)
    place = np.arange(len(kernel)) - len(kernel) // 2
    assert kernel.sum() == pytest.approx(1)
    assert kernel @ place == pytest.approx(0, abs=1e-6)
    assert np.sqrt(kernel @ place**2) == pytest.approx(sigma, rel=1e-3)


def test_hue_leaves_grey_pictures_and_moves_nothing_at_shift_0():
    photo = as_batch(disk_photo(20, 30)[0])
    grey = operations.to_grey(photo)
    torch.testing.assert_close(operations.hue(grey, torch.tensor([0.1])), grey)
    assert np.abs(levels(operations.hue(photo, torch.tensor([0.0]))) - levels(photo)).max() <= 6  # 8-bit steps of hue
