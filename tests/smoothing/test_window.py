"""The window over frames whose masks are made here: flicker, failures, scenes, memory."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from dinoseg.backbone.features import Features
from dinoseg.encoding import Encoded
from dinoseg.errors import ImageError
from dinoseg.options import SmoothOptions
from dinoseg.pipeline import Proposed
from dinoseg.smoothing.window import Window, moving
from dinoseg.types import Failure, Fit, Photo, Proposal, Proposals, Source
from tests.helpers import disk_photo

GRID = (8, 12)


def tokens(seed: int) -> NDArray[np.float32]:
    """Features of a scene: each patch is a little like its neighbours, and like nothing of another scene."""
    random = np.random.default_rng(seed)
    return (random.normal(size=64) + random.normal(size=(*GRID, 64))).astype(np.float32)


def found(present: bool = True, cells: int = 4) -> Proposals:
    soft = np.full((GRID[0] * cells, GRID[1] * cells), 0.1, np.float32)
    soft[2 * cells : 6 * cells, 3 * cells : 8 * cells] = 0.9
    return Proposals((Proposal(soft, 0.7, "here"),)) if present else Proposals((), "no_object")


def frame(index: int, *, scene: int = 0, present: bool = True, size: tuple[int, int] = (64, 96)) -> Proposed:
    pixels = disk_photo(*size)[0]
    features = Features(None, "dino", 8, {"key": tokens(scene)[None]})
    fit = Fit(size, (64, 96), GRID, 8)
    name = f"{index}.png"
    return Proposed(Encoded(Photo(name, pixels, size), Source(name, pixels), fit, features, {}), found(present))


def smooth(frames: list[Proposed | Failure], **options: int) -> list[Proposed | Failure]:
    return list(Window(SmoothOptions(**options), "key").run(frames))


def numbers(result: Proposed | Failure) -> list[int | None]:
    assert isinstance(result, Proposed)
    return [each.number for each in result.proposals.objects]


def name_of(each: Proposed | Failure) -> str:
    return each.id if isinstance(each, Failure) else each.encoded.source.id


@pytest.mark.parametrize("reach", [2, 6, 40])  # longer than the video too
def test_an_object_that_one_frame_lacks_is_found_from_those_around(reach: int) -> None:
    frames = [frame(index, present=index != 4) for index in range(9)]
    results = smooth(frames, reach=reach)
    assert [name_of(each) for each in results] == [name_of(each) for each in frames]
    assert [numbers(each) for each in results] == [[1]] * 9
    filled = results[4]
    assert isinstance(filled, Proposed)
    (proposal,) = filled.proposals.objects
    assert filled.proposals.reason is None
    assert (proposal.soft > 0.5)[3:5, 4:7].all()
    assert not (proposal.soft > 0.5)[:, 10:].any()


def test_what_one_frame_alone_has_goes() -> None:
    results = smooth([frame(index, present=index == 4) for index in range(9)])
    assert [numbers(each) for each in results] == [[]] * 9
    gone = results[4]
    assert isinstance(gone, Proposed)
    assert gone.proposals.reason == "no_object"


def test_masks_that_agree_stay_as_fine_as_they_are() -> None:
    for result in smooth([frame(index) for index in range(5)]):
        assert isinstance(result, Proposed)
        (proposal,) = result.proposals.objects
        np.testing.assert_array_equal(proposal.soft > 0.5, found().objects[0].soft > 0.5)
        assert proposal.score == 0.7


def test_failures_stand_in_their_place_and_stop_nothing() -> None:
    bad = Failure("3.png", ImageError("3.png: broken"))
    frames: list[Proposed | Failure] = [
        frame(0),
        frame(1),
        frame(2, size=(64, 64)),
        bad,
        frame(4, present=False),
        frame(5),
    ]
    results = smooth(frames)
    assert [name_of(each) for each in results] == [f"{index}.png" for index in range(6)]
    assert [type(each) for each in results] == [Proposed, Proposed, Failure, Failure, Proposed, Proposed]
    other = results[2]
    assert isinstance(other, Failure)
    assert other.reason == "frame_size"
    assert "64 x 64 px, the first one 96 x 64" in str(other.error)
    assert numbers(results[4]) == [1]
    assert smooth([bad]) == [bad]
    assert smooth([]) == []


def test_nothing_goes_from_one_scene_to_the_next() -> None:
    first = [frame(index, present=False) for index in range(4)]
    results = smooth([*first, *(frame(index, scene=1) for index in range(4, 8))])
    assert [numbers(each) for each in results] == [[]] * 4 + [[1]] * 4
    again = smooth([*(frame(i) for i in range(3)), *(frame(i, scene=1) for i in range(3, 6))])
    assert [numbers(each) for each in again] == [[1]] * 3 + [[2]] * 3


def test_so_many_frames_are_held_as_are_looked_at() -> None:
    window = Window(SmoothOptions(reach=3), "key")
    given = 0
    for index in range(30):
        given += len(list(window.take(frame(index))))
        assert len(window.around) <= 2 * 3 + 1
        assert given == max(0, index - 2)
    assert set(window.around[0].links) <= set(range(31))
    assert len(window.waiting) == 3


def test_what_stands_still_in_a_moving_object_is_doubted() -> None:
    maps = np.full((1, 4, 2), 0.9, np.float32)
    maps[0, 2:, 1] = 0  # the second object is where nothing moves
    speeds = np.array([0, 0, 0.02, 0.02], np.float32)[None, :, None]
    left = moving(speeds, maps)[0]
    np.testing.assert_allclose(left[:, 0], [0, 0, 1, 1], atol=1e-6)
    np.testing.assert_array_equal(left[:, 1], 1)
    np.testing.assert_array_equal(moving(np.zeros_like(speeds), maps), 1)
