"""``--corrupt``: photographs are spoiled for every protocol of masks, and the report says so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from dinoseg.cli import run
from dinoseg.errors import OptionError, OutputConflict
from dinoseg.evaluation import evaluate
from dinoseg.evaluation.predictions.corrupted import corrupted_source
from dinoseg.evaluation.report import UNFINISHED
from dinoseg.images.corruptions import Condition, corrupted
from dinoseg.images.decode import as_source, decode
from dinoseg.pipeline import Segmenter
from dinoseg.types import Failure, Source
from tests.evaluation.sets import square, write_davis, write_pairs, write_voc

STRONG = Condition("gaussian-noise", 5)


def test_the_method_sees_the_spoiled_photographs(tmp_path: Path, small_model: Path) -> None:
    root, options = write_pairs(tmp_path, 2), {"method": "attention", "model": str(small_model), "heads": 2}
    report = evaluate("foreground", root, corrupt="gaussian-noise:5", **options)
    segmenter = Segmenter(**options)
    for row in report.rows:
        pixels = decode(as_source(root / "images" / row.id)).pixels
        mask = segmenter(corrupted(pixels, STRONG, row.id)).mask
        assert row.values["IoU"] == (mask & square()).sum() / (mask | square()).sum()


@pytest.mark.parametrize("protocol", ["attention-jaccard", "saliency", "corloc", "ap", "foreground"])
def test_protocols_of_pictures(tmp_path: Path, small_model: Path, protocol: str) -> None:
    root = write_voc(tmp_path, [8 * square()] * 2, [square()] * 2)
    options = {"model": str(small_model), "heads": 2, "size": 64}
    clean, spoiled = (evaluate(protocol, root, corrupt=corrupt, **options) for corrupt in (None, "gaussian-noise:5"))
    assert not spoiled.failed
    assert "corrupt" not in clean.options
    assert spoiled.options["corrupt"] == "gaussian-noise:5"
    if protocol == "saliency":  # soft masks: others may be as good by chance
        assert [x.value for x in spoiled.scores] != [x.value for x in clean.scores]
    line = "- photographs: gaussian-noise of severity 5 (0.38, standard deviation, of values in 0..1)"
    assert line in spoiled.to_markdown().splitlines()
    assert "photographs" not in clean.to_markdown()


@pytest.mark.parametrize("protocol", ["davis-unsupervised", "davis-propagation"])
def test_protocols_of_videos(tmp_path: Path, small_model: Path, protocol: str) -> None:
    root = write_davis(tmp_path, {"a": 4})
    report = evaluate(protocol, root, corrupt="jpeg", model=str(small_model), heads=2, size=64)
    assert not report.failed
    assert report.options["corrupt"] == "jpeg:3"
    assert "--corrupt jpeg" in report.command
    assert "- photographs: jpeg of severity 3 (15, quality)" in report.to_markdown()


def test_a_photograph_that_cannot_be_read_is_one_that_failed(tmp_path: Path) -> None:
    root = write_pairs(tmp_path, 2)
    (root / "images" / "photo_000.jpg").write_bytes(b"no picture")
    report = evaluate("foreground", root, method="prior", corrupt="contrast")
    assert report.failed == (("photo_000.jpg", "not_an_image"),)


def test_values_of_more_than_8_bit_are_spoiled_as_they_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    PIL.Image.fromarray(np.linspace(1000, 3000, 64 * 64, dtype=np.uint16).reshape(64, 64)).save(path)
    source = as_source(path).with_values((1000, 3000))
    spoiled = corrupted_source(source, Condition("brightness", 1), "a", 64 * 64)
    assert isinstance(spoiled, Source)
    np.testing.assert_array_equal(spoiled.content, corrupted(decode(source).pixels, Condition("brightness", 1), "a"))
    assert corrupted_source(source, None, "a", 1) is source
    assert isinstance(corrupted_source(as_source(tmp_path / "none.png"), STRONG, "a", 1), Failure)


def test_a_photograph_that_is_too_large_is_refused(tmp_path: Path) -> None:
    report = evaluate("foreground", write_pairs(tmp_path, 1), method="prior", corrupt="contrast", max_pixels=100)
    assert report.failed == (("photo_000.jpg", "too_large"),)


def test_rows_under_another_condition_are_of_another_evaluation(tmp_path: Path) -> None:
    root, out = write_pairs(tmp_path / "set", 3), tmp_path / "out"
    (root / "images" / "photo_002.jpg").write_bytes(b"no picture")
    evaluate("foreground", root, method="prior", corrupt="jpeg:1", output=out)
    assert (out / UNFINISHED).exists()
    (out / "report.json").unlink()
    with pytest.raises(OutputConflict, match="other options"):
        evaluate("foreground", root, method="prior", corrupt="jpeg:2", output=out)
    assert json.loads((out / UNFINISHED).read_bytes().splitlines()[0])["options"]["corrupt"] == "jpeg:1"


@pytest.mark.parametrize(
    ("protocol", "options", "message"),
    [
        ("foreground", {"predictions": Path()}, "--predictions are scored as they are: leave out --corrupt"),
        ("knn", {}, "makes no masks: leave out --corrupt"),
        ("foreground", {"method": "prior"}, "--corrupt jpeg:9 is out of range"),
    ],
)
def test_where_it_means_nothing_it_is_refused(
    tmp_path: Path, protocol: str, options: dict[str, object], message: str
) -> None:
    corrupt = "jpeg:9" if "range" in message else "jpeg"
    with pytest.raises(OptionError, match=message):
        evaluate(protocol, write_pairs(tmp_path, 2), corrupt=corrupt, **options)


def test_a_wrong_name_is_told_before_anything_is_loaded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "foreground", str(write_pairs(tmp_path, 1)), "--corrupt", "jpg:2", "-q"]) == 2
    assert "the corruption 'jpg' is unknown. Did you mean jpeg?" in capsys.readouterr().err
