"""How single values become scores, and which protocols there are."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from dinoseg.errors import OptionError
from dinoseg.evaluation import PROTOCOLS, evaluate, make_protocol
from dinoseg.evaluation.aggregate import ORACLE, kind_of, mean_of, means
from dinoseg.evaluation.datasets.base import Truth
from dinoseg.evaluation.predictions.base import from_masks
from dinoseg.evaluation.protocols.masks import MaskProtocol, MeanProtocol
from dinoseg.evaluation.report import Row
from dinoseg.evaluation.resume import from_line, to_line
from dinoseg.segmentation import Segmentation
from dinoseg.types import Source
from tests.evaluation.sets import SIZE, square, write_pairs


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_says_what_it_measures(name: str) -> None:
    protocol = make_protocol(name)
    assert protocol.name == name
    assert len(protocol.definition) > 100
    assert protocol.definition.endswith(".")


def test_an_unknown_protocol_names_the_nearest() -> None:
    with pytest.raises(OptionError, match=r"forground is unknown\. Did you mean foreground\? There are: foreground, "):
        make_protocol("forground")


def row(id_: str, values: dict[str, float], sequence: str = "", classes: tuple[str, ...] = ()) -> Row[None]:
    return Row(id_, values, sequence, classes, evidence=None)


def test_images_count_alike() -> None:
    score = mean_of(
        "IoU",
        [row("a", {"IoU": 0.2}), row("b", {"IoU": 0.6}), row("c", {})],
    )
    assert (score.value, score.units, score.unit) == (pytest.approx(0.4), 2, "images")
    assert score.interval == pytest.approx((0.2, 0.6))


def test_videos_count_alike_however_long() -> None:
    rows = [row(f"a/{frame}", {"J": 1.0}, "a") for frame in range(9)] + [row("b/0", {"J": 0.0}, "b")]
    score = mean_of("J", rows)
    assert (score.value, score.units, score.unit) == (0.5, 2, "sequences")


def test_one_image_has_no_interval() -> None:
    assert mean_of("IoU", [row("a", {"IoU": 0.2})]).interval is None


def test_scores_come_in_the_order_of_measurement() -> None:
    rows = [row("a", {"z": 1.0, "a": 1.0}), row("b", {"m": 1.0, "a": 1.0})]
    assert [score.name for score in means(rows)] == ["z", "a", "m"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("IoU", "label-free"),
        (f"{ORACLE} best head", "oracle"),
        ("centred ellipse", "floor"),
        ("J whole image", "floor"),
        ("head 3", "label-free"),
    ],
)
def test_kinds(name: str, kind: str) -> None:
    assert kind_of(name) == kind


def truth_and_prediction() -> tuple[Truth, Segmentation]:
    """One frame with two classes and two numbered objects, one of which was predicted."""
    numbers = square(20, 30, 40).astype(np.uint8) + 2 * square(70, 80, 20)
    masks = [(square(20, 30, 20), 0.5, 1)]
    objects = [numbers == 1, numbers == 2]
    truth = Truth(numbers > 0, lambda: objects, class_map=(8 * (numbers > 0)).astype(np.uint8), numbers=numbers)
    return truth, from_masks(Source("a", "a"), SIZE, masks)


MASK_PROTOCOLS = [name for name in PROTOCOLS if isinstance(make_protocol(name), MaskProtocol)]


@pytest.mark.parametrize("name", MASK_PROTOCOLS)
def test_evidence_comes_back_from_the_journal(name: str) -> None:
    protocol = make_protocol(name)
    evidence = protocol.evidence(*truth_and_prediction())
    again = protocol.restore(from_line(to_line({"evidence": evidence}))["evidence"])
    assert type(again) is type(evidence)
    np.testing.assert_equal(again, evidence)


class Coverage(MeanProtocol):
    """As little as a protocol needs."""

    name = "coverage"
    definition = "Share of the picture that is masked."

    def values(self, truth: Truth, prediction: Segmentation) -> dict[str, float]:
        return {"coverage": float(prediction.mask.mean())}


def test_a_protocol_is_a_class_and_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROTOCOLS, "coverage", f"{__name__}:Coverage")
    monkeypatch.setitem(sys.modules, __name__, SimpleNamespace(Coverage=Coverage))
    report = evaluate("coverage", write_pairs(tmp_path / "set", 2), predictions=tmp_path / "set" / "masks")
    assert [score.value for score in report.scores] == [square().mean()]
    assert "Share of the picture" in report.to_markdown()
