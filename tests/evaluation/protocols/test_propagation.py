"""The semi-supervised rules of DAVIS, and a network that follows the first truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from dinoseg import evaluate
from dinoseg.backbone.export import save_backbone
from dinoseg.errors import DatasetError, OptionError
from dinoseg.evaluation.datasets.base import Truth
from dinoseg.evaluation.predictions.base import from_masks
from dinoseg.evaluation.protocols.propagation import DavisPropagation
from dinoseg.evaluation.report import Row
from dinoseg.types import Source
from tests.evaluation.sets import write_davis, write_mask, write_pairs
from tests.helpers import GOLDEN, disk_photo
from tests.networks import small_teacher

PROTOCOL = DavisPropagation()


def row(name: str, index: int, truth: np.ndarray, predicted: np.ndarray) -> Row:
    """One frame of object numbers against numbers, as a run measures it."""
    known = Truth(truth > 0, list, numbers=truth)
    masks = [(predicted == number, 1.0, int(number)) for number in np.unique(predicted) if number]
    result = from_masks(Source("x", "x"), truth.shape, masks)
    return Row(f"{name}/{index}", PROTOCOL.values(known, result), name, evidence=PROTOCOL.evidence(known, result))


def test_the_rules_are_the_davis_toolkits() -> None:
    golden = np.load(GOLDEN / "evaluation.npz")
    rows = [
        row(name, index, truth, predicted)
        for name in ("alpha", "beta", "gamma")
        for index, (truth, predicted) in enumerate(
            zip(golden[f"davis/{name}/gt_semi"], golden[f"davis/{name}/pred_semi"], strict=True)
        )
    ]
    scores = {each.name: each for each in PROTOCOL.conclude(rows)}
    names = ["J&F", *(f"{name} {part}" for name in "JF" for part in ("mean", "recall", "decay"))]
    np.testing.assert_allclose([scores[name].value for name in names], golden["davis/semi_global"], atol=1e-12)
    assert {scores[name].units for name in names} == {len(golden["davis/semi_objects"])}


def numbers(*squares: tuple[int, int]) -> np.ndarray:
    """Squares of 8 px by number and column, ``(16, 40)``."""
    values = np.zeros((16, 40), np.uint8)
    for number, left in squares:
        values[4:12, left : left + 8] = number
    return values


def scores_of(frames: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    rows = [row("a", index, truth, predicted) for index, (truth, predicted) in enumerate(frames)]
    return {each.name: each.value for each in PROTOCOL.conclude(rows)}


FULL, ONE, GAP = numbers((1, 2), (2, 20)), numbers((1, 2)), numbers((1, 2), (200, 20))


@pytest.mark.parametrize(
    ("frames", "j"),
    [
        ([(FULL, FULL * 0), (FULL, FULL), (FULL, FULL * 0)], 1.0),  # first and last do not count
        ([(FULL, FULL), (FULL, ONE), (FULL, FULL)], 0.5),  # one of two objects is lost
        ([(FULL, FULL), (ONE, ONE), (FULL, FULL)], 1.0),  # an object is hidden, and is not predicted
        ([(FULL, FULL), (ONE, FULL), (FULL, FULL)], 0.5),  # it is, where it is not
        ([(ONE, ONE), (FULL, ONE), (FULL, ONE)], 1.0),  # what comes later is no object
        ([(FULL, FULL), (np.where(FULL == 2, 255, FULL).astype(np.uint8), FULL), (FULL, FULL)], 1.0),  # void
    ],
)
def test_what_counts(frames: list[tuple[np.ndarray, np.ndarray]], j: float) -> None:
    assert scores_of(frames)["J mean"] == j


def test_numbers_between_are_no_objects() -> None:
    rows = [row("a", index, GAP, ONE if index == 1 else GAP) for index in range(3)]
    scores = PROTOCOL.conclude(rows)
    assert {each.units for each in scores} == {2}
    assert scores[0].value == 0.5


def test_floors_see_the_same_frames() -> None:
    moved = numbers((1, 6))
    scores = scores_of([(ONE, ONE), (ONE, ONE), (moved, moved), (ONE, ONE)])
    assert scores["J&F"] == 1
    assert 0.5 < scores["J&F first mask kept"] < 1
    assert scores["J&F centred ellipse"] < 0.5


@pytest.mark.parametrize(
    ("frames", "says"),
    [
        ([(ONE, ONE), (ONE, FULL), (ONE, ONE)], r"object 2 is predicted, but its first frame has 1\."),
        ([(GAP, GAP), (GAP, FULL), (GAP, GAP)], r"object 2 is predicted, but its first frame has 1, 200\."),
        ([(ONE, ONE), (ONE, ONE)], "has 2 frames"),
    ],
)
def test_what_cannot_be_scored(frames: list[tuple[np.ndarray, np.ndarray]], says: str) -> None:
    with pytest.raises(DatasetError, match=says):
        scores_of(frames)


@pytest.fixture(scope="module")
def davis(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two videos of a disk that wanders, of five frames; the second in the palette form of 2017."""
    root = write_davis(tmp_path_factory.mktemp("data") / "DAVIS", {"one": 5, "two": 5})
    for name, mode, value in (("one", "L", 255), ("two", "P", 1)):
        for index in range(5):
            pixels, mask = disk_photo(96, 128, (48, 40 + 8 * index), 20)
            PIL.Image.fromarray(pixels).save(root / "JPEGImages" / "480p" / name / f"photo_{index:03d}.jpg")
            write_mask(root / "Annotations" / "480p" / name / f"photo_{index:03d}.png", value * mask, mode)
    return root


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    save_backbone(small_teacher(), path, store="float32")
    return str(path)


def test_a_run_over_videos(davis: Path, model: str) -> None:
    report = evaluate("davis-propagation", davis, model=model, size=128, param=("context=2",))
    assert (report.images, report.failed) == (10, ())
    assert report.headline is not None
    assert (report.headline.name, report.headline.units, report.headline.kind) == ("J&F", 2, "semi-supervised")
    assert {each.kind for each in report.scores[-2:]} == {"floor"}
    assert report.options["propagation"]["context"] == 2
    assert report.rows[0].values == {"J 1": 1.0, "F 1": 1.0}  # the truth itself
    assert report.to_markdown().count("first mask kept") == 2
    halves = [evaluate("davis-propagation", davis, model=model, size=128, split=half) for half in ("even", "odd")]
    assert [half.rows[0].sequence for half in halves] == ["one", "two"]


def test_a_broken_frame_withholds_the_score(model: str, tmp_path: Path) -> None:
    copy = write_davis(tmp_path / "copy", {"one": 5})
    (copy / "JPEGImages" / "480p" / "one" / "photo_002.jpg").write_bytes(b"")
    report = evaluate("davis-propagation", copy, model=model, size=128)
    assert [id_ for id_, _ in report.failed] == ["one/photo_002.jpg"]
    assert report.headline is None
    (copy / "JPEGImages" / "480p" / "one" / "photo_000.jpg").write_bytes(b"")
    assert len(evaluate("davis-propagation", copy, model=model, size=128).failed) == 5


def test_foreign_predictions_are_scored_by_the_same_rules(davis: Path) -> None:
    report = evaluate("davis-propagation", davis, predictions=davis / "Annotations" / "480p")
    assert report.headline is not None
    assert report.headline.value == 1


def test_what_it_does_not_take(davis: Path, model: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="leave out --method"):
        evaluate("davis-propagation", davis, model=model, method="tokencut")
    with pytest.raises(OptionError, match="radios"):
        evaluate("davis-propagation", davis, model=model, param=("radios=2",))
    with pytest.raises(DatasetError, match="the layout of DAVIS"):
        evaluate("davis-propagation", write_pairs(tmp_path / "pairs"), model=model)
