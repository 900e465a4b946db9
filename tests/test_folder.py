"""Runs over folders: everything is written, failures are named, nothing is done twice, a kill costs nothing."""

import json
from functools import partial

import pytest

from dinoseg.errors import ImageVanished, OptionError, OutputConflict
from dinoseg.folder import segment_folder
from dinoseg.images.watch import watch
from dinoseg.options import OutputOptions, SegmentOptions
from dinoseg.pipeline import Finished, Segmenter
from dinoseg.types import Failure, Source
from tests.helpers import write_images
from tests.networks import save_teacher


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    save_teacher(path)
    return str(path)


def options(model, **changes):
    return SegmentOptions(model=model, **{"refine": "none", "size": 64, "device": "cpu", **changes})


def run(photos, output, model, progress=lambda _: None, **changes):
    formats = ("masks", "overlays", "labels", "cutouts", "attention", "coco", "contact-sheet")
    return segment_folder(
        [photos],
        options(model, method="attention", **changes),
        OutputOptions(output=output, formats=formats),
        progress=progress,
    )


def files_of(output):
    return {
        path.relative_to(output).as_posix(): path.read_bytes()
        for path in output.rglob("*")
        if path.is_file() and path.name not in ("manifest.jsonl", ".dinoseg.lock")
    }


def timeless(output):
    lines = [json.loads(line) for line in (output / "manifest.jsonl").read_text().splitlines()]
    return sorted(({k: v for k, v in line.items() if k != "seconds"} for line in lines), key=lambda line: line["id"])


def test_a_folder_run_writes_everything_names_failures_and_is_not_done_twice(model, tmp_path):
    write_images(tmp_path / "photos" / "sub", 3)
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"GIF89")
    (tmp_path / "photos" / "notes.txt").write_text("hello")
    before = files_of(tmp_path / "photos")
    summary = run(tmp_path / "photos", tmp_path / "out", model)
    assert (summary.done, summary.skipped, summary.ignored) == (3, 0, 1)
    assert [(failure.id, failure.reason) for failure in summary.failures] == [("broken.jpg", "not_an_image")]
    assert (tmp_path / "out" / "masks" / "sub" / "photo_000.jpg.png").exists()
    assert files_of(tmp_path / "photos") == before  # a23: inputs are never changed
    told = []
    again = run(tmp_path / "photos", tmp_path / "out", model, told.append)
    assert sorted(type(each).__name__ for each in told) == [
        "Failure",
        *["Source"] * 3,
    ]  # done before: a bar counts them
    assert (again.done, again.skipped, again.failed) == (0, 3, 1)
    assert set(summary.stages) == {"decode", "backbone", "method", "refine", "write"}
    line = timeless(tmp_path / "out")[1]
    assert line["source"]["sha256"]
    stored = json.loads((tmp_path / "out" / "run.json").read_text())
    assert stored["weights"] == Segmenter(model=model).backbone.spec.sha256
    assert stored["options"]["parameters"]["threshold"] == "otsu"


@pytest.mark.parametrize("format_", ["attention", "descriptors"])
def test_a_format_that_would_be_empty_is_refused(tmp_path, format_):
    write_images(tmp_path / "photos", 1)
    output = OutputOptions(output=tmp_path / "out", formats=("masks", format_))
    with pytest.raises(OptionError, match=f"no {format_} to write: the method prior has no network"):
        segment_folder([tmp_path / "photos"], SegmentOptions(method="prior"), output)
    assert not (tmp_path / "out").exists()


def test_a_run_that_stops_half_way_ends_as_an_undisturbed_one(model, tmp_path, monkeypatch):
    write_images(tmp_path / "photos", 6)
    run(tmp_path / "photos", tmp_path / "whole", model)

    finish = Segmenter.finish

    def stop_at_the_fourth(self, item):
        if item.encoded.photo.id == "photo_003.jpg":
            raise KeyboardInterrupt
        return finish(self, item)

    monkeypatch.setattr(Segmenter, "finish", stop_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "photos", tmp_path / "parts", model)
    monkeypatch.setattr(Segmenter, "finish", finish)
    summary = run(tmp_path / "photos", tmp_path / "parts", model)
    assert summary.done + summary.skipped == 6
    assert files_of(tmp_path / "parts") == files_of(tmp_path / "whole")
    assert timeless(tmp_path / "parts") == timeless(tmp_path / "whole")


def test_d54_other_options_in_the_same_folder_are_refused_and_the_device_is_none(model, tmp_path):
    write_images(tmp_path / "photos", 1)
    run(tmp_path / "photos", tmp_path / "out", model)
    with pytest.raises(OutputConflict, match="size: there 64, now 48"):
        run(tmp_path / "photos", tmp_path / "out", model, size=48)
    assert run(tmp_path / "photos", tmp_path / "out", model, batch=3).skipped == 1


def test_b28_the_output_may_lie_inside_the_input(model, tmp_path):
    write_images(tmp_path / "photos", 2)
    for _ in range(2):
        summary = run(tmp_path / "photos", tmp_path / "photos" / "out", model)
    assert summary.skipped == 2
    assert summary.done == 0


def test_b28_results_are_not_taken_for_photographs(model, tmp_path):
    write_images(tmp_path / "out" / "photos", 1)  # inside the output, but not where results lie
    assert run(tmp_path / "out" / "photos", tmp_path / "out" / "results", model).done == 1
    with pytest.raises(OutputConflict, match="holds results of"):
        run(tmp_path / "out" / "results" / "overlays", tmp_path / "out" / "results", model)
    assert run(tmp_path / "out" / "results" / "overlays", tmp_path / "elsewhere", model).done == 1


def test_a04_the_pixel_limit_of_the_input_options_holds(model, tmp_path):
    write_images(tmp_path / "photos", 1)
    output = OutputOptions(output=tmp_path / "out")
    summary = segment_folder([tmp_path / "photos"], options(model, max_pixels=100), output)
    assert summary.failures[0].reason == "too_large"


def test_a_watched_folder(tmp_path, monkeypatch):
    """Photographs that come later are done, a restart goes on, and every round leaves whole files of the folder."""
    quick = SegmentOptions(method="prior", refine="none")
    photos, output, told = tmp_path / "photos", OutputOptions(output=tmp_path / "out", formats=("masks", "coco")), []
    write_images(photos, 1)

    def day(*events):
        events = list(events)

        def wait(_):
            if not events:
                raise KeyboardInterrupt
            events.pop(0)()

        monkeypatch.setattr("dinoseg.folder.watch", partial(watch, wait=wait))
        with pytest.raises(KeyboardInterrupt):
            segment_folder([photos], quick, output, watched=True, progress=lambda result: told.append(type(result)))
        return [image["file_name"] for image in json.loads((tmp_path / "out" / "coco.json").read_text())["images"]]

    assert day(list, lambda: write_images(photos, 2), list, list) == ["photo_000.jpg", "photo_001.jpg"]
    assert told == [Finished, Source, Finished]  # the test wrote the first one again: its content is the same
    told.clear()
    assert day(list, lambda: (photos / "half.jpg").write_bytes(b"\xff\xd8\xff"), list) == [
        "photo_000.jpg",
        "photo_001.jpg",
    ]
    assert told == [Source, Source, Failure]


def test_a_photograph_that_is_gone_when_its_profile_is_read(model, tmp_path, monkeypatch):
    def gone(content):
        raise ImageVanished("is not there any more")

    write_images(tmp_path / "photos", 2)
    monkeypatch.setattr("dinoseg.outputs.cutouts.read_profiled", gone)
    output = OutputOptions(output=tmp_path / "out", formats=("cutouts",), keep_profile=True)
    summary = segment_folder([tmp_path / "photos"], SegmentOptions(method="prior", refine="none"), output)
    assert (summary.done, summary.failed) == (0, 2)
