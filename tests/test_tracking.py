"""Following objects, into a folder and out of Python, with a small random network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest

from dinoseg.backbone.export import save_backbone
from dinoseg.errors import ImageError, MaskError, OptionError, OutOfMemory, OutputConflict, TruncatedImage
from dinoseg.images.turns import TURNS
from dinoseg.options import FrameOptions, TrackOptions
from dinoseg.outputs.folder import OutputFolder
from dinoseg.runs.summary import Summary
from dinoseg.segmentation import Segmentation
from dinoseg.tracking import track, track_folder
from dinoseg.types import Failure
from tests.evaluation.sets import write_mask
from tests.helpers import disk_photo, exhaust_opencv, exif_of
from tests.images.test_video import PAUSED, write_timed, write_video
from tests.networks import small_teacher


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    save_backbone(small_teacher(), path, store="float32")
    return str(path)


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """Five frames of a disk that goes to the right, and ``mask.png`` beside the folder: it is object 7."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for index in range(5):
        pixels, mask = disk_photo(64, 96, (32, 20 + 8 * index), 14)
        PIL.Image.fromarray(pixels).save(folder / f"{index + 8}.png")
        if index == 0:
            write_mask(tmp_path / "mask.png", 7 * mask, "P")
    return folder


def run(video: Path, model: str, **output: object) -> Summary:
    mask = video.parent / "mask.png"
    out = FrameOptions(output=video.parent / "out", **output)
    return track_folder(video, TrackOptions(model=model, mask=mask, size=96), out, lambda _: None)


def content(folder: Path) -> dict[str, bytes]:
    files = (
        path for path in folder.rglob("*") if path.is_file() and path.name not in ("manifest.jsonl", ".dinoseg.lock")
    )
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


NAMES = [f"{number}.png.png" for number in (10, 11, 12, 8, 9)]


@pytest.mark.parametrize("format_", ["attention", "descriptors"])
def test_a_format_that_would_be_empty_is_refused(frames: Path, model: str, format_: str) -> None:
    with pytest.raises(OptionError, match=f"no {format_} to write: track compares"):
        run(frames, model, formats=("labels", format_))
    assert not (frames.parent / "out").exists()


@pytest.mark.parametrize("asked", [{"method": "prior"}, {"param": ("tau=0.3",)}, {"refine": "none"}])
def test_a_mask_takes_the_place_of_a_method(asked: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="leave out --method"):
        TrackOptions(mask=Path("first.png"), **asked)


def test_a_folder_of_results(frames: Path, model: str) -> None:
    summary = run(frames, model, formats=("labels", "overlays", "video"))
    assert (summary.done, summary.skipped, summary.failed) == (5, 0, 0)
    out = frames.parent / "out"
    assert sorted(path.name for path in (out / "labels").iterdir()) == NAMES
    first = np.array(PIL.Image.open(out / "labels" / "8.png.png"))
    np.testing.assert_array_equal(first, np.array(PIL.Image.open(frames.parent / "mask.png")))
    assert set(np.unique(np.array(PIL.Image.open(out / "labels" / "12.png.png")))) == {0, 7}
    capture = cv2.VideoCapture(str(out / "overlays.mp4"))
    shown = [capture.read()[1] for _ in range(5)]
    with PIL.Image.open(out / "overlays" / "12.png.png") as last:
        assert np.abs(shown[-1][..., ::-1].astype(int) - np.array(last)).mean() < 12  # 12 comes after 8 and 9
    assert not capture.read()[0]


def test_a_second_run_finds_all_done_and_one_that_lost_a_file_makes_the_same(frames: Path, model: str) -> None:
    run(frames, model)
    before, out = content(frames.parent / "out"), frames.parent / "out"
    assert (run(frames, model).done, run(frames, model).skipped) == (0, 5)
    (out / "labels" / "10.png.png").unlink()
    assert run(frames, model).done == 5
    assert content(out) == before


def test_a_video_file(tmp_path: Path, model: str) -> None:
    video = write_video(tmp_path / "clip.avi")
    write_mask(tmp_path / "mask.png", 255 * disk_photo(64, 96, (32, 20), 14)[1])
    assert run(video, model).done == 5
    assert (tmp_path / "out" / "labels" / "frame-000004.png").is_file()
    assert json.loads((tmp_path / "out" / "run.json").read_text())["fps"] == 10
    assert run(video, model).skipped == 5


def test_frames_keep_their_times_and_a_second_run_does_nothing(tmp_path: Path, model: str) -> None:
    video = write_timed(tmp_path / "clip.webm", PAUSED, "libvpx")
    write_mask(tmp_path / "mask.png", 255 * disk_photo(64, 96, (32, 20), 14)[1])
    summary = run(video, model, formats=("labels", "video"))
    assert (summary.done, summary.failed) == (8, 0)  # its header makes 29 of them
    lines = [json.loads(line) for line in (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()]
    assert [line["time"] for line in lines] == pytest.approx([time / 1000 for time in PAUSED])
    assert all(line["seconds"] > 0 for line in lines)
    capture = cv2.VideoCapture(str(tmp_path / "out" / "overlays.mp4"))
    shown = [np.argwhere(frame[..., 2].astype(int) - frame[..., 0] > 60)[:, 1].mean() for frame in read(capture)]
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(30)
    expected = [20 + 4 * sum(1 for time in PAUSED[1:] if round(time * 0.03) <= place) for place in range(30)]
    np.testing.assert_allclose(shown, expected, atol=2)
    assert (run(video, model).done, run(video, model).skipped) == (0, 8)


def read(capture: cv2.VideoCapture) -> list[np.ndarray]:
    return [frame for _, frame in iter(capture.read, (False, None))]


def test_what_is_cut_short_is_told_each_time_and_made_once(tmp_path: Path, model: str) -> None:
    video = write_video(tmp_path / "clip.avi", frames=12)
    video.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    write_mask(tmp_path / "mask.png", 255 * disk_photo(64, 96, (32, 20), 14)[1])
    first = run(video, model)
    second = run(video, model)
    assert 0 < first.done < 12
    assert (second.done, second.skipped) == (0, first.done)
    assert [str(x.error) for x in second.failures] == [str(x.error) for x in first.failures]
    assert first.failed == 1


def test_a_broken_frame_costs_itself(frames: Path, model: str) -> None:
    (frames / "10.png").write_bytes(b"")
    summary = run(frames, model)
    assert (summary.done, [failure.id for failure in summary.failures]) == (4, ["10.png"])
    again = run(frames, model)
    assert (again.done, again.skipped, [failure.id for failure in again.failures]) == (0, 4, ["10.png"])
    lines = (frames.parent / "out" / "manifest.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["status"] for line in lines) == ["done"] * 4 + ["failed"]


def test_results_that_do_not_fit_into_memory_cost_that_frame(
    frames: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = OutputFolder.write
    monkeypatch.setattr(
        OutputFolder, "write", lambda *args: exhaust_opencv() if args[1].id == "10.png" else write(*args)
    )
    summary = run(frames, model)
    assert (summary.done, [(x.id, x.reason) for x in summary.failures]) == (4, [("10.png", "oom")])


def test_frames_that_do_not_fit_into_memory_are_told_so(
    frames: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dinoseg.propagate.resized", exhaust_opencv)
    with pytest.raises(OutOfMemory, match=r"8\.png: 1 frame\(s\) .* do not fit"):
        run(frames, model)


def test_frames_are_read_in_one_range_and_are_so_when_they_are_read_again(frames: Path, model: str) -> None:
    for number, path in enumerate(sorted(frames.iterdir()), 1):
        grey = np.asarray(PIL.Image.open(path).convert("L"), np.uint16)
        PIL.Image.fromarray(grey * number).save(path)
    mask = frames.parent / "mask.png"
    found = list(track(frames, model=model, mask=mask, size=96, value_range=(0, 4000)))
    assert len(found) == 5
    for result in found:
        with PIL.Image.open(frames / result.id) as image:
            expected = np.asarray(image) * (255 / 4000)
        np.testing.assert_allclose(result.photo().pixels[..., 0], expected, atol=0.51)


@pytest.mark.parametrize(
    ("break_", "error"),
    [
        (lambda frames: (frames / "8.png").write_bytes(b"\x89PNG\r\n\x1a\n"), TruncatedImage),
        (lambda frames: write_mask(frames.parent / "mask.png", np.ones((8, 8))), MaskError),
        (lambda frames: write_mask(frames.parent / "mask.png", np.zeros((64, 96))), MaskError),
        (lambda frames: (frames.parent / "mask.png").write_bytes(b"x"), MaskError),
    ],
    ids=["first frame", "size", "empty", "no picture"],
)
def test_nothing_is_written_for_what_cannot_begin(frames: Path, model: str, break_, error: type[Exception]) -> None:
    break_(frames)
    with pytest.raises(error):
        run(frames, model)
    assert not (frames.parent / "out").exists()


def test_another_mask_is_another_run(frames: Path, model: str) -> None:
    run(frames, model)
    write_mask(frames.parent / "mask.png", np.eye(64, 96))
    with pytest.raises(OutputConflict, match="mask"):
        run(frames, model)
    assert run(frames, model, overwrite=True).done == 5


def test_one_frame_is_its_mask(frames: Path, model: str) -> None:
    for path in list(frames.iterdir())[:]:
        if path.name != "8.png":
            path.unlink()
    assert run(frames, model).done == 1


def test_python_streams_segmentations(frames: Path, model: str) -> None:
    found = list(track(frames, model=model, mask=frames.parent / "mask.png", size=96))
    assert all(isinstance(each, Segmentation) and [x.label for x in each.instances] == [7] for each in found)
    assert found[0].scores == [1.0]
    assert all(0 < score <= 1 for each in found for score in each.scores)
    assert found[3].overlay().size == (96, 64)  # the frame is read again
    (frames / "9.png").write_bytes(b"")
    assert [isinstance(x, Failure) for x in track(frames, model=model, mask=frames.parent / "mask.png", size=96)][1]


def test_without_a_mask_a_method_finds_the_objects(frames: Path, model: str) -> None:
    found = list(track(frames, model=model, method="prior", size=96))
    assert [x.label for x in found[0].instances] == [1]
    disk = disk_photo(64, 96, (32, 20), 14)[1]
    assert (found[0].mask & disk).sum() > 0.7 * (found[0].mask | disk).sum()
    for path in frames.iterdir():
        PIL.Image.new("RGB", (96, 64), (9, 9, 9)).save(path)
    with pytest.raises(ImageError, match=r"prior finds no object .*--mask"):
        next(track(frames, model=model, method="prior", size=96))


@pytest.mark.parametrize(("orientation", "stored"), [(6, False), (3, True)])
def test_a_mask_of_the_stored_picture_turns_with_it(frames: Path, model: str, orientation: int, stored: bool) -> None:
    drawn = np.asarray(PIL.Image.open(frames.parent / "mask.png"))
    for path in frames.iterdir():
        PIL.Image.open(path).save(path, exif=exif_of(orientation))
    options = TrackOptions(model=model, mask=frames.parent / "mask.png", size=96, stored_frame=stored)
    summary = track_folder(frames, options, FrameOptions(output=frames.parent / "out"), lambda _: None)
    labels = np.asarray(PIL.Image.open(frames.parent / "out" / "labels" / "8.png.png"))
    np.testing.assert_array_equal(labels, TURNS[orientation].array(drawn))
    assert f"(EXIF orientation {orientation})" in " ".join(summary.notes)


def test_a_mask_of_neither_frame_is_told_with_both(frames: Path, model: str) -> None:
    for path in frames.iterdir():
        PIL.Image.open(path).save(path, exif=exif_of(6))
    write_mask(frames.parent / "mask.png", np.ones((8, 8)))
    with pytest.raises(MaskError, match=r"the mask is 8 x 8 px, .* \(EXIF orientation 6\)"):
        run(frames, model)


def test_a_frame_is_said_of_a_mask(model: str) -> None:
    with pytest.raises(OptionError, match="--stored-frame is of --mask"):
        TrackOptions(model=model, stored_frame=True)
