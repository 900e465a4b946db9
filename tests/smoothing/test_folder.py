"""A video's masks out of Python and into a folder, with a small random network."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

import dinoseg
from dinoseg.backbone.export import save_backbone
from dinoseg.errors import ImageError, InputNotFound, OptionError, OutputConflict, TruncatedImage
from dinoseg.images.labels import object_numbers
from dinoseg.options import OutputOptions, SelectOptions, VideoOptions
from dinoseg.runs.summary import Summary
from dinoseg.segmentation import Segmentation
from dinoseg.smoothing import segment_video
from dinoseg.smoothing.folder import segment_video_folder
from dinoseg.types import Failure
from tests.helpers import disk_photo
from tests.images.test_video import PAUSED, write_timed, write_video
from tests.networks import small_teacher


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    save_backbone(small_teacher(), path, store="float32")
    return str(path)


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """Five frames of a disk that goes to the right; the last two come before the others in the order of names."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for index in range(5):
        PIL.Image.fromarray(disk_photo(64, 96, (32, 20 + 8 * index), 14)[0]).save(folder / f"{index + 8}.png")
    return folder


def options(model: str, **more: object) -> VideoOptions:
    return VideoOptions(**{"model": model, "size": 96, "method": "kmeans", **more})


def run(video: Path, model: str, formats: tuple[str, ...] = ("labels", "overlays", "video"), **more: object) -> Summary:
    output = OutputOptions(output=video.parent / "out", formats=formats)
    return segment_video_folder(video, options(model, **more), output)


def content(folder: Path) -> dict[str, bytes]:
    files = (x for x in folder.rglob("*") if x.is_file() and x.name not in ("manifest.jsonl", ".dinoseg.lock"))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def records(video: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (video.parent / "out" / "manifest.jsonl").read_text().splitlines()]


def test_a_folder_of_frames(frames: Path, model: str) -> None:
    summary = run(frames, model)
    assert (summary.done, summary.skipped, summary.failed) == (5, 0, 0)
    results = list(segment_video(frames, model=model, size=96, method="kmeans"))
    assert [each.id for each in results] == [f"{number}.png" for number in (8, 9, 10, 11, 12)]
    for each in results:
        assert isinstance(each, Segmentation)
        written = object_numbers(frames.parent / "out" / "labels" / f"{each.id}.png")
        assert set(np.unique(written)) - {0} <= {one.label for one in each}
        np.testing.assert_array_equal(written > 0, each.mask)
    assert {one.label for each in results if isinstance(each, Segmentation) for one in each}


def test_a_video_file_keeps_its_times(tmp_path: Path, model: str) -> None:
    clip = write_timed(tmp_path / "clip.mp4", PAUSED)
    assert run(clip, model).done == len(PAUSED)
    times = [record["time"] for record in records(clip)]
    assert times == pytest.approx([time / 1000 for time in PAUSED], abs=0.02)
    capture = cv2.VideoCapture(str(tmp_path / "out" / "overlays.mp4"))
    length = capture.get(cv2.CAP_PROP_FRAME_COUNT) / capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    assert length == pytest.approx(1, abs=0.15)  # the last frame is shown once


def test_a_frame_by_itself_is_what_segment_makes_of_it(frames: Path, model: str) -> None:
    segmenter = dinoseg.Segmenter(model=model, size=96, method="kmeans")
    for result in segment_video(frames, model=model, size=96, method="kmeans", reach=0):
        assert isinstance(result, Segmentation)
        np.testing.assert_array_equal(result.mask, segmenter(frames / result.id).mask)


def test_the_second_run_finds_all_done_and_a_broken_one_is_made_again(frames: Path, model: str) -> None:
    run(frames, model)
    whole = content(frames.parent / "out")
    assert (lambda summary: (summary.done, summary.skipped))(run(frames, model)) == (0, 5)
    (frames.parent / "out" / "labels" / "10.png.png").unlink()
    assert run(frames, model).done == 5
    assert content(frames.parent / "out") == whole
    with pytest.raises(OutputConflict):
        run(frames, model, reach=2)


def test_bad_frames_cost_themselves(frames: Path, model: str) -> None:
    (frames / "9.png").write_bytes(b"no picture")
    PIL.Image.fromarray(disk_photo(64, 64)[0]).save(frames / "11.png")
    summary = run(frames, model)
    assert (summary.done, summary.failed) == (3, 2)
    assert [each.id for each in summary.failures] == ["9.png", "11.png"]
    assert [record["status"] for record in records(frames)].count("failed") == 2
    ids = [each.id for each in segment_video(frames, model=model, size=96, method="kmeans")]
    assert ids == ["8.png", "9.png", "10.png", "11.png", "12.png"]


def test_a_video_that_ends_early_is_told(tmp_path: Path, model: str) -> None:
    clip = write_video(tmp_path / "clip.avi", 8)
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    *whole, last = segment_video(clip, model=model, size=96, method="kmeans")
    assert all(isinstance(each, Segmentation) for each in whole)
    assert isinstance(last, Failure)
    assert isinstance(last.error, TruncatedImage)


def test_objects_that_are_chosen_keep_their_numbers(frames: Path, model: str) -> None:
    output = OutputOptions(output=frames.parent / "out", formats=("labels",))
    segment_video_folder(frames, options(model), output, select=SelectOptions(largest=True))
    whole = {each.id: each for each in segment_video(frames, model=model, size=96, method="kmeans")}
    for record in records(frames):
        (one,) = record["objects"]  # type: ignore[misc]
        result = whole[str(record["id"])]
        assert isinstance(result, Segmentation)
        assert one["label"] == max(result, key=lambda each: each.area).label


def test_what_cannot_be_smoothed(tmp_path: Path, frames: Path, model: str) -> None:
    with pytest.raises(OptionError, match="--method prior has no network"):
        list(segment_video(frames, method="prior"))
    with pytest.raises(OptionError, match="--parts"):
        VideoOptions(parts=True)
    with pytest.raises(OptionError, match="--reach 101"):
        VideoOptions(reach=101)
    with pytest.raises(OptionError, match="no descriptors to write: a video's masks"):
        run(frames, model, ("masks", "descriptors"))
    with pytest.raises(InputNotFound):
        run(tmp_path / "nowhere.mp4", model)
    (tmp_path / "broken.mp4").write_bytes(bytes(100))
    with pytest.raises(ImageError, match=r"broken\.mp4"):
        run(tmp_path / "broken.mp4", model)
    assert not (tmp_path / "out").exists()
