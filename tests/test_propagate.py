"""Labels carried through a video."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from dinoseg.backbone.base import Backbone
from dinoseg.backbone.zoo import load
from dinoseg.errors import DinosegError, FrameSize, MaskError, TruncatedImage
from dinoseg.options import PropagateOptions
from dinoseg.propagate import Memory, Propagator, Tracked, frame_fit, grow, one_hot, propagate, resized
from dinoseg.types import Failure, Photo
from tests.helpers import GOLDEN, disk_photo
from tests.networks import small_teacher

OPTIONS = PropagateOptions()


def scene(frames: int = 3, grid: tuple[int, int] = (15, 31), width: int = 6, channels: int = 3) -> list[torch.Tensor]:
    """Random unit tokens ``(F, gh, gw, d)``, soft labels ``(F, C, gh, gw)`` and a target ``(gh, gw, d)``."""
    random = torch.Generator().manual_seed(0)
    context = F.normalize(torch.randn(frames, *grid, width, generator=random), dim=-1)
    labels = torch.rand(frames, channels, *grid, generator=random)
    return [context, labels, F.normalize(torch.randn(*grid, width, generator=random), dim=-1)]


def plainly(tokens: torch.Tensor, context: torch.Tensor, labels: torch.Tensor, options: PropagateOptions):
    """The rules patch by patch, with lists."""
    result = torch.zeros(labels.shape[1:])
    frames, height, width = context.shape[:3]
    for y in range(height):
        for x in range(width):
            pairs = [
                (float(torch.exp(context[f, v, u] @ tokens[y, x] / options.temperature)), labels[f, :, v, u])
                for f in range(frames)
                for v in range(height)
                for u in range(width)
                if not options.radius or max(abs(v - y), abs(u - x)) <= options.radius
            ]
            pairs.sort(key=lambda pair: -pair[0])
            chosen = pairs[: options.neighbours]
            result[:, y, x] = sum(w * label for w, label in chosen) / sum(w for w, _ in chosen)
    return result


@pytest.mark.parametrize(
    ("radius", "neighbours"),
    [
        (12, 5),  # as published
        (2, 5),
        (0, 5),  # everywhere
        (1, 60),  # more than there are in a neighbourhood
    ],
)
def test_a_step_is_what_the_rules_say(radius: int, neighbours: int) -> None:
    context, labels, tokens = scene(2, (5, 14))
    options = PropagateOptions(radius=radius, neighbours=neighbours)
    soft = propagate(tokens, list(context), list(labels), options)
    torch.testing.assert_close(soft, plainly(tokens, context, labels, options), atol=1e-5, rtol=0)


def test_ties_with_the_last_neighbour_are_kept() -> None:
    context, labels, _ = scene(2)
    same = F.normalize(torch.ones_like(context), dim=-1)  # a video of one colour
    soft = propagate(same[0], list(same), list(labels), PropagateOptions(radius=0))
    torch.testing.assert_close(soft, labels.mean(dim=(0, 2, 3))[:, None, None].expand_as(soft))


@pytest.mark.parametrize(("radius", "neighbours"), [(2, 5), (0, 5), (12, 10)])
def test_a_step_is_the_reference_programs(radius: int, neighbours: int) -> None:
    golden = np.load(GOLDEN / "training.npz")
    context = F.normalize(torch.from_numpy(golden["prop/context"]).unflatten(2, (6, 9)).permute(0, 2, 3, 1), dim=-1)
    tokens = F.normalize(torch.from_numpy(golden["prop/target_tokens"]).unflatten(0, (6, 9)), dim=-1)  # (6, 9, 8)
    options = PropagateOptions(radius=radius, neighbours=neighbours)
    soft = propagate(tokens, list(context), list(torch.from_numpy(golden["prop/segs"])), options)
    np.testing.assert_allclose(soft, golden[f"prop/out_radius{radius}_top{neighbours}"], atol=1e-5)


def test_a_video_is_the_reference_programs() -> None:
    golden = np.load(GOLDEN / "training.npz")
    backbone = load(str(GOLDEN / "tiny_vit_p16_plain.pth"), heads=3)
    frames = [Photo(str(index), pixels, pixels.shape[:2]) for index, pixels in enumerate(golden["video/frames"])]
    propagator = Propagator(backbone)
    tracked = [found for found in propagator.run(frames, golden["video/first_labels"]) if isinstance(found, Tracked)]
    fit = tracked[0].fit
    image = propagator.backbone.prepare(resized(frames[0], fit), fit.grid)[0]
    assert tuple(image.shape) == tuple(golden["video/frame0_tensor_shape"])
    np.testing.assert_allclose(image[:, ::16, ::16], golden["video/frame0_tensor_sub"], atol=1e-6)
    np.testing.assert_array_equal(tracked[0].soft, golden["video/first_onehot_lowres"])
    wrong = [(found.labels != labels).mean() for found, labels in zip(tracked, golden["video/labels"], strict=True)]
    assert max(wrong) <= 0.005, wrong


@pytest.mark.parametrize(
    ("size", "patch", "long_side", "scaled"),
    [
        ((480, 854), 8, None, (480, 832)),  # DAVIS, as published
        ((854, 480), 8, None, (832, 480)),  # portrait
        ((500, 500), 8, None, (480, 448)),  # square: one rule for frames and labels
        ((60, 104), 16, None, (480, 832)),  # enlarged
        ((480, 854), 14, None, (476, 854)),  # a patch that does not divide 480
        ((480, 854), 10, 320, (180, 320)),
        ((20, 2000), 8, 320, (8, 320)),  # never less than a patch
    ],
)
def test_how_frames_lie_on_the_grid(size, patch, long_side, scaled) -> None:
    fit = frame_fit(size, patch, long_side)
    assert fit.scaled == scaled
    assert fit.grid == (scaled[0] // patch, scaled[1] // patch)
    assert fit.scaled == tuple(length * patch for length in fit.grid)


def test_small_objects_keep_a_patch() -> None:
    labels = np.zeros((90, 90), np.uint8)
    labels[:30, :30] = 1
    labels[59:61, 58:60] = 9  # no centre of a patch in it; the last number
    cells = one_hot(labels, (1, 9), (9, 9))
    assert cells.shape == (3, 9, 9)
    assert cells[1].sum() == 9
    assert np.argwhere(cells[2]).tolist() == [[5, 5]]
    assert (cells.sum(axis=0) == 1).all()


def test_labels_grow_by_channel() -> None:
    soft = torch.tensor([[[0.9, 0.9, 0.8]], [[0.1, 0.1, 0.2]]])  # the object is nowhere the likelier one
    fit = frame_fit((10, 30), 10, 30)
    grown = grow(soft, fit)
    assert grown.shape == (10, 30)
    assert grown[:, -1].all()
    assert not grown[:, :15].any()


def test_a_context_holds_the_first_frame_and_the_last_few() -> None:
    context, labels, _ = scene(6, (4, 5))
    memory = Memory(context[0], labels[0], PropagateOptions(context=2))
    for tokens in context[1:5]:
        memory.follow(tokens)
    kept = [memory.first, *memory.recent]
    assert len(kept) == 3
    assert [tokens is frame for (tokens, _), frame in zip(kept, context[[0, 3, 4]], strict=True)] == [False] * 3
    torch.testing.assert_close(torch.stack([tokens for tokens, _ in kept]), context[[0, 3, 4]])


def disk_video(frames: int = 5, size: tuple[int, int] = (64, 96)) -> tuple[list[Photo | Failure], list[np.ndarray]]:
    """A disk on its way to the right, and its masks."""
    pairs = [disk_photo(*size, (size[0] / 2, 20 + 8 * index), 14) for index in range(frames)]
    photos = [Photo(f"{index}.png", pixels, size) for index, (pixels, _) in enumerate(pairs)]
    return photos, [mask for _, mask in pairs]


def followed(backbone: Backbone, frames: list[Photo | Failure], labels: np.ndarray, batch: int = 1, size: int = 192):
    return list(Propagator(backbone, OPTIONS, size=size, batch=batch).run(frames, labels))


def test_numbers_stay_those_of_the_first_mask_and_batches_change_nothing() -> None:
    frames, masks = disk_video()
    labels = np.where(masks[0], 7, 0).astype(np.uint8)
    labels[:6, :6] = 200
    backbone = small_teacher()
    alone, together = (followed(backbone, frames, labels, batch) for batch in (1, 3))
    assert [found.photo.id for found in alone] == [frame.id for frame in frames]
    assert all(set(np.unique(found.labels)) == {0, 7, 200} for found in alone)
    assert alone[0].labels is labels
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one.soft, other.soft, atol=1e-4)


def test_built_in_network_follows_a_disk() -> None:
    frames, masks = disk_video()
    found = followed(load("builtin"), frames, masks[0].astype(np.uint8), size=200)
    overlap = [(x.labels & mask).sum() / (x.labels | mask).sum() for x, mask in zip(found, masks, strict=True)]
    assert min(overlap) > 0.8, overlap


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (Failure("bad", TruncatedImage("bad: is cut short")), TruncatedImage),
        (Photo("bad", np.zeros((8, 8, 3), np.uint8), (8, 8)), FrameSize),
    ],
)
def test_a_bad_frame_costs_itself(bad: Photo | Failure, error: type[DinosegError]) -> None:
    frames, masks = disk_video()
    labels, backbone = masks[0].astype(np.uint8), small_teacher()
    whole = followed(backbone, frames, labels)
    with_bad = followed(backbone, [*frames[:2], bad, *frames[2:]], labels, batch=4)
    assert isinstance(with_bad[2], Failure)
    assert isinstance(with_bad[2].error, error)
    for one, other in zip(whole, with_bad[:2] + with_bad[3:], strict=True):
        np.testing.assert_allclose(one.soft, other.soft, atol=1e-4)


def test_nan_costs_its_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    frames, masks = disk_video()
    backbone = small_teacher()
    propagator = Propagator(backbone, size=96)
    look, factor = propagator.look, {id(frames[2]): np.nan}
    monkeypatch.setattr(propagator, "look", lambda photos, fit: look(photos, fit) * factor.get(id(photos[0]), 1))
    found = list(propagator.run(frames, masks[0].astype(np.uint8)))
    assert [isinstance(x, Failure) for x in found] == [False, False, True, False, False]
    assert found[2].reason == "nan_features"


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (np.ones((8, 9), np.uint8), "the mask is 9 x 8 px, the first frame 0.png 96 x 64"),
        (np.zeros((64, 96), np.uint8), "holds no object"),
    ],
)
def test_masks_that_fit_no_first_frame(labels: np.ndarray, says: str) -> None:
    with pytest.raises(MaskError, match=says):
        followed(small_teacher(), disk_video(1)[0], labels)


def test_nothing_without_a_first_frame() -> None:
    failed = Failure("0", TruncatedImage("0: is cut short"))
    with pytest.raises(TruncatedImage):
        followed(small_teacher(), [failed], np.ones((8, 8), np.uint8))
    assert followed(small_teacher(), [], np.ones((8, 8), np.uint8)) == []
