"""How single values become scores, and which protocols there are."""

from __future__ import annotations

import pytest

from dinoseg.errors import OptionError
from dinoseg.evaluation import PROTOCOLS, make_protocol
from dinoseg.evaluation.aggregate import ORACLE, kind_of, mean_of, means
from dinoseg.evaluation.report import Row


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_says_what_it_measures(name: str) -> None:
    protocol = make_protocol(name)
    assert protocol.name == name
    assert len(protocol.definition) > 100
    assert protocol.definition.endswith(".")


def test_an_unknown_protocol_names_the_nearest() -> None:
    with pytest.raises(
        OptionError, match=r"'forground' is unknown: there are foreground, .* Did you mean foreground\?"
    ):
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
