"""Grouping a folder with a small random network: what is written, second runs, stops, failures."""

import json

import numpy as np
import PIL.Image
import pytest

from dinoseg import group
from dinoseg.draw.colours import object_colours
from dinoseg.errors import OptionError, OutputConflict
from dinoseg.grouping import files, run
from dinoseg.rle import decode_rle
from tests.helpers import write_images
from tests.networks import save_teacher


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    save_teacher(path)
    return str(path)


@pytest.fixture
def photos(tmp_path):
    write_images(tmp_path / "photos" / "sub", 5)
    return tmp_path / "photos"


@pytest.fixture
def grouped(model, photos, tmp_path):
    """The function on the photographs, in several regions each."""

    def call(inputs=photos, out="out", **changes):
        asked = {"method": "spectral", "param": ("regions=many",), "refine": "none", "size": 64, "device": "cpu"}
        return group(inputs, model=model, output=tmp_path / out, **{"clusters": 3, **asked, **changes})

    return call


def records(output):
    return {line["id"]: line for line in map(json.loads, (output / "manifest.jsonl").read_text().splitlines())}


def content(output):
    """All files but the manifest, whose seconds differ."""
    found = (path for path in output.rglob("*") if path.is_file() and path.name not in ("manifest.jsonl", "run.json"))
    return {path.relative_to(output).as_posix(): path.read_bytes() for path in found}


def clusters_of(output):
    return {id_: [thing.get("cluster") for thing in line["objects"]] for id_, line in records(output).items()}


def test_labels_are_clusters_and_the_background_is_none_of_them(grouped, tmp_path):
    report, out = grouped(), tmp_path / "out"
    assert (report.photographs, report.failed, len(report.groups)) == (5, 0, 3)
    told = json.loads((out / "clusters.json").read_text())
    assert sum(g["regions"] for g in told["groups"]) == told["regions"] == sum(map(len, clusters_of(out).values()))
    used = set()
    for id_, line in records(out).items():
        picture = PIL.Image.open(out / "semantic" / f"{id_}.png")
        labels = np.array(picture)
        assert (picture.mode, picture.size) == ("P", (128, 96))
        inside = np.zeros(labels.shape, bool)
        for thing in line["objects"]:
            inside |= decode_rle(thing["rle"])
            assert thing["cluster"] in labels
        np.testing.assert_array_equal(labels > 0, inside)  # no cluster falls together with the background
        assert picture.getpalette()[3:6] == object_colours(1)[0].tolist()
        used |= set(np.unique(labels[inside]))
        assert PIL.Image.open(out / "semantic-overlays" / f"{id_}.png").size == (128, 96)
    assert used == {1, 2, 3}
    assert PIL.Image.open(out / "clusters.png").height > 3 * 180


def test_a_second_run_changes_nothing_and_other_clusters_draw_anew(grouped, tmp_path, monkeypatch):
    grouped()
    before = content(tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(files, "draw", None)  # nothing is drawn again
        grouped()
    assert content(tmp_path / "out") == before
    with monkeypatch.context() as patch:
        patch.setattr("dinoseg.encoding.Encoder.forward", None)  # nothing is computed again
        assert len(grouped(clusters=2).groups) == 2
    grouped(out="fresh", clusters=2)
    assert content(tmp_path / "out") == content(tmp_path / "fresh")


def test_a_stop_in_the_second_pass_ends_as_an_undisturbed_run(grouped, tmp_path, monkeypatch):
    grouped(out="whole")
    drawn = []

    def stop_at_the_third(*arguments):
        drawn.append(arguments)
        if len(drawn) == 3:
            raise KeyboardInterrupt
        return write(*arguments)

    write = files.write
    with monkeypatch.context() as patch:
        patch.setattr(files, "write", stop_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            grouped()
    assert not (tmp_path / "out" / "clusters.json").exists()
    grouped()
    assert content(tmp_path / "out") == content(tmp_path / "whole")
    assert clusters_of(tmp_path / "out") == clusters_of(tmp_path / "whole")


def test_the_order_of_the_files_does_not_matter(grouped, photos, tmp_path):
    paths = sorted((photos / "sub").iterdir())
    grouped(paths, out="one")
    grouped(paths[::-1], out="other")
    assert content(tmp_path / "one") == content(tmp_path / "other")


def test_photographs_that_are_no_longer_asked_for_lose_their_labels(grouped, photos, tmp_path):
    paths = sorted((photos / "sub").iterdir())
    grouped(paths)
    grouped(paths[:3])
    assert sorted(path.stem for path in (tmp_path / "out" / "semantic").iterdir()) == [path.name for path in paths[:3]]
    lines = clusters_of(tmp_path / "out")
    assert set(lines[paths[4].name]) == {None}
    assert None not in lines[paths[0].name]


def test_bad_files_cost_themselves_only(grouped, photos, tmp_path):
    (photos / "broken.jpg").write_bytes(b"GIF89")
    grouped()
    victim = sorted((tmp_path / "out" / "descriptors" / "sub").iterdir())[0]
    victim.write_bytes(victim.read_bytes()[:-8])
    again = grouped()
    assert [(f.id, f.reason) for f in again.failures] == [
        ("broken.jpg", "not_an_image"),
        ("sub/photo_000.jpg", "result_lost"),
    ]
    assert again.photographs == 4
    assert grouped().photographs == 5  # made again


@pytest.mark.parametrize("counts", ["~~~~~~~~", "0", "\\"])
def test_h106_masks_that_were_damaged_in_the_manifest_are_told_and_made_again(grouped, tmp_path, counts):
    grouped()
    undisturbed, manifest = content(tmp_path / "out"), tmp_path / "out" / "manifest.jsonl"
    first, *others = map(json.loads, manifest.read_text().splitlines())
    first["objects"][0]["rle"]["counts"] = counts
    first["objects"][0]["cluster"] = 9
    manifest.write_text("".join(json.dumps(line) + "\n" for line in (first, *others)))
    report = grouped()
    assert [(failure.id, failure.reason) for failure in report.failures] == [(first["id"], "result_lost")]
    assert grouped().failed == 0
    assert content(tmp_path / "out") == undisturbed


def test_constant_photographs_have_no_region_and_are_all_background(grouped, tmp_path):
    folder = tmp_path / "plain"
    folder.mkdir()
    PIL.Image.new("RGB", (64, 64), "red").save(folder / "red.png")
    report = grouped(folder)
    assert (report.photographs, report.groups, report.tried) == (1, (), {})
    assert not np.array(PIL.Image.open(tmp_path / "out" / "semantic" / "red.png.png")).any()


def test_segment_into_the_same_folder_keeps_descriptors_and_drops_stale_labels(grouped, model, photos, tmp_path):
    from dinoseg.folder import segment_folder
    from dinoseg.options import OutputOptions, SegmentOptions

    grouped()
    before = content(tmp_path / "out")
    asked = {"method": "spectral", "param": ("regions=many",), "refine": "none", "size": 64, "device": "cpu"}
    output = OutputOptions(output=tmp_path / "out", formats=("masks",))
    segment_folder([photos], SegmentOptions(model=model, **asked), output)
    after = content(tmp_path / "out")
    assert not any(name.startswith("semantic") for name in after)
    assert all(after[name] == before[name] for name in before if name.startswith("descriptors"))


@pytest.mark.parametrize(
    ("changes", "error", "told"),
    [
        ({"method": "prior", "param": ()}, OptionError, "prior has no network"),
        ({"clusters": 1}, OptionError, "2..254"),
        ({"clusters": 255}, OptionError, "2..254"),
    ],
)
def test_wrong_use_is_told_before_anything_is_written(grouped, tmp_path, changes, error, told):
    with pytest.raises(error, match=told):
        grouped(**changes)
    assert not (tmp_path / "out").exists()


def test_results_are_not_taken_for_photographs(grouped, tmp_path):
    grouped()
    with pytest.raises(OutputConflict, match="holds results of"):
        grouped(tmp_path / "out" / "semantic-overlays")


def test_progress_is_told_in_both_passes(model, photos, tmp_path):
    from dinoseg.options import GroupOptions

    (photos / "broken.jpg").write_bytes(b"no picture")
    options = GroupOptions(model=model, output=tmp_path / "out", size=64, device="cpu", clusters=2)
    for _ in range(2):  # the second time all but one are done
        told = []
        run.group_folder([photos], options, progress=lambda: told.append(1))  # noqa: B023
        assert len(told) == 12
