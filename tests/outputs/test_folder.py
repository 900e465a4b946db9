import json
import os
import shutil

import numpy as np
import PIL.Image
import pytest

from dinoseg.errors import OptionError, OutputConflict, TruncatedImage
from dinoseg.options import OutputOptions
from dinoseg.outputs.coco import coco_dataset
from dinoseg.outputs.folder import check_output
from dinoseg.types import Failure, Source
from tests.outputs.scenes import ALL, RUN, disk, folder, segmentation, write_disk


@pytest.fixture
def photos(tmp_path):
    """Sources of three photographs, one in a subfolder."""
    names = ["a.png", "b.png", "sub/a.png"]
    return [Source(name, write_disk(tmp_path / "photos" / name, seed)) for seed, name in enumerate(names)]


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def run(output, sources, *formats, **options):
    """What the road does with a folder, in small; returns the ids that were not done before."""
    missing = []
    with folder(output, *formats, **options) as results:
        for source in sources:
            if not results.done(source):
                missing.append(source.id)
                results.write(*disk(source.content, source.id))
        results.finish()
    return missing


def names(output):
    """All files but the lock."""
    found = (path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file())
    return sorted(name for name in found if name != ".dinoseg.lock")


def lines(output):
    return [json.loads(line) for line in (output / "manifest.jsonl").read_text("utf-8").splitlines()]


def test_layout(out, photos):
    assert run(out, photos[1:]) == ["b.png", "sub/a.png"]
    assert names(out) == [
        "attention/b.png.npz",
        "attention/sub/a.png.npz",
        "coco.json",
        "contact_sheet.png",
        "cutouts/b.png.png",
        "cutouts/sub/a.png.png",
        "labels/b.png.png",
        "labels/sub/a.png.png",
        "manifest.jsonl",
        "masks/b.png.png",
        "masks/sub/a.png.png",
        "overlays/b.png.png",
        "overlays/sub/a.png.png",
        "run.json",
    ]
    assert [line["id"] for line in lines(out)] == ["b.png", "sub/a.png"]
    assert lines(out)[1]["files"]["masks"] == "masks/sub/a.png.png"


def test_run_json_says_what_decided_the_results(out, photos):
    run(out, photos, background="red")
    content = json.loads((out / "run.json").read_text("utf-8"))
    assert content.pop("id") == lines(out)[0]["run"]
    assert content == {**RUN, "background": "red"}


def test_a_background_decides_nothing_before_there_are_cutouts(out, photos):
    run(out, photos[:1], "masks")
    assert "background" not in json.loads((out / "run.json").read_text("utf-8"))
    assert run(out, photos[:1], "masks", background="red") == ["a.png"]  # adds what it stands behind
    assert (out / "cutouts/a.png.png").is_file()
    assert run(out, photos[:1], "masks", background="red") == []
    for other in (None, "blur"):
        with pytest.raises(OutputConflict, match='background: there "red", now'):
            run(out, photos[:1], "masks", background=other)
    assert run(out, photos[:1], "cutouts", background="blur", overwrite=True) == ["a.png"]


def test_d54_another_image_under_the_background_s_name_is_refused(out, photos, tmp_path):
    sea = write_disk(tmp_path / "sea.png", seed=4)
    run(out, photos[:1], background=str(sea))
    write_disk(sea, seed=5)
    with pytest.raises(OutputConflict, match="background_sha256"):
        run(out, photos[:1], background=str(sea))


def test_coco_of_a_folder_is_that_of_its_segmentations(out, photos):
    run(out, photos, "coco")
    assert json.loads((out / "coco.json").read_text("utf-8")) == coco_dataset(
        [disk(source.content, source.id)[0] for source in photos]
    )


def test_d54_a_second_run_redoes_nothing(out, photos):
    run(out, photos)
    before = {name: ((out / name).read_bytes(), (out / name).stat().st_mtime_ns) for name in names(out)}
    assert run(out, photos) == []
    assert {name: (out / name).read_bytes() for name in names(out)} == {name: both[0] for name, both in before.items()}
    for name in (name for name in before if "/" in name or name == "run.json"):
        assert (out / name).stat().st_mtime_ns == before[name][1]


def touch(photo):
    os.utime(photo, (1, 1))


def repaint(photo):
    write_disk(photo, seed=9)


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        (touch, []),  # the hash is the same
        (repaint, ["b.png"]),
        (lambda photo: photo.unlink(), ["b.png"]),  # decoding will say so
    ],
)
def test_d54_done_goes_by_content(out, photos, change, missing):
    run(out, photos)
    change(photos[1].content)
    with folder(out) as results:
        assert [source.id for source in photos if not results.done(source)] == missing


@pytest.mark.parametrize("file", ["masks/b.png.png", "attention/b.png.npz"])
def test_a_missing_output_is_made_again(out, photos, file):
    run(out, photos)
    (out / file).unlink()
    assert run(out, photos) == ["b.png"]
    assert file in names(out)


def test_a_later_format_is_added_and_earlier_ones_stay_known(out, photos):
    run(out, photos[:2], "masks")
    assert run(out, photos[:2], "labels", "coco") == ["a.png", "b.png"]
    assert run(out, photos[:2], "masks", "labels") == []
    assert run(out, photos[:2], "masks") == []
    assert names(out) == [
        "coco.json",
        "labels/a.png.png",
        "labels/b.png.png",
        "manifest.jsonl",
        "masks/a.png.png",
        "masks/b.png.png",
        "run.json",
    ]


def test_a_changed_photograph_leaves_no_stale_file_in_another_format(out, photos):
    run(out, photos, "masks", "labels")
    turned = PIL.Image.open(photos[0].content).transpose(PIL.Image.Transpose.ROTATE_90)
    turned.save(photos[0].content)
    assert run(out, photos, "masks") == ["a.png"]
    assert PIL.Image.open(out / "labels/a.png.png").size == turned.size


def test_files_per_folder_of_an_earlier_run_are_kept_up_to_date(out, photos):
    run(out, photos[:1])
    run(out, photos, "masks")
    assert len(json.loads((out / "coco.json").read_text("utf-8"))["images"]) == 3


def test_a_method_that_does_not_look_at_attention_is_done(out, photos):
    with folder(out, "masks", "attention") as results:
        result = segmentation(attention=False, id_="a.png", content=photos[0].content)
        results.write(result, result.photo())
        assert results.done(photos[0])
    assert lines(out)[0]["files"] == {"masks": "masks/a.png.png", "attention": None}


def test_a_photograph_without_an_object_is_done(out, photos):
    with folder(out, "masks", "overlays", "cutouts") as results:
        result = segmentation(id_="a.png", content=photos[0].content)
        results.write(result, result.photo(), np.zeros((0, 24, 32), np.float32))
        assert results.done(photos[0])
    assert lines(out)[0]["status"] == "empty"
    assert not np.asarray(PIL.Image.open(out / "masks/a.png.png")).any()


@pytest.mark.parametrize("content", [b"bytes", np.zeros((4, 4, 3), np.uint8), PIL.Image.new("L", (4, 4))], ids=type)
def test_what_is_no_file_is_never_done(out, content):
    with folder(out, "masks") as results:
        result = segmentation(id_="image-000000", size=(4, 4))
        results.write(result, result.photo())
        assert not results.done(Source("image-000000", content))
    assert lines(out)[0]["source"] is None


def test_failures_are_noted_and_tried_again(out, photos):
    with folder(out) as results:
        results.fail(Failure("b.png", TruncatedImage("b.png ends early"), photos[1]))
        assert not results.done(photos[1])
        results.finish()
    (line,) = lines(out)
    assert (line["status"], line["reason"], line["message"]) == ("failed", "truncated", "b.png ends early")
    assert run(out, photos) == ["a.png", "b.png", "sub/a.png"]
    assert [line["status"] for line in lines(out)] == ["done"] * 3


def test_a_photograph_that_fails_now_loses_its_old_results(out, photos):
    run(out, photos)
    with folder(out) as results:
        results.fail(Failure("b.png", TruncatedImage("ends early"), photos[1]))
        results.finish()
    assert [name for name in names(out) if "b.png" in name] == []
    assert [line["status"] for line in lines(out)] == ["done", "failed", "done"]


@pytest.mark.parametrize(
    ("formats", "background", "message"),
    [
        (("mask",), None, "Did you mean masks"),
        (("masks",), "no-such-file.jpg", "--background"),
        (("masks",), __file__, "--background .*test_folder.py: is text"),
    ],
)
def test_wrong_options_are_told_before_anything_is_touched(out, formats, background, message):
    with pytest.raises(OptionError, match=message):
        folder(out, *formats, background=background)
    with pytest.raises(OptionError, match=message):
        check_output(OutputOptions(output=out, formats=formats, background=background))
    assert not out.exists()


def a_file(out):
    out.write_text("mine")


def a_foreign_folder(out):
    out.mkdir()
    (out / "holiday.jpg").write_text("mine")


@pytest.mark.parametrize(
    ("obstacle", "place", "message"),
    [
        (a_file, "", "is a file, and results need a folder"),
        (a_file, "deep/er", "cannot hold the results: Not a directory"),
        (a_foreign_folder, "", "not dinoseg's"),
    ],
)
def test_b34_d55_an_output_that_cannot_be_is_told_before_the_network_is_loaded(out, obstacle, place, message):
    obstacle(out)
    with pytest.raises(OutputConflict, match=message):
        check_output(OutputOptions(output=out / place))


def test_checking_an_output_leaves_nothing_there(out, photos):
    check_output(OutputOptions(output=out / "deep/er"))
    assert not out.exists()
    run(out, photos[:1], "masks")
    before = names(out)
    check_output(OutputOptions(output=out))
    assert names(out) == before
    (out / "run.json").unlink()
    check_output(OutputOptions(output=out, overwrite=True))


def test_results_of_inputs_that_are_not_asked_for_again_stay(out, photos):
    run(out, photos[:1])
    photos[0].content.unlink()
    assert run(out, photos[1:]) == ["b.png", "sub/a.png"]
    assert [line["id"] for line in lines(out)] == ["a.png", "b.png", "sub/a.png"]
    assert len(json.loads((out / "coco.json").read_text("utf-8"))["images"]) == 3


def test_d56_missing_folders_are_created(out, photos):
    run(out / "deep/er", photos, "masks")
    assert (out / "deep/er/masks/sub/a.png.png").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"run": {**RUN, "weights": "11"}}, 'weights: there "00ff", now "11"'),
        ({"run": {**RUN, "options": {"method": "other", "size": None}}}, 'method: there "by-hand", now "other"'),
        ({"background": "red"}, 'background: there null, now "red"'),  # cut-outs are there, on nothing
    ],
)
def test_d54_other_options_are_refused(out, photos, options, message):
    run(out, photos)
    before = {name: (out / name).read_bytes() for name in names(out)}
    with pytest.raises(OutputConflict, match="name another folder, or --overwrite") as error:
        run(out, photos, **options)
    assert message in str(error.value)
    assert {name: (out / name).read_bytes() for name in names(out)} == before


def test_overwrite_removes_what_the_manifest_names_and_nothing_else(out, photos):
    run(out, photos)
    (out / "masks/mine.txt").write_text("mine")
    other = {**RUN, "version": "2"}
    assert run(out, photos[:1], "labels", run=other, overwrite=True) == ["a.png"]
    assert names(out) == ["labels/a.png.png", "manifest.jsonl", "masks/mine.txt", "run.json"]
    assert json.loads((out / "run.json").read_text("utf-8"))["version"] == "2"
    assert len(lines(out)) == 1


def test_overwrite_of_the_same_run_does_everything_again(out, photos):
    run(out, photos)
    assert run(out, photos, overwrite=True) == ["a.png", "b.png", "sub/a.png"]


def test_d55_overwrite_in_a_foreign_folder_deletes_nothing(out, photos):
    out.mkdir()
    for name in ("holiday.jpg", "coco.json", "manifest.jsonl"):
        (out / name).write_text('{"id": "holiday.jpg", "status": "done", "files": {"masks": "holiday.jpg"}}\n')
    with pytest.raises(OutputConflict, match="not dinoseg's"):
        run(out, photos, "masks")
    assert names(out) == ["coco.json", "holiday.jpg", "manifest.jsonl"]
    assert not (out / ".dinoseg.lock").exists()
    run(out, photos[:1], "masks", overwrite=True)
    assert {"holiday.jpg", "coco.json"} <= set(names(out))
    assert [line["id"] for line in lines(out)] == ["a.png"]  # the lines of somebody else are not ours


@pytest.mark.parametrize(
    "path",
    [
        *("../outside.png", "/outside.png", "masks/../../outside.png", "masks/../run.json"),  # of somebody else
        *("run.json", "manifest.jsonl", "overlays/a.png", "masks", "masks/", "masks//a.png"),  # other files of ours
        *("masks/a\0.png", "masks/\ud800.png", "", 5, ["masks/a.png.png"], {}, True),  # no path
        "masks/" + 5000 * "a",
    ],
)
def test_h106_a_forged_manifest_reaches_nothing_else(out, photos, tmp_path, path):
    run(out, photos[:1], "masks")
    undisturbed = (out / "masks/a.png.png").read_bytes(), (out / "run.json").read_bytes()
    (tmp_path / "outside.png").write_bytes(b"precious")
    named = str(tmp_path) + path if path == "/outside.png" else path
    (out / "manifest.jsonl").write_text(json.dumps({**lines(out)[0], "files": {"masks": named}}) + "\n")
    with folder(out, "masks") as results:
        assert not results.done(photos[0])
        results.write(*disk(photos[0].content, "a.png"))
    assert ((out / "masks/a.png.png").read_bytes(), (out / "run.json").read_bytes()) == undisturbed
    run(out, photos[:1], "masks", overwrite=True)
    assert (tmp_path / "outside.png").read_bytes() == b"precious"


@pytest.mark.parametrize("name", ["run.json", "manifest.jsonl", "masks/a.png.png", "coco.json", ".dinoseg.lock"])
def test_what_is_no_file_is_told_and_not_waited_for(out, photos, name):
    run(out, photos[:1], "masks", "coco")
    (out / name).unlink()
    os.mkfifo(out / name)
    with pytest.raises(OutputConflict, match=f"{name} is a folder, a pipe or a device|not dinoseg's"):
        run(out, photos, "masks", "coco")
    assert (out / name).is_fifo()


def test_h116_links_in_the_folder_are_not_written_through(out, photos, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    out.mkdir()
    (out / ".hidden").symlink_to(outside)
    (out / "masks").symlink_to(outside)
    with pytest.raises(OutputConflict, match="symbolic link"):
        run(out, photos, "masks", overwrite=True)
    assert list(outside.iterdir()) == []


def test_a_folder_that_is_a_link_itself_is_fine(out, photos, tmp_path):
    (tmp_path / "disk").mkdir()
    out.symlink_to(tmp_path / "disk")
    assert len(run(out, photos, "masks")) == 3
    assert run(out, photos, "masks") == []


def test_d62_a_second_run_at_the_same_time_is_refused(out, photos):
    with folder(out, "masks") as first:
        with pytest.raises(OutputConflict, match="in use by another run"), folder(out, "masks"):
            pass
        first.write(*disk(photos[0].content, "a.png"))  # the first is not disturbed
    with folder(out, "masks") as later:
        assert later.done(photos[0])


def test_b34_a_file_in_the_place_of_the_folder(out, photos):
    out.write_text("a file")
    with pytest.raises(OutputConflict, match=r"out cannot hold the results: File exists; name another"):
        run(out, photos)
    assert out.read_text() == "a file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_b34_a_folder_that_may_not_be_written(out, photos):
    out.mkdir(mode=0o555)
    with pytest.raises(OutputConflict, match="Permission denied"):
        run(out, photos)
    with pytest.raises(OutputConflict, match="Permission denied"):
        check_output(OutputOptions(output=out))


def test_the_lock_is_given_back_when_entering_fails(out, photos):
    out.mkdir()
    (out / "manifest.jsonl").symlink_to(photos[0].content)
    for _ in range(2):
        with pytest.raises(OutputConflict, match="not dinoseg's"):
            run(out, photos)
    (out / "manifest.jsonl").unlink()
    run(out, photos)
    shutil.move(out / "manifest.jsonl", out / "moved")
    (out / "manifest.jsonl").symlink_to(out / "moved")
    for _ in range(2):  # not "in use" the second time
        with pytest.raises(OutputConflict, match=r"manifest\.jsonl is a link"):
            run(out, photos)


@pytest.mark.parametrize("name", ["猫 😀.png", "two\nlines.png", "-rf.png", "$(x) [red].png"])
def test_b30_any_name(out, tmp_path, name):
    source = Source(name, write_disk(tmp_path / "photos" / name))
    assert run(out, [source]) == [name]
    assert (out / "masks" / f"{name}.png").is_file()
    assert run(out, [source]) == []


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_b31_undecodable_names(out, tmp_path):
    photo = write_disk(tmp_path / "photos/plain.png")
    path = photo.with_name(os.fsdecode(b"caf\xe9.png"))
    try:
        photo.rename(path)
    except OSError:
        pytest.skip("this file system has text names")
    assert run(out, [Source(path.name, path)]) == [path.name]
    assert run(out, [Source(path.name, path)]) == []
    assert lines(out)[0]["id"] == path.name
    assert json.loads((out / "coco.json").read_bytes())["images"][0]["file_name"] == path.name


def test_b32_long_names(out, tmp_path):
    name = "x" * 251 + ".png"
    source = Source(name, write_disk(tmp_path / "photos" / name))
    run(out, [source])
    assert run(out, [source]) == []
    (line,) = lines(out)
    assert line["id"] == name
    assert len(names(out)) == len(ALL) + 2
    for file in line["files"].values():
        assert (out / file).is_file()


def test_d64_text_is_ascii_with_unix_lines(out, tmp_path):
    run(out, [Source("猫.png", write_disk(tmp_path / "photos/猫.png"))])
    for name in ("manifest.jsonl", "run.json", "coco.json"):
        content = (out / name).read_bytes()
        assert content.isascii()
        assert b"\r" not in content
        assert content.endswith(b"\n")


def test_a23_inputs_are_never_changed(out, photos):
    before = [(source.content.read_bytes(), source.content.stat().st_mtime_ns) for source in photos]
    run(out, photos)
    run(out, photos, overwrite=True)
    assert [(source.content.read_bytes(), source.content.stat().st_mtime_ns) for source in photos] == before


def test_d53_an_interrupted_run_goes_on(out, photos):
    def interrupted():
        yield photos[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(out, interrupted())
    assert [line["id"] for line in lines(out)] == ["a.png"]
    assert run(out, photos) == ["b.png", "sub/a.png"]


def test_results_of_another_run_in_the_manifest_are_not_done(out, photos):
    run(out, photos[:2], "masks")
    mixed = [line | {"run": "0123456789abcdef"} if line["id"] == "a.png" else line for line in lines(out)]
    (out / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in mixed), "utf-8")
    assert run(out, photos[:2], "masks") == ["a.png"]
