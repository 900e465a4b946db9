"""Multi-crop: what is drawn, and that what is drawn is what is done."""

import numpy as np
import PIL.Image
import PIL.ImageFilter
import PIL.ImageOps
import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as tv

from dinoseg.training.views import ALONE, GLOBALS, LOCAL, draw, draw_boxes, draw_views, make_views, multi_crop
from tests.helpers import GOLDEN, disk_photo
from tests.training.tiny import options

N = 4000


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("kind", "area"), [("global", GLOBALS[0].area), ("local", LOCAL.area)])
def test_boxes_are_distributed_as_the_references(kind, area):
    arrays = np.load(GOLDEN / "training.npz")
    height, width = arrays["aug/image"].shape[:2]
    boxes = draw_boxes(torch.tensor([[height, width]] * N), torch.tensor([area] * N), seeded())
    h, w = boxes[:, 2].double(), boxes[:, 3].double()
    for name, values in (("area", h * w / (height * width)), ("aspect", w / h)):
        ours = np.percentile(values, [1, 10, 25, 50, 75, 90, 99])
        np.testing.assert_allclose(ours, arrays[f"aug/{kind}_{name}_quantiles"], rtol=0.05)


@pytest.mark.parametrize(
    ("height", "width", "fallback"),
    [
        (100, 150, None),
        (1, 1, (0, 0, 1, 1)),
        (10, 400, (0, 193, 10, 13)),  # nothing fits: the central 4:3 box
        (400, 10, (193, 0, 13, 10)),  # and the central 3:4 box
    ],
)
def test_boxes_lie_within_the_photograph(height, width, fallback):
    boxes = draw_boxes(torch.tensor([[height, width]] * N), torch.tensor([(0.4, 1.0)] * N), seeded())
    top, left, h, w = boxes.unbind(1)
    assert top.min() >= 0
    assert left.min() >= 0
    assert h.min() >= 1
    assert w.min() >= 1
    assert (top + h).max() <= height
    assert (left + w).max() <= width
    if fallback:
        assert (boxes == torch.tensor(fallback)).all()
    else:  # every place is reached
        assert (left == 0).any()
        assert (left + w == width).any()


def test_probabilities_are_the_published():
    drawn = draw((*GLOBALS, LOCAL), torch.tensor([[60, 80]] * N), seeded())
    views = {name: getattr(drawn, name).double().unflatten(0, (3, N)).mean(1) for name in ("blurred", "solarised")}
    torch.testing.assert_close(views["blurred"], torch.tensor([1.0, 0.1, 0.5]).double(), atol=0.03, rtol=0)
    torch.testing.assert_close(views["solarised"], torch.tensor([0.0, 0.2, 0.0]).double(), atol=0.03, rtol=0)
    assert drawn.flip.double().mean().item() == pytest.approx(0.5, abs=0.02)
    assert drawn.grey.double().mean().item() == pytest.approx(0.2, abs=0.02)
    jittered = drawn.order[:, 0] >= 0
    assert jittered.double().mean().item() == pytest.approx(0.8, abs=0.02)
    orders, counts = drawn.order[jittered].unique(dim=0, return_counts=True)
    assert len(orders) == 24  # every order of four, about equally often
    assert counts.min() > 0.7 * counts.max()
    for column, (low, high) in zip(
        drawn.factors.unbind(1), ((0.6, 1.4), (0.6, 1.4), (0.8, 1.2), (-0.1, 0.1)), strict=True
    ):
        torch.testing.assert_close(
            column.aminmax(), torch.return_types.aminmax((torch.tensor(low), torch.tensor(high))), atol=1e-3, rtol=0
        )
    assert drawn.sigma.aminmax().min.item() == pytest.approx(0.1, abs=0.01)
    assert drawn.sigma.aminmax().max.item() == pytest.approx(2.0, abs=0.01)


def reference(photo: np.ndarray, drawn, index: int, size: int) -> np.ndarray:
    """One crop as the reference makes it, operation by operation on a PIL image."""
    image = PIL.Image.fromarray(photo)
    image = tv.resized_crop(image, *drawn.boxes[index].tolist(), [size, size], InterpolationMode.BICUBIC)
    image = tv.hflip(image) if drawn.flip[index] else image
    jitters = (tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation, tv.adjust_hue)
    for turn in drawn.order[index].tolist():
        image = jitters[turn](image, drawn.factors[index, turn].item()) if turn >= 0 else image
    image = image.convert("L").convert("RGB") if drawn.grey[index] else image
    if drawn.blurred[index]:
        image = image.filter(PIL.ImageFilter.GaussianBlur(drawn.sigma[index].item()))
    return np.array(PIL.ImageOps.solarize(image) if drawn.solarised[index] else image)


def test_a_batch_of_views_is_the_reference_image_by_image():
    photos = [disk_photo(60, 80, seed=seed)[0] for seed in range(6)]
    pixels = torch.from_numpy(np.stack(photos).transpose(0, 3, 1, 2))
    drawn = draw((*GLOBALS, LOCAL), torch.tensor([[60, 80]] * 6), seeded(4))
    views = make_views(pixels, drawn, 32)  # (3, 6, 3, 32, 32)
    away = []
    for index, view in enumerate(views.flatten(0, 1)):
        expected = reference(photos[index % 6], drawn, index, 32)
        difference = np.abs(view.numpy().transpose(1, 2, 0) * 255 - expected)
        if drawn.solarised[index]:  # a level about 128 may fall on the other side
            difference = np.minimum(difference, np.abs(255 - view.numpy().transpose(1, 2, 0) * 255 - expected))
        away.append(difference)
    assert drawn.solarised.any()
    assert np.mean(away) < 1.5  # Pillow cuts decimals off after every operation
    assert np.percentile(away, 99) < 4


def test_views_come_from_their_own_photograph_and_never_from_padding():
    sizes = torch.tensor([[20, 30], [40, 24], [33, 33]])
    pixels = torch.zeros(3, 3, 40, 33, dtype=torch.uint8)
    for index, (height, width) in enumerate(sizes.tolist()):
        pixels[index, index, :height, :width] = 200  # red, green, blue on black
    settings = options(local_crops=3, global_size=16, local_size=8)
    large, small = multi_crop(pixels, draw_views(sizes, settings, seeded()), settings)
    assert large.shape == (2, 3, 3, 16, 16)
    assert small.shape == (3, 3, 3, 8, 8)
    for view in (*large, *small):
        for image in view:  # a flat photograph gives flat views, whatever was done to its colour
            assert image.flatten(1).std(dim=1).max() < 1e-2


def test_equal_generators_give_equal_views_and_others_do_not():
    pixels = torch.from_numpy(disk_photo(40, 50)[0].transpose(2, 0, 1)[None])
    plans = [draw_views(torch.tensor([[40, 50]]), options(), seeded(seed)) for seed in (1, 1, 2)]
    made = [multi_crop(pixels, drawn, options())[0] for drawn in plans]
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


def test_views_of_a_part_of_the_batch_are_those_of_the_whole():
    photos = [disk_photo(40, 50, seed=seed)[0] for seed in range(6)]
    pixels = torch.from_numpy(np.stack(photos).transpose(0, 3, 1, 2))
    large, small = draw_views(torch.tensor([[40, 50]] * 6), options(), seeded())
    whole = multi_crop(pixels, (large, small), options())
    part = slice(2, 4)
    made = multi_crop(pixels[part], (large.of(part, 6), small.of(part, 6)), options())
    for some, all_ in zip(made, whole, strict=True):
        torch.testing.assert_close(some, all_[:, part])


def test_without_local_views_global_ones_look_closer():
    pixels, sizes = torch.zeros(400, 3, 30, 30, dtype=torch.uint8), torch.tensor([[30, 30]] * 400)
    settings = options(local_crops=0)
    large, small = multi_crop(pixels, draw_views(sizes, settings, seeded()), settings)
    assert large.shape == (2, 400, 3, 16, 16)
    assert small.shape == (0, 400, 3, 8, 8)
    boxes = draw_boxes(sizes, torch.tensor([ALONE] * 400), seeded())
    assert (boxes[:, 2] * boxes[:, 3] / 900).min() < 0.2
