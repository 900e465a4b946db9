"""Corruptions: what each does, and that it does the same to the same picture."""

from __future__ import annotations

import re

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dinoseg.cli import run
from dinoseg.errors import OptionError
from dinoseg.images.corruptions import CORRUPTIONS, Condition, corrupted, parse_condition
from tests.helpers import disk_photo

PHOTO = disk_photo()[0]
EVERY = [(name, severity) for name, x in CORRUPTIONS.items() for severity in range(1, len(x.strengths) + 1)]


@pytest.mark.parametrize(("name", "severity"), EVERY)
def test_each_keeps_the_frame_and_the_input_and_is_the_same_again(name: str, severity: int) -> None:
    before = PHOTO.copy()
    made = corrupted(PHOTO, Condition(name, severity), "a.jpg")
    assert made.shape == PHOTO.shape
    assert made.dtype == np.uint8
    assert (before == PHOTO).all()
    assert (made != PHOTO).any()
    assert (made == corrupted(PHOTO, Condition(name, severity), "a.jpg")).all()


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_severities_grow_from_nothing(name: str) -> None:
    def damage(severity: int) -> float:
        return float(np.abs(corrupted(PHOTO, Condition(name, severity), "a.jpg").astype(float) - PHOTO).mean())

    found = [damage(severity) for severity in range(len(CORRUPTIONS[name].strengths) + 1)]
    assert found[0] == 0
    assert found == sorted(found)


def test_pictures_have_noise_of_their_own() -> None:
    a, b = (corrupted(PHOTO, Condition("gaussian-noise", 1), id_) for id_ in ("a.jpg", "b.jpg"))
    assert (a != b).any()


def grey(level: int) -> NDArray[np.uint8]:
    return np.full((200, 200, 3), level, np.uint8)


def test_noise_has_its_deviation() -> None:
    made = corrupted(grey(128), Condition("gaussian-noise", 2), "a").astype(float)
    assert made.std() == pytest.approx(255 * 0.12, rel=0.02)
    assert np.corrcoef(made[..., 0].ravel(), made[..., 1].ravel())[0, 1] == pytest.approx(0, abs=0.02)


def test_blur_has_its_sigma() -> None:
    edge = np.where(np.arange(200)[None, :, None] < 100, 0, 255) * np.ones((40, 200, 3))
    slope = np.diff(corrupted(edge.astype(np.uint8), Condition("gaussian-blur", 3), "a")[20, :, 0].astype(float)) / 255
    sigma = np.sqrt(slope @ (np.arange(199) - 99.0) ** 2)
    assert sigma == pytest.approx(3, rel=0.03)


def test_a_jpeg_is_of_its_quality() -> None:
    bgr = np.ascontiguousarray(PHOTO[..., ::-1])
    encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 10])[1]
    again = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), float)[..., ::-1]
    assert np.abs(corrupted(PHOTO, Condition("jpeg", 4), "a") - again).mean() < 2


def test_brightness_raises_the_largest_channel_and_keeps_the_hue() -> None:
    colour = np.broadcast_to(np.array([102, 51, 0], np.uint8), (4, 4, 3))
    assert corrupted(colour, Condition("brightness", 2), "a")[0, 0].tolist() == pytest.approx([153, 76.5, 0], abs=1)
    assert corrupted(grey(250), Condition("brightness", 1), "a").max() == 255


def test_contrast_is_what_is_left_of_it() -> None:
    made = corrupted(PHOTO, Condition("contrast", 3), "a").astype(float)
    assert made.std(axis=(0, 1)) == pytest.approx(0.2 * PHOTO.std(axis=(0, 1)), rel=0.05)
    assert made.mean(axis=(0, 1)) == pytest.approx(PHOTO.mean(axis=(0, 1)), abs=0.5)


def test_resolution_takes_what_is_finer_and_leaves_what_is_coarser() -> None:
    fine = np.indices((64, 64)).sum(axis=0)[..., None] % 2 * np.full(3, 255)
    assert np.ptp(corrupted(fine.astype(np.uint8), Condition("resolution", 1), "a")) <= 1
    made = corrupted(PHOTO, Condition("resolution", 2), "a").astype(float)
    assert np.abs(made - cv2.GaussianBlur(PHOTO, (0, 0), 2)).mean() < 3


def test_a_picture_of_one_pixel_stays_one() -> None:
    assert all(corrupted(grey(9)[:1, :1], Condition(*each), "a").shape == (1, 1, 3) for each in EVERY)


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("jpeg:5", Condition("jpeg", 5)),
        ("jpeg", Condition("jpeg", 3)),  # the middle
        ("resolution", Condition("resolution", 2)),
    ],
)
def test_a_condition_is_a_name_and_a_severity(text: str, condition: Condition) -> None:
    assert parse_condition(text) == parse_condition(str(condition)) == condition


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gaussian-nose", "Did you mean gaussian-noise?"),
        ("fog:2", "There are: gaussian-noise, gaussian-blur, jpeg"),
        ("jpeg:0", "severities of jpeg are 1..5"),
        ("resolution:3", "severities of resolution are 1..2"),
        ("jpeg:", "--corrupt jpeg: is out of range"),
        ("jpeg:-1", "is out of range"),
        ("", "is unknown"),
    ],
)
def test_what_is_no_condition_is_answered_with_what_there_is(text: str, message: str) -> None:
    with pytest.raises(OptionError, match=re.escape(message)):
        parse_condition(text)


def test_the_help_names_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in CORRUPTIONS)
