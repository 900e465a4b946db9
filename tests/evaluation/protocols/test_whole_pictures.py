"""From a labelled folder to the report."""

from __future__ import annotations

import csv
import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import PIL.Image
import pytest

from dinoseg.errors import DatasetError, OptionError, OutputConflict
from dinoseg.evaluation import evaluate
from dinoseg.evaluation import report as report_module
from dinoseg.evaluation.protocols import copies
from tests.networks import save_teacher

COLOURS = {"blue": (30, 40, 200), "green": (30, 200, 40), "red": (200, 40, 30)}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_teacher(path)
    return str(path)


def write_class(folder: Path, colour: tuple[int, int, int], n: int, seed: int) -> None:
    """Noise of about one colour: any network tells such classes apart."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(seed)
    for index in range(n):
        pixels = np.clip(colour + generator.normal(0, 25, (40, 48, 3)), 0, 255).astype(np.uint8)
        PIL.Image.fromarray(pixels).save(folder / f"{index}.png")


@pytest.fixture(scope="module")
def undivided(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("colours")
    for seed, (name, colour) in enumerate(COLOURS.items()):
        write_class(root / name, colour, 8, seed)
    return root


@pytest.fixture(scope="module")
def divided(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("parts")
    for seed, (name, colour) in enumerate(COLOURS.items()):
        write_class(root / "train" / name, colour, 7, seed)
        write_class(root / "val" / name, colour, 4, 10 + seed)
    return root


def options(model: str) -> dict[str, object]:
    return {"model": model, "heads": 2, "size": 32, "device": "cpu"}


@pytest.mark.parametrize("protocol", ["knn", "linear"])
@pytest.mark.parametrize("part", ["divided", "undivided"])
def test_colours_are_told_apart(protocol: str, part: str, model: str, request: pytest.FixtureRequest) -> None:
    report = evaluate(protocol, request.getfixturevalue(part), shots=(1, 5), **options(model))
    values = {score.name: score for score in report.scores}
    assert report.headline is not None
    k = {"linear": "", "knn": ", k 7" if part == "divided" else ", k 8"}[protocol]  # as many as a class has
    assert report.headline.name == f"top-1{k}"
    assert report.headline.value > 0.9
    assert report.images == (12 if part == "divided" else 24)
    assert values["top-1, 5 per class"].units == 10
    assert values["top-1, 5 per class"].value > 0.8
    assert values["top-1, most frequent class"].value == pytest.approx(1 / 3)
    assert values[f"top-1{k}, raw pixels"].kind == "floor"
    assert {row.predicted for row in report.rows} == set(COLOURS)


@pytest.mark.parametrize(
    ("pictures", "names"),
    [
        (6, ["top-1, k 6", "top-1, k 6, raw pixels"]),
        (12, ["top-1, k 12", "top-1, k 10", "top-1, k 12, raw pixels"]),
        (20, ["top-1", "top-1, k 10", "top-1, raw pixels"]),
    ],
)
def test_no_more_neighbours_than_a_class_has(model: str, tmp_path: Path, pictures: int, names: list[str]) -> None:
    for seed, (name, colour) in enumerate(COLOURS.items()):
        write_class(tmp_path / name, colour, pictures, seed)
    scores = {score.name: score.value for score in evaluate("knn", tmp_path, **options(model)).scores}
    assert [name for name in scores if name.startswith("top-1") and "frequent" not in name] == names
    assert min(scores[name] for name in names if "pixels" not in name) > 0.9


def test_retrieval_counts_no_further_than_a_class_reaches(model: str, undivided: Path, tmp_path: Path) -> None:
    def firsts(root: Path) -> list[str]:
        report = evaluate("retrieval", root, **options(model))
        return [score.name for score in report.scores if score.name.startswith("precision")]

    assert firsts(undivided) == ["precision of the first 1", "precision of the first 5"]
    for seed, (name, colour) in enumerate(COLOURS.items()):
        write_class(tmp_path / name, colour, 5, seed)
    assert firsts(tmp_path) == ["precision of the first 1"]  # four others


def test_leave_one_out_never_sees_the_picture_itself(model: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_class(tmp_path / name, (100, 100, 100), 3, seed=ord(name))
    report = evaluate("knn", tmp_path, **options(model))
    assert report.headline is not None
    assert report.headline.value < 1  # it would be, if each were its own neighbour: nothing divides these classes


def test_retrieval_brings_the_own_colour_first(model: str, undivided: Path) -> None:
    report = evaluate("retrieval", undivided, **options(model))
    assert report.headline is not None
    assert (report.headline.name, report.headline.kind, report.headline.units) == (
        "average precision",
        "label-free",
        24,
    )
    assert report.headline.value > 0.8


def test_copies_are_found(model: str, undivided: Path) -> None:
    report = evaluate("copies", undivided, every=4, **options(model))
    values = {score.name: score for score in report.scores}
    assert len(report.rows) == 6 * 10  # originals, distortions
    assert values["average precision"].unit == "originals"
    assert values["found first, JPEG of quality 10"].units == 6
    assert values["found first, JPEG of quality 10"].value > values["found first, strong"].value


def test_f83_broken_pictures_withhold_the_score_unless_partial(model: str, divided: Path, tmp_path: Path) -> None:
    for path in divided.rglob("*.png"):
        target = tmp_path / path.relative_to(divided)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    (tmp_path / "val" / "red" / "broken.png").write_bytes(b"no picture")
    report = evaluate("knn", tmp_path, **options(model))
    assert (report.headline, report.failed) == (None, (("val/red/broken.png", "not_an_image"),))
    assert evaluate("knn", tmp_path, partial=True, **options(model)).headline is not None


def test_the_folder_of_the_report(model: str, divided: Path, tmp_path: Path) -> None:
    report = evaluate("knn", divided, output=tmp_path / "out", shots=(2,), **options(model))
    assert {path.name for path in (tmp_path / "out").iterdir() if path.suffix} >= {
        *("report.json", "report.md", "scores.csv", "features.png", "tree.png")
    }
    content = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (content["protocol"], content["options"]["shots"]) == ("knn", [2])
    assert "method" not in content["options"]
    page = (tmp_path / "out" / "report.md").read_text()
    assert "frame of 32 px" in page
    assert f"sha256 {report.sha256}" in page
    table = list(csv.DictReader((tmp_path / "out" / "scores.csv").open()))
    assert table[0]["classes"] == "blue"
    assert table[0]["predicted"] in COLOURS
    for name in ("features.png", "tree.png"):
        with PIL.Image.open(tmp_path / "out" / name) as picture:
            assert np.asarray(picture.convert("L")).std() > 5
    with pytest.raises(OutputConflict, match="overwrite"):
        evaluate("knn", divided, output=tmp_path / "out", **options(model))


def test_random_weights_are_named_and_have_no_hash(model: str, divided: Path) -> None:
    report = evaluate("knn", divided, random_weights=True, **options(model))
    assert report.model == f"random weights in the shape of {model}"
    assert report.sha256 is None


@pytest.mark.parametrize("split", ["even", "odd"])
def test_only_tested_pictures_are_split(model: str, divided: Path, split: str) -> None:
    report = evaluate("knn", divided, split=split, **options(model))
    assert report.images == 6
    assert int(Path(report.rows[0].id).stem) == (split == "odd")


@pytest.mark.parametrize(
    ("protocol", "asked", "told"),
    [
        ("knn", {"method": "tokencut"}, "leave out --method"),
        ("retrieval", {"shots": (1,)}, "leave out --shots"),
        ("copies", {"shots": (1,)}, "leave out --shots"),
        ("knn", {"shots": (8,)}, "blue has 7 pictures"),
        ("linear", {"shots": (0,)}, "--shots"),
    ],
)
def test_what_cannot_be_asked_for(
    model: str, divided: Path, protocol: str, asked: dict[str, object], told: str
) -> None:
    with pytest.raises(OptionError, match=told):
        evaluate(protocol, divided, **options(model), **asked)


@pytest.mark.parametrize(("protocol", "largest", "failed"), [("knn", 100, True), ("copies", 40 * 48, False)])
def test_larger_pictures_are_refused(model: str, undivided: Path, protocol: str, largest: int, failed: bool) -> None:
    if failed:
        with pytest.raises(DatasetError, match="max-pixels"):
            evaluate(protocol, undivided, max_pixels=largest, **options(model))
    else:  # though a copy in a white frame has more
        assert not evaluate(protocol, undivided, max_pixels=largest, every=8, **options(model)).failed


def test_copies_need_distractors(model: str, divided: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "Embedder", None)  # told before anything is computed
    with pytest.raises(DatasetError, match=r"holds 4 pictures .* copies needs 20 or more"):
        evaluate("copies", divided / "val" / "red", **options(model))


def test_a_report_that_was_killed_while_it_was_written_goes_on(
    model: str, undivided: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, write = tmp_path / "out", report_module.atomic_write

    def dying(path: Path) -> AbstractContextManager[BinaryIO]:
        if path.name == "tree.png":
            raise KeyboardInterrupt
        return write(path)

    with monkeypatch.context() as patch:
        patch.setattr(report_module, "atomic_write", dying)
        with pytest.raises(KeyboardInterrupt):
            evaluate("knn", undivided, output=out, **options(model))
    assert (out / "features.png").exists()
    assert not (out / "report.json").exists()
    evaluate("knn", undivided, output=out, **options(model))
    names = {"features.png", "tree.png", "report.json", "report.md", "scores.csv"}
    assert {path.name for path in out.iterdir() if not path.name.startswith(".")} == names
