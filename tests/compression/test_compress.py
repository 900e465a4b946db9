"""The whole of `compress`, on a small network."""

import json
import math

import pytest
import torch
from safetensors import safe_open

from dinoseg import compression
from dinoseg.atomic import locked
from dinoseg.backbone.weights import load_file
from dinoseg.compression import crops, run_compression
from dinoseg.compression.aims import AIMS
from dinoseg.errors import (
    CompressionError,
    InputNotFound,
    NonFiniteLoss,
    OptionError,
    OutputConflict,
    WeightsError,
)
from dinoseg.options import CompressOptions
from tests.helpers import write_images
from tests.networks import save_teacher, small_teacher


@pytest.fixture
def teacher_and_photos(tmp_path):
    save_teacher(tmp_path / "teacher.safetensors")
    write_images(tmp_path / "photos", 24)
    return str(tmp_path / "teacher.safetensors"), [tmp_path / "photos"]


def options(tmp_path, **changes):
    facts = {
        "patch": 6,
        "neurons": 24,
        "calibration_crops": 48,
        "heal_crops": 24,
        "batch": 8,
        "grid": 4,
        "device": "cpu",
    }
    return CompressOptions(output=tmp_path / "student.safetensors", **{**facts, **changes})


def test_a_smaller_network_comes_out_and_loads(tmp_path, teacher_and_photos):
    report = run_compression(*teacher_and_photos, options(tmp_path))
    student = load_file(tmp_path / "student.safetensors")
    assert (student.spec.patch, student.spec.hidden, student.spec.heads, student.spec.family) == (6, 24, 2, "dinov2")
    assert report.parameters[1] < report.parameters[0]
    assert report.held_out == 1
    assert report.photographs == 23
    for cosine in (report.cosine_pruned, report.cosine_healed, report.cosine_stored):
        assert 0 < cosine <= 1
    assert abs(report.cosine_stored - report.cosine_healed) < 0.02
    with safe_open(report.file, "pt") as file:
        assert file.metadata()["teacher_sha256"] == report.teacher_sha256
        assert file.get_tensor("blocks.0.mlp.fc1.weight").dtype == torch.int8
    for aim in AIMS:
        curve = (tmp_path / "student.safetensors.work" / f"heal-{aim}.jsonl").read_text().splitlines()
        assert json.loads(curve[-1])["crops"] == 24


def test_the_student_is_the_mean_of_what_was_healed(tmp_path, teacher_and_photos):
    run_compression(*teacher_and_photos, options(tmp_path, store="float16"))
    name, work = "blocks.0.mlp.fc1.weight", tmp_path / "student.safetensors.work"
    healed = [torch.load(work / f"heal-{aim}.pt", weights_only=True)["average"][name] for aim in AIMS]
    assert not torch.equal(*healed)
    with safe_open(tmp_path / "student.safetensors", "pt") as file:
        assert torch.equal(file.get_tensor(name), torch.stack(healed).mean(dim=0).half())


def test_two_steps_of_crops_are_made_ahead(tmp_path, teacher_and_photos, monkeypatch):
    read_ahead, asked = crops.read_ahead, []

    def watched(items, work, *, workers, ahead):
        asked.append(ahead)
        return read_ahead(items, work, workers=workers, ahead=ahead)

    monkeypatch.setattr(crops, "read_ahead", watched)
    run_compression(*teacher_and_photos, options(tmp_path, batch=5, heal_crops=5))
    assert asked[-len(AIMS) :] == [10] * len(AIMS)


def test_nothing_is_overwritten_and_other_settings_are_not_mixed(tmp_path, teacher_and_photos):
    run_compression(*teacher_and_photos, options(tmp_path, heal_crops=0))
    with pytest.raises(OutputConflict, match="exists"):
        run_compression(*teacher_and_photos, options(tmp_path, heal_crops=0))
    with pytest.raises(OutputConflict, match="neurons: there 24, now 12"):
        run_compression(*teacher_and_photos, options(tmp_path, heal_crops=0, neurons=12, resume=True))
    run_compression(*teacher_and_photos, options(tmp_path, heal_crops=0, neurons=12, overwrite=True))
    assert load_file(tmp_path / "student.safetensors").spec.hidden == 12


def test_a_resumed_compression_gives_the_same_file(tmp_path, teacher_and_photos):
    run_compression(*teacher_and_photos, options(tmp_path))
    whole = (tmp_path / "student.safetensors").read_bytes()
    (tmp_path / "student.safetensors").unlink()
    work = tmp_path / "student.safetensors.work"
    checkpoint = (work / "heal-object.pt").read_bytes()
    (work / "heal-object.pt").unlink()  # killed between the two, after a line of the curve
    run_compression(*teacher_and_photos, options(tmp_path, resume=True))
    assert (tmp_path / "student.safetensors").read_bytes() == whole
    assert len((work / "heal-object.jsonl").read_text().splitlines()) == 1
    assert len((work / "heal-object.pt").read_bytes()) == pytest.approx(len(checkpoint), abs=16)  # but for seconds


def test_a_compression_that_was_finished_is_only_read_again(tmp_path, teacher_and_photos):
    run_compression(*teacher_and_photos, options(tmp_path))
    curve = (tmp_path / "student.safetensors.work" / "heal-object.jsonl").read_text()
    whole = (tmp_path / "student.safetensors").read_bytes()
    run_compression(*teacher_and_photos, options(tmp_path, resume=True))
    assert (tmp_path / "student.safetensors").read_bytes() == whole
    assert (tmp_path / "student.safetensors.work" / "heal-object.jsonl").read_text() == curve


def test_f85_other_photographs_of_the_same_number_are_not_mixed_in(tmp_path, teacher_and_photos):
    run_compression(*teacher_and_photos, options(tmp_path, heal_crops=0))
    (tmp_path / "photos" / "photo_003.jpg").rename(tmp_path / "photos" / "other.jpg")
    with pytest.raises(OutputConflict, match="photographs sha256: there"):
        run_compression(*teacher_and_photos, options(tmp_path, heal_crops=0, resume=True))


def test_e66_e67_wrong_options_are_refused(tmp_path):
    with pytest.raises(OptionError, match="pass one of them"):
        options(tmp_path, resume=True, overwrite=True)
    with pytest.raises(OptionError, match="--seed -1"):
        options(tmp_path, seed=-1)


@pytest.mark.parametrize("lr", [0.0, -1.0, 2.0, 1e30, math.inf, math.nan])
def test_rates_out_of_range_are_refused(lr, tmp_path):
    with pytest.raises(OptionError, match="--lr"):
        options(tmp_path, lr=lr)


@pytest.mark.parametrize("crops", [8, 24])  # the only step spoils the weights; the next one has no loss
def test_a_network_that_lost_its_numbers_is_not_written(crops, tmp_path, teacher_and_photos):
    asked = options(tmp_path, heal_crops=crops)
    object.__setattr__(asked, "lr", 1e30)  # what an option may not be, a step may do
    with pytest.raises(NonFiniteLoss, match="a smaller --lr"):
        run_compression(*teacher_and_photos, asked)
    assert not asked.output.exists()


def test_a_teacher_that_gives_no_numbers_is_refused(tmp_path, teacher_and_photos, monkeypatch):
    teacher = small_teacher()
    teacher.vit.norm.weight.mul_(3e38)  # finite itself
    monkeypatch.setattr(compression, "load", lambda *_, **__: teacher)
    with pytest.raises(CompressionError, match="small gives NaN or infinite"):
        run_compression(*teacher_and_photos, options(tmp_path))


@pytest.mark.parametrize("name", ["heal-object.pt", "pruned.safetensors"])
@pytest.mark.parametrize("how", ["empty", "cut", "byte"])
def test_what_is_damaged_in_the_working_folder_is_told_and_made_again(name, how, tmp_path, teacher_and_photos, caplog):
    run_compression(*teacher_and_photos, options(tmp_path))
    output, file = tmp_path / "student.safetensors", tmp_path / "student.safetensors.work" / name
    whole, content = output.read_bytes(), file.read_bytes()
    if how == "byte" and name.startswith("pruned"):  # a number of a weight is not told from another
        content, how = b"\xff" + content[1:], "header"
    damaged = {"empty": b"", "cut": content[: len(content) // 2], "header": content}
    damaged["byte"] = content[:999] + bytes([content[999] ^ 0xFF]) + content[1000:]
    file.write_bytes(damaged[how])
    run_compression(*teacher_and_photos, options(tmp_path, resume=True))
    assert output.read_bytes() == whole
    assert name in caplog.text


def test_damaged_settings_and_a_folder_in_the_way_are_typed_errors(tmp_path, teacher_and_photos):
    run_compression(*teacher_and_photos, options(tmp_path, heal_crops=0))
    (tmp_path / "student.safetensors.work" / "settings.json").write_text("{")
    with pytest.raises(OutputConflict, match=r"settings\.json is damaged: .*--overwrite"):
        run_compression(*teacher_and_photos, options(tmp_path, heal_crops=0, resume=True))
    (tmp_path / "folder").mkdir()
    asked = {"patch": 6, "neurons": 24, "device": "cpu", "overwrite": True}
    with pytest.raises(OutputConflict, match="is a folder"):
        run_compression(*teacher_and_photos, CompressOptions(output=tmp_path / "folder", **asked))


def test_d62_two_compressions_of_one_file_do_not_meet(tmp_path, teacher_and_photos):
    (tmp_path / "student.safetensors.work").mkdir()
    with locked(tmp_path / "student.safetensors.work"), pytest.raises(OutputConflict, match="in use"):
        run_compression(*teacher_and_photos, options(tmp_path, heal_crops=0))


def test_too_few_photographs_are_an_error(tmp_path, teacher_and_photos):
    write_images(tmp_path / "few", 3)
    with pytest.raises(CompressionError, match="3 photographs found"):
        run_compression(teacher_and_photos[0], [tmp_path / "few"], options(tmp_path))


@pytest.mark.parametrize(
    ("model", "photographs", "error"), [("teacher", "nowhere", InputNotFound), ("nowhere", "photos", WeightsError)]
)
def test_a_path_that_is_not_there_leaves_no_folder(tmp_path, teacher_and_photos, model, photographs, error):
    with pytest.raises(error, match="nowhere"):
        run_compression(str(tmp_path / f"{model}.safetensors"), [tmp_path / photographs], options(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos", "teacher.safetensors"]


def test_d52_what_a_killed_process_left_unfinished_is_removed(tmp_path, teacher_and_photos):
    work = tmp_path / "student.safetensors.work"
    work.mkdir()
    (work / ".dinoseg-0123456789abcdef.tmp").touch()
    run_compression(*teacher_and_photos, options(tmp_path, heal_crops=0))
    assert sorted(path.name for path in work.iterdir()) == [".dinoseg.lock", "pruned.safetensors", "settings.json"]
