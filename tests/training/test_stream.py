"""Photographs read from disk: order, bounds, and what happens when one is lost on the way."""

import threading

import pytest
import torch

from dinoseg.errors import NotAnImage, TrainingError
from dinoseg.training import stream
from dinoseg.training.cache import small_photo
from dinoseg.training.stream import PhotoStream, check_share
from dinoseg.types import Failure, Source
from tests.helpers import write_images

SIDE = 20


@pytest.fixture
def photos(tmp_path) -> PhotoStream:
    """Seven photographs of different sizes."""
    paths = [
        write_images(tmp_path / str(index), 1, height=24 + 4 * index, width=40)[0].rename(tmp_path / f"{index}.jpg")
        for index in range(7)
    ]
    sources = [Source(path.name, path) for path in paths]
    sizes = [tuple(small_photo(source, SIDE).shape[1:]) for source in sources]
    return PhotoStream(sources, sizes, SIDE, max_broken=0.3)


def chosen(step: int) -> torch.Tensor:
    return torch.tensor([(3 * step + place) % 7 for place in range(3)])


def assert_frames(frames: list[torch.Tensor], photos: PhotoStream, steps: range) -> None:
    for step, pixels in zip(steps, frames, strict=True):
        for row, index in zip(pixels, chosen(step).tolist(), strict=True):
            photo = small_photo(photos.sources[index], SIDE)
            assert torch.equal(row[:, : photo.shape[1], : photo.shape[2]], photo)


@pytest.mark.parametrize("workers", [1, 5])
@pytest.mark.parametrize("steps", [range(4), range(2, 4), range(4, 4)])  # whole, resumed, nothing left
def test_steps_get_their_photographs_in_order(steps, workers, photos, monkeypatch):
    monkeypatch.setattr(stream, "WORKERS", workers)
    assert_frames(list(photos.batches(steps, chosen)), photos, steps)


def test_no_more_than_some_steps_are_decoded_ahead_and_no_thread_stays(photos, monkeypatch):
    read: list[int] = []
    single = PhotoStream.read
    monkeypatch.setattr(PhotoStream, "read", lambda self, index: read.append(index) or single(self, index))
    before = threading.active_count()
    batches = photos.batches(range(50), chosen)
    next(batches)
    batches.close()
    assert len(read) <= 3 * (1 + stream.STEPS_AHEAD) + 1
    assert threading.active_count() == before


def test_f83_one_that_is_lost_gives_its_place_to_the_next_and_is_counted_once(photos, caplog):
    photos.sources[2].content.unlink()
    frames = list(photos.batches(range(7), chosen))  # each photograph three times
    assert [(failure.id, failure.reason) for failure in photos.failed] == [("2.jpg", "vanished")]
    assert caplog.text.count("2.jpg") == 1
    height, width = photos.sizes[2].tolist()
    assert torch.equal(frames[0][2, :, :height, :width], small_photo(photos.sources[3], SIDE, (height, width)))
    assert torch.equal(frames[0][0], next(photos.batches(range(1), chosen))[0])  # the others are as they were


def test_one_that_was_replaced_by_another_size_is_brought_to_the_old_one(photos):
    photos.sources[6].content.replace(photos.sources[0].content)
    assert photos.read(0).shape[1:] == tuple(photos.sizes[0].tolist())
    assert photos.failed == []


def test_f83_too_many_lost_stop_the_run(photos):
    for source in photos.sources[:3]:
        source.content.unlink()
    with pytest.raises(TrainingError, match=r"3 of 7 .*0.jpg: vanished.* --max-broken 0.3"):
        list(photos.batches(range(7), chosen))


def test_f83_a_disk_that_is_gone_is_told(photos):
    photos.max_broken = 1.0
    for source in photos.sources:
        source.content.unlink()
    with pytest.raises(TrainingError, match="is the disk still there"):
        photos.read(0)


@pytest.mark.parametrize(
    ("failed", "count", "allowed", "fine"), [(1, 20, 0.05, True), (2, 20, 0.05, False), (0, 0, 0.0, True)]
)
def test_the_allowed_share_is_allowed(failed, count, allowed, fine):
    failures = [Failure("a.jpg", NotAnImage("a.jpg: is a page"))] * failed
    if fine:
        check_share(failures, count, allowed)
    else:
        with pytest.raises(TrainingError, match="2 of 20"):
            check_share(failures, count, allowed)
