"""One evaluation from the data set to the report."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dinoseg import pipeline
from dinoseg.errors import DatasetError, InputNotFound, OptionError, OutputConflict, TruncatedImage
from dinoseg.evaluation import evaluate
from dinoseg.evaluation.checkout import commit
from dinoseg.evaluation.metrics.masks import jaccard
from dinoseg.evaluation.predictions import method
from dinoseg.evaluation.protocols.foreground import Foreground
from dinoseg.evaluation.run import run
from dinoseg.options import EvaluateOptions, SegmentOptions, values
from dinoseg.pipeline import Finished
from dinoseg.places import claimed
from dinoseg.types import Failure, Source
from tests.evaluation.results import finished, heads, segmentation
from tests.evaluation.sets import SIZE, square, write_davis, write_mask, write_pairs, write_voc, write_voc_boxes
from tests.helpers import exhaust_opencv

HALF = square(20, 30, 20)  # a quarter of the square that the masks of write_pairs hold


class FakeSegmenter:
    """Finds ``HALF`` in every picture, the odd ones' whole square, and fails where it is told to."""

    broken: tuple[str, ...] = ()
    method = SimpleNamespace(identity=dict)

    @classmethod
    def of(cls, options: SegmentOptions) -> FakeSegmenter:
        return cls(**values(options))

    def __init__(self, **options: Any) -> None:
        self.options = SegmentOptions(**options)
        spec = SimpleNamespace(sha256="ab", patch=10, mean=(0.5,) * 3, std=(0.5,) * 3)
        self.backbone = (
            SimpleNamespace(spec=spec, device="cpu", runtime="torch") if options["method"] != "prior" else None
        )

    def run(self, sources: Iterable[Source]) -> Iterator[Finished | Failure]:
        for source in sources:
            if source.id in self.broken:
                yield Failure(source.id, TruncatedImage("half of it"))
            else:
                mask = square() if int(Path(source.id).stem[-1]) % 2 else HALF
                yield finished(segmentation([mask], heads(square(16, 32, 32))), source)


@pytest.fixture
def faked(monkeypatch: pytest.MonkeyPatch) -> type[FakeSegmenter]:
    monkeypatch.setattr(FakeSegmenter, "broken", ())
    monkeypatch.setattr(method, "Segmenter", FakeSegmenter)
    return FakeSegmenter


@pytest.mark.usefixtures("faked")
@pytest.mark.parametrize(
    ("split", "every", "expected"), [("all", 1, 5 / 8), ("even", 1, 1 / 4), ("odd", 1, 1), ("even", 2, 1 / 4)]
)
def test_the_score_is_the_mean_over_the_chosen_pictures(
    tmp_path: Path, split: str, every: int, expected: float
) -> None:
    report = evaluate("foreground", write_pairs(tmp_path, 4), split=split, every=every)
    assert report.headline is not None
    assert (report.headline.name, report.headline.value) == ("IoU", expected)
    assert (report.images, report.split, report.every) == (len(report.rows), split, every)
    floors = [score.name for score in report.scores if score.kind == "floor"]
    assert floors == ["centred ellipse", "whole image"]


@pytest.mark.usefixtures("faked")
def test_the_report_says_what_was_run(tmp_path: Path) -> None:
    root, out = write_pairs(tmp_path / "my set", 2), tmp_path / "out"
    report = evaluate("foreground", root, method="kmeans", param=("k=3", "seed=1"), partial=True, output=out)
    assert report.command == (
        f"dinoseg evaluate foreground '{root}' --method kmeans --param k=3 --param seed=1 --partial --output {out}"
    )
    assert (report.model, report.sha256, report.device, report.size) == ("builtin", "ab", "cpu", 320)
    assert report.options["param"] == ("k=3", "seed=1")
    written = json.loads((out / "report.json").read_text())
    assert (written["images"], written["commit"], written["seed"]) == (2, commit(), 0)


@pytest.mark.usefixtures("faked")
def test_a_method_without_network_has_no_model(tmp_path: Path) -> None:
    report = evaluate("foreground", write_pairs(tmp_path, 2), method="prior")
    assert (report.model, report.sha256, report.size) == (None, None, 320)
    assert "- network: none" in report.to_markdown().splitlines()


def test_no_number_when_a_picture_failed_unless_partial(tmp_path: Path, faked: type[FakeSegmenter]) -> None:
    root = write_pairs(tmp_path, 4)
    faked.broken = ("photo_001.jpg",)
    report = evaluate("foreground", root)
    assert report.headline is None
    assert report.failed == (("photo_001.jpg", "truncated"),)
    assert report.images == len(report.rows) == 3
    partial = evaluate("foreground", root, partial=True)
    assert partial.headline is not None
    assert partial.headline.value == pytest.approx((1 / 4 + 1 / 4 + 1) / 3)
    assert partial.failed == report.failed


@pytest.mark.usefixtures("faked")
@pytest.mark.usefixtures("faked")
def test_memory_that_a_measure_lacks_costs_that_picture_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, row = write_pairs(tmp_path, 3), Foreground.row
    monkeypatch.setattr(
        Foreground, "row", lambda *args: exhaust_opencv() if args[1].id == "photo_001.jpg" else row(*args)
    )
    report = evaluate("foreground", root)
    assert report.failed == (("photo_001.jpg", "oom"),)
    assert report.images == 2


def test_g94_half_a_download_is_told_before_anything_is_computed(tmp_path: Path) -> None:
    root = write_pairs(tmp_path / "set", 4)
    (root / "masks" / "photo_002.png").unlink()
    (root / "images" / "photo_003.jpg").unlink()
    told = (
        r"2 of 4 pictures of set cannot be scored\. Not there: \S+/masks/photo_002\.png, \S+/images/photo_003\.jpg\. "
        r"Is it half a download\? --partial scores the others\."
    )
    with pytest.raises(DatasetError, match=told):
        evaluate("foreground", root)
    report = evaluate("foreground", root, partial=True)
    assert report.failed == (("photo_002.jpg", "missing_mask"), ("photo_003.jpg", "missing_image"))
    assert [row.id for row in report.rows] == ["photo_000.jpg", "photo_001.jpg"]
    assert "**Partial**" in report.to_markdown()


@pytest.mark.usefixtures("faked")
def test_lists_of_boxes_are_for_protocols_of_boxes(tmp_path: Path) -> None:
    root = write_voc_boxes(tmp_path / "VOC2007", [(21, 31, 60, 70), (1, 1, 9, 9)])
    with pytest.raises(DatasetError, match=r"VOC2007 \(PASCAL VOC, Main/trainval\) has boxes only, and saliency needs"):
        evaluate("saliency", root, image_set="Main/trainval")
    report = evaluate("corloc", root, image_set="Main/trainval")
    assert [row.values["CorLoc"] for row in report.rows] == [0, 0]


@pytest.mark.usefixtures("faked")
def test_g95_a_mask_of_another_size_is_an_error_with_both_sizes(tmp_path: Path) -> None:
    root = write_pairs(tmp_path, 2)
    write_mask(root / "masks" / "photo_001.png", np.zeros((50, 60)))
    with pytest.raises(DatasetError, match=r"photo_001\.png is 60 x 50 px, but .*photo_001\.jpg 128 x 96"):
        evaluate("foreground", root)


@pytest.mark.usefixtures("faked")
def test_g98_absent_classes_are_listed(tmp_path: Path) -> None:
    report = evaluate("foreground", write_voc(tmp_path, [np.full(SIZE, 8), np.full(SIZE, 15)]))
    assert len(report.absent) == 18
    assert "cat" not in report.absent
    assert {"IoU, cat", "IoU, person", "IoU, mean over classes"} <= {score.name for score in report.scores}


@pytest.mark.usefixtures("faked")
def test_videos_are_split_by_name_and_scored_by_sequence(tmp_path: Path) -> None:
    report = evaluate("davis-unsupervised", write_davis(tmp_path, {"a": 2, "b": 3, "c": 2}), split="even")
    assert {row.sequence for row in report.rows} == {"a", "c"}
    assert (report.headline.name, report.headline.units) == ("J mean", 2)  # type: ignore[union-attr]


@pytest.mark.usefixtures("faked")
def test_the_attention_protocol_chooses_its_method_and_refuses_others(tmp_path: Path) -> None:
    report = evaluate("attention-jaccard", write_pairs(tmp_path, 2))
    assert (report.options["method"], report.options["refine"]) == ("attention", "none")
    assert report.headline.name.startswith("ORACLE")  # type: ignore[union-attr]
    with pytest.raises(OptionError, match="measures attention maps, not the masks of tokencut"):
        evaluate("attention-jaccard", tmp_path, method="tokencut")


@pytest.mark.usefixtures("faked")
def test_an_earlier_report_is_kept_unless_asked(tmp_path: Path) -> None:
    root = write_pairs(tmp_path, 2)
    evaluate("foreground", root, output=tmp_path / "out")
    with pytest.raises(OutputConflict):
        evaluate("foreground", root, output=tmp_path / "out")
    evaluate("foreground", root, output=tmp_path / "out", split="odd", overwrite=True)
    assert json.loads((tmp_path / "out" / "report.json").read_text())["split"] == "odd"


@pytest.mark.usefixtures("faked")
def test_b34_a_place_that_cannot_hold_the_report_is_refused_before_the_data_is_read(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    (tmp_path / "no data").mkdir()
    with pytest.raises(OutputConflict, match="name another folder"):
        evaluate("foreground", tmp_path / "no data", output=tmp_path / "out")


@pytest.mark.usefixtures("faked")
def test_d62_the_folder_of_the_report_belongs_to_one_run(tmp_path: Path) -> None:
    root, out = write_pairs(tmp_path / "set", 2), tmp_path / "out"
    with claimed(out), pytest.raises(OutputConflict, match="in use by another run"):
        evaluate("foreground", root, output=out)
    assert not (out / "report.json").exists()
    evaluate("foreground", root, output=out)
    assert (out / "report.json").exists()


@pytest.mark.usefixtures("faked")
def test_wrong_use_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputNotFound):
        evaluate("foreground", tmp_path / "no data", output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_pictures_cannot_be_thinned_to_less_than_one(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="--every 0"):
        evaluate("foreground", tmp_path, every=0)


@pytest.mark.usefixtures("faked")
def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    run("foreground", write_pairs(tmp_path, 3), EvaluateOptions(), lambda *counts: told.append(counts))
    assert told == [(1, 3), (2, 3), (3, 3)]


# No number where something failed: one prediction of a whole folder is missing.

PICTURES = ("foreground", "saliency", "corloc", "ap", "miou")
VIDEOS = ("davis-unsupervised", "davis-unsupervised-objects", "davis-propagation")


@pytest.mark.parametrize("protocol", [*PICTURES, *VIDEOS])
def test_no_protocol_gives_a_number_when_a_picture_failed(tmp_path: Path, protocol: str) -> None:
    if protocol in VIDEOS:
        root = write_davis(tmp_path / "set", {"a": 4, "b": 4})
        names = [f"{sequence}/photo_00{number}" for sequence in "ab" for number in range(4)]
    else:
        root = write_voc(tmp_path / "set", [8 * square()] * 4, [square()] * 4)
        names = [f"photo_00{number}" for number in range(4)]
    for name in names[:-1]:
        write_mask(tmp_path / "found" / f"{name}.png", square(), "P")
    report = evaluate(protocol, root, predictions=tmp_path / "found")
    assert report.failed == ((f"{names[-1]}.jpg", "missing_prediction"),)
    assert (report.headline, report.scores) == (None, ())
    assert "**No score**" in report.to_markdown()
    partial = evaluate(protocol, root, predictions=tmp_path / "found", partial=True)
    assert partial.headline is not None
    assert partial.headline.value == 1
    assert "**Partial**" in partial.to_markdown()


@pytest.mark.parametrize("protocol", VIDEOS)
def test_single_pictures_are_no_video(tmp_path: Path, protocol: str) -> None:
    root = write_pairs(tmp_path / "set", 3)
    with pytest.raises(DatasetError, match=r"set \(images \+ masks\) has single pictures, and davis-\S+ needs videos"):
        evaluate(protocol, root, predictions=root / "masks")


# The real road, with a network that was never trained to see anything.


def scores(path: Path) -> dict[str, list[float]]:
    with path.open() as file:
        return {
            row["id"]: [float(row["IoU"]), float(row["ORACLE best head (60 % mass)"])] for row in csv.DictReader(file)
        }


def test_g103_batch_size_workers_order_and_halves_change_no_score(
    tmp_path: Path, small_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_pairs(tmp_path / "set", 6)
    options = {"method": "attention", "model": str(small_model), "heads": 2}
    for name, more in {"one": {}, "four": {"batch": 4}, "even": {"split": "even"}, "odd": {"split": "odd"}}.items():
        evaluate("foreground", root, output=tmp_path / name, **options, **more)
    monkeypatch.setattr(pipeline, "WORKERS", 1)
    evaluate("foreground", root, output=tmp_path / "worker", **options)
    one, four, even, odd, worker = (
        scores(tmp_path / name / "scores.csv") for name in ("one", "four", "even", "odd", "worker")
    )
    assert len(one) == 6
    assert even | odd == worker == one
    assert list(one) == sorted(one)  # whatever the folder's order is, the bootstrap sees this one
    for id_, expected in one.items():
        assert four[id_] == pytest.approx(expected, abs=0.02)  # float32 sums in another order: a patch may tip over


def test_the_scores_are_those_of_the_masks_that_segment_gives(tmp_path: Path, small_model: Path) -> None:
    from dinoseg.pipeline import Segmenter

    root = write_pairs(tmp_path, 2)
    report = evaluate("foreground", root, method="attention", model=str(small_model), heads=2)
    segmenter = Segmenter(method="attention", model=str(small_model), heads=2)
    for row in report.rows:
        mask = segmenter(root / "images" / row.id).mask
        assert row.values["IoU"] == jaccard(mask, square())


def test_random_weights_are_another_network_of_the_same_shape(tmp_path: Path, small_model: Path) -> None:
    options = {"method": "attention", "model": str(small_model), "heads": 2}
    root = write_pairs(tmp_path, 3)
    trained = evaluate("foreground", root, **options)
    first, second = (evaluate("foreground", root, random_weights=True, **options) for _ in range(2))
    assert first.model == f"random weights in the shape of {small_model}"
    assert first.sha256 == second.sha256 != trained.sha256
    assert [row.values for row in first.rows] == [row.values for row in second.rows]
    assert [row.values for row in first.rows] != [row.values for row in trained.rows]
    with pytest.raises(OptionError, match="the method prior has no network"):
        evaluate("foreground", root, random_weights=True, method="prior", model=str(small_model), heads=2)
