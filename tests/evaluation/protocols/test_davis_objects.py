"""Objects of videos that are assigned to what was found, against the DAVIS toolkit's results and by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dinoseg.errors import DatasetError, OptionError
from dinoseg.evaluation import evaluate
from dinoseg.evaluation.datasets.base import Truth
from dinoseg.evaluation.metrics.floors import FLOORS
from dinoseg.evaluation.metrics.series import SeriesStatistics, series_statistics
from dinoseg.evaluation.predictions.base import from_masks
from dinoseg.evaluation.protocols.davis_objects import DavisUnsupervisedObjects, FrameFits, assigned, video_table
from dinoseg.types import Source
from tests.evaluation.sets import SIZE, square, write_davis, write_mask
from tests.helpers import GOLDEN

PROTOCOL = DavisUnsupervisedObjects()

OLD = 1 * square(10, 10, 20) + 2 * square(50, 60, 30)


def pairs(found: list[int], there: list[int], values: NDArray[np.float64]) -> FrameFits:
    return FrameFits(found, there, values, np.zeros((2, len(there), 2)))


def label_maps(root: Path, sequence: str, maps: NDArray[np.uint8]) -> None:
    for number, values in enumerate(maps):
        write_mask(root / sequence / f"photo_{number:03}.png", values, "P")


def scored(root: Path, truth: dict[str, NDArray[np.uint8]], found: dict[str, NDArray[np.uint8]]) -> dict[str, float]:
    write_davis(root / "DAVIS", {name: len(maps) for name, maps in truth.items()})
    for name, maps in truth.items():
        label_maps(root / "Annotations_unsupervised" / "480p", name, maps)
        label_maps(root / "found", name, found[name])
    report = evaluate(
        "davis-unsupervised-objects",
        (root / "DAVIS", root / "Annotations_unsupervised" / "480p"),
        predictions=root / "found",
    )
    assert {score.kind for score in report.scores[:-2]} == {"oracle"}
    assert {score.kind for score in report.scores[-2:]} == {"floor"}
    return {score.name.removeprefix("ORACLE "): score.value for score in report.scores}


def test_golden(tmp_path: Path) -> None:
    golden = np.load(GOLDEN / "evaluation.npz")
    names = ("alpha", "beta", "gamma")
    truth, found = ({x: golden[f"davis/{x}/{kind}_unsup"] for x in names} for kind in ("gt", "pred"))
    values = scored(tmp_path, truth, found)
    names = ["J&F", *(f"{name} {part}" for name in "JF" for part in ("mean", "recall", "decay"))]
    assert list(values)[:-2] == names
    np.testing.assert_allclose([values[name] for name in names], golden["davis/unsup_global"], atol=1e-12)


def test_golden_objects() -> None:
    golden = np.load(GOLDEN / "evaluation.npz")
    names = [str(name).split("_")[0] for name in golden["davis/unsup_objects"]]
    parts = [f"{letter}_{part}" for letter in "JF" for part in SeriesStatistics._fields]
    expected = np.stack([golden[f"davis/unsup_{part}"] for part in parts], axis=1)  # (objects, 6)
    for video in dict.fromkeys(names):
        frames = zip(golden[f"davis/{video}/gt_unsup"], golden[f"davis/{video}/pred_unsup"], strict=True)
        objects = assigned(video_table([frame(*maps) for maps in frames], video))
        found = [[x for letter in (0, 1) for x in series_statistics(each[:, letter])] for each in objects]
        wanted = expected[[name == video for name in names]].tolist()  # in the order of the proposals
        np.testing.assert_allclose(sorted(found), sorted(wanted), rtol=0, atol=1e-12, err_msg=video)


def frame(truth: NDArray[np.uint8], found: NDArray[np.uint8]) -> FrameFits:
    known = Truth(truth > 0, list, numbers=truth)
    masks = [(found == number, 1.0, int(number)) for number in np.unique(found) if number]
    return PROTOCOL.evidence(known, from_masks(Source("x", "x"), truth.shape, masks))


def test_numbers_are_free(tmp_path: Path) -> None:
    other = np.select([OLD == 1, OLD == 2], [7, 3]).astype(np.uint8)
    assert scored(tmp_path, {"a": np.stack([OLD] * 3)}, {"a": np.stack([other] * 3)})["J&F"] == 1


def test_a_number_belongs_to_one_object_in_the_whole_video(tmp_path: Path) -> None:
    swapped = np.select([OLD == 1, OLD == 2], [2, 1])
    values = scored(tmp_path, {"a": np.stack([OLD] * 3)}, {"a": np.stack([OLD, OLD, swapped])})
    assert (values["J mean"], values["J recall"]) == (pytest.approx(2 / 3), pytest.approx(2 / 3))


def test_void_counts_for_nobody(tmp_path: Path) -> None:
    truth = np.where(square(0, 100, 20), 255, OLD)
    found = np.where(square(0, 100, 20), 3, OLD)
    assert scored(tmp_path, {"a": np.stack([truth] * 3)}, {"a": np.stack([found] * 3)})["J&F"] == 1


@pytest.mark.parametrize("name", FLOORS)
def test_a_floor_is_the_one_object_of_every_frame(tmp_path: Path, name: str) -> None:
    drawn, truth = 1 * FLOORS[name](SIZE), {"a": np.stack([OLD] * 3), "b": np.stack([1 * square(5, 5, 60)] * 3)}
    by_hand = scored(tmp_path / "by hand", truth, {"a": np.stack([drawn] * 3), "b": np.stack([drawn] * 3)})
    values = scored(tmp_path / "empty", truth, {x: 0 * maps for x, maps in truth.items()})
    assert values["J&F"] == 0
    assert values[f"J&F {name}"] == by_hand["J&F"] > 0


@pytest.mark.parametrize("name", ["davis-unsupervised-objects", "davis-propagation", "miou"])
def test_objects_of_cocos_json_have_no_lasting_numbers(tmp_path: Path, name: str) -> None:
    root = write_davis(tmp_path / "DAVIS", {"a": 3})
    (tmp_path / "found.json").write_text("[]")
    with pytest.raises(OptionError, match=f"{name} needs labels that last from picture to picture"):
        evaluate(name, root, predictions=tmp_path / "found.json")


def test_what_was_not_found_is_right_where_it_is_not_there() -> None:
    frames = [pairs([1], [1, 2], np.ones((1, 2, 2))), pairs([1], [1], np.ones((1, 1, 2)))]
    series = assigned(video_table(frames, "a"))
    assert [each[:, 0].tolist() for each in series] == [[1, 1], [0, 1]]


def test_numbers_between_are_no_objects(tmp_path: Path) -> None:
    gap = np.stack([np.select([OLD == 1, OLD == 2], [1, 200]).astype(np.uint8)] * 3)
    assert scored(tmp_path, {"a": gap}, {"a": np.where(gap == 200, 0, gap)})["J&F"] == 0.5
    assert scored(tmp_path / "b", {"a": gap}, {"a": gap})["J&F"] == 1


def test_label_maps_may_be_grey(tmp_path: Path) -> None:
    root = write_davis(tmp_path / "DAVIS", {"a": 3})
    for number in range(3):
        write_mask(tmp_path / "truth" / "a" / f"photo_{number:03}.png", OLD, "P")
        write_mask(tmp_path / "found" / "a" / f"photo_{number:03}.png", np.where(square(0, 100, 20), 255, OLD))
    report = evaluate("davis-unsupervised-objects", (root, tmp_path / "truth"), predictions=tmp_path / "found")
    assert report.headline is not None
    assert report.headline.value == 1


def test_objects_that_come_later_do_not_count() -> None:
    frames = [
        pairs([1], [1], np.ones((1, 1, 2))),
        pairs([1, 2], [1, 2], np.array([[[1, 1], [0, 0]], [[0, 0], [1, 1]]])),
    ]
    assert len(assigned(video_table(frames, "a"))) == 1


def test_more_than_20_proposals_are_refused() -> None:
    with pytest.raises(DatasetError, match="dog: 21 objects are predicted"):
        video_table([pairs(list(range(1, 22)), [1], np.zeros((21, 1, 2)))], "dog")


def test_a_video_without_objects_is_none(tmp_path: Path) -> None:
    nothing = {"a": np.zeros((2, *SIZE), np.uint8)}
    with pytest.raises(DatasetError, match="no video has an object"):
        scored(tmp_path, nothing, nothing)
