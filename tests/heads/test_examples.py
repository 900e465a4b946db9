"""What a head learns from: which masks are trusted, how masks lie on cells, what fails."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
import torch

from dinoseg.backbone.features import Features
from dinoseg.encoding import Encoded
from dinoseg.errors import MaskError
from dinoseg.heads import examples
from dinoseg.heads.crops import AREA, CONTACT, OBJECT, cut_off
from dinoseg.heads.examples import CELLS, examples_of, in_cells, read_mask, trusted
from dinoseg.images.decode import as_source
from dinoseg.images.turns import TURNS
from dinoseg.pipeline import Finished, Proposed, Segmenter
from dinoseg.rle import encode_rle
from dinoseg.segmentation import Segmentation
from dinoseg.types import Failure, Fit, Instance, Photo, Proposals, Source
from tests.helpers import disk_photo, exhaust_opencv, exif_of

SIZE = (48, 64)


def result(mask: np.ndarray | None, score: float = 0.9) -> Segmentation:
    fit = Fit(SIZE, SIZE, (6, 8), 8)
    soft = np.zeros((6, 8), np.float32)
    objects = () if mask is None else (Instance(encode_rle(mask), (0, 0, 1, 1), int(mask.sum()), score, 1, soft),)
    return Segmentation("a.jpg", objects, None, fit, Source("a.jpg", "a.jpg"), "none")


def box(y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[y0:y1, x0:x1] = True
    return mask


@pytest.mark.parametrize(
    ("mask", "score", "fine"),
    [
        (box(12, 36, 16, 48), 0.9, True),
        (box(12, 36, 16, 48), 0.2, False),  # the attention is elsewhere
        (box(0, 4, 0, 4), 0.9, False),  # tiny
        (box(2, 46, 2, 62), 0.9, False),  # nearly all
        (box(0, 48, 0, 38), 0.9, False),  # 59 % of the frame, but most of its border
        (box(0, 48, 20, 40), 0.9, True),  # from edge to edge
        (None, 0.9, False),  # nothing was found
    ],
)
def test_masks_that_are_trusted(mask: np.ndarray | None, score: float, fine: bool) -> None:
    assert trusted(result(mask, score)) is fine


def test_cells_lie_patch_by_patch_in_reading_order() -> None:
    mask = box(0, 10, 16, 22)  # in patches of 8 px: all of two rows, of the third patch, three cells wide
    target = in_cells(mask, Fit(SIZE, SIZE, (6, 8), 8)).reshape(6, 8, CELLS, CELLS)
    np.testing.assert_array_equal(target[0, 2], [[1, 1, 1, 0]] * 4)
    np.testing.assert_array_equal(target[1, 2], [[1, 1, 1, 0], *[[0] * 4] * 3])
    assert target.sum() == 15


def test_cells_of_a_scaled_and_padded_photograph() -> None:
    fit = Fit(size=SIZE, scaled=(33, 44), grid=(4, 5), patch=10)  # 7 px of padding below, 6 to the right
    mask = box(24, 48, 32, 64)
    target = in_cells(mask, fit).float().reshape(4, 5, CELLS, CELLS).transpose(1, 2).reshape(16, 20).numpy()
    assert target[-1, -1] == 1  # padding goes on as the edge
    assert target[:6].max() == target[:, :8].max() == 0
    shown = cv2.resize(target, (50, 40), interpolation=cv2.INTER_AREA)[:33, :44]
    assert shown.mean() == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize(
    ("values", "share"),
    [
        (np.where(box(0, 24, 0, 64), 255, 0), 0.5),  # white on black
        (np.where(box(0, 24, 0, 64), 2, 0), 0.5),  # object numbers
        (np.where(box(0, 24, 0, 64), 1, 254), 1.0),  # two objects
    ],
)
def test_given_masks_of_any_common_kind(tmp_path: Path, values: np.ndarray, share: float) -> None:
    PIL.Image.fromarray(values.astype(np.uint8)).save(tmp_path / "a.png")
    mask, turned = read_mask(tmp_path / "a.png", result(None), stored=False)
    assert (mask.mean(), turned) == (share, False)


def test_a_given_jpeg_has_no_crumbs_of_its_noise(tmp_path: Path) -> None:
    mask = box(0, 24, 0, 64)
    PIL.Image.fromarray((mask * 200).astype(np.uint8)).save(tmp_path / "a.jpg", quality=40)
    np.testing.assert_array_equal(read_mask(tmp_path / "a.jpg", result(None), stored=False)[0], mask)


def test_a_given_mask_of_another_size(tmp_path: Path) -> None:
    PIL.Image.fromarray(np.zeros((64, 48), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(MaskError, match=r"a\.png has 48 x 64 px, its photograph is 64 x 48 px"):
        read_mask(tmp_path / "a.png", result(None), stored=False)


@pytest.mark.parametrize(
    ("orientation", "stored", "turned"),
    [(6, False, True), (3, False, False), (3, True, True), (1, True, False)],  # sizes tell before anybody says
)
def test_a_given_mask_turns_with_its_photograph(tmp_path: Path, orientation: int, stored: bool, turned: bool) -> None:
    drawn, path = box(0, 10, 0, 30), tmp_path / "a.jpg"
    PIL.Image.new("RGB", SIZE[::-1]).save(path, exif=exif_of(orientation))
    PIL.Image.fromarray(drawn).save(tmp_path / "a.png")
    size = TURNS[6].size(SIZE) if orientation == 6 else SIZE
    found = Segmentation("a.jpg", (), "no_object", Fit(size, size, (1, 1), 64), Source("a.jpg", path), "none")
    mask, was = read_mask(tmp_path / "a.png", found, stored=stored)
    assert was is turned
    np.testing.assert_array_equal(mask, TURNS[orientation].array(drawn) if turned else drawn)


def test_exif_is_named_where_a_mask_is_of_neither_frame(tmp_path: Path) -> None:
    PIL.Image.new("RGB", SIZE[::-1]).save(tmp_path / "a.jpg", exif=exif_of(6))
    PIL.Image.new("L", (9, 9)).save(tmp_path / "a.png")
    found = Segmentation(
        "a.jpg", (), None, Fit((64, 48), SIZE, (1, 1), 64), Source("a.jpg", tmp_path / "a.jpg"), "none"
    )
    with pytest.raises(MaskError, match=r"64 x 48 px as stored and 48 x 64 upright \(EXIF orientation 6\)"):
        read_mask(tmp_path / "a.png", found, stored=False)


def test_memory_that_opencv_lacks_costs_that_photograph_only(monkeypatch: pytest.MonkeyPatch) -> None:
    found = result(box(8, 40, 16, 48))
    photo = Photo(found.id, np.zeros((*SIZE, 3), np.uint8), SIZE)
    features = Features(torch.zeros(1, 2, 6, 8), "dinov2", 8, {"token": torch.zeros(1, 6, 8, 4)})
    monkeypatch.setattr(Segmenter, "finish", lambda *_: Finished(found, photo, np.zeros((1, *SIZE), np.float32)))
    monkeypatch.setattr(examples, "in_cells", exhaust_opencv)
    proposed = Proposed(Encoded(photo, found.source, found.fit, features, {}), Proposals(()))
    failure = examples_of(Segmenter(method="prior"), [], {}, 0, False, proposed)
    assert isinstance(failure, Failure)
    assert failure.reason == "oom"


def test_a_crop_cuts_the_object_off() -> None:
    mask = np.zeros((240, 320), bool)
    mask[80:180, 110:220] = True
    for seed in range(20):
        rows, columns = cut_off(mask, np.random.default_rng(seed))
        inside = mask[rows, columns]
        edges = [inside[0], inside[-1], inside[1:-1, 0], inside[1:-1, -1]]
        assert CONTACT[0] <= np.concatenate(edges).mean() <= CONTACT[1]
        assert OBJECT[0] <= inside.mean() <= OBJECT[1]
        assert AREA[0] - 0.01 <= inside.size / mask.size <= AREA[1] + 0.01
    assert cut_off(mask, np.random.default_rng(3)) == cut_off(mask, np.random.default_rng(3))


def test_no_crop_where_the_object_is_cut_off_already_or_fills_nothing() -> None:
    mask = np.zeros((240, 320), bool)
    mask[100:, 100:250] = True  # 13 % of the border
    assert cut_off(mask, np.random.default_rng(0)) is not None
    mask[100:, 60:280] = True  # 20 %
    assert cut_off(mask, np.random.default_rng(0)) is None
    mask[:] = False
    mask[100:104, 100:104] = True
    assert cut_off(mask, np.random.default_rng(0)) is None


def test_a_photograph_is_learned_from_whole_cut_off_and_spoiled() -> None:
    """On the built-in, whose two ways to find an object agree about a disc."""
    segmenter = Segmenter(method="attention-cut", device="cpu")
    photo, mask = disk_photo(240, 320)
    (made,) = examples.examples(segmenter, [as_source(photo)], {}, seed=1)
    assert isinstance(made, list)
    whole, crop, spoiled = made
    assert [each.weight for each in made] == [1.0, examples.CUT_OFF, examples.SPOILED]
    assert not any(each.labelled for each in made)
    assert {each.features.shape[1] for each in made} == {384}
    assert crop.target.float().mean() > whole.target.float().mean()
    clean = segmenter.encoder(photo)
    assert spoiled.features.shape == (768, 384)  # at the size that is asked for
    assert not torch.allclose(spoiled.features, examples.features_of(clean))
    assert spoiled.target.float().mean() == pytest.approx(mask.mean(), rel=0.1)  # the mask of the good one
    (again,) = examples.examples(segmenter, [as_source(photo)], {}, seed=1)
    assert torch.equal(again[1].target, crop.target)
    assert torch.equal(again[2].features, spoiled.features)


@pytest.mark.parametrize(("size", "sizes"), [(None, [320, 320, 240, 200]), (64, [64, 64, 48, 40]), (16, [16] * 4)])
def test_sizes_that_a_head_looks_at(size: int | None, sizes: list[int]) -> None:
    encoders = examples.encoders_of(Segmenter(method="attention-cut", device="cpu", size=size))
    assert [encoder.options.size or 320 for encoder in encoders] == sizes
    assert len({id(encoder.backbone) for encoder in encoders}) == 1


def test_masks_on_which_two_ways_differ_are_not_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    segmenter = Segmenter(method="attention-cut", device="cpu")
    monkeypatch.setattr(examples, "overlap", lambda *_: 0.84)
    assert list(examples.examples(segmenter, [as_source(disk_photo()[0])], {})) == [[]]
