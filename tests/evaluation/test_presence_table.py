"""The benchmark of presence: its crops, its figures, its files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dinoseg.evaluation.datasets.base import Truth
from tests.evaluation.sets import square, write_mask
from tests.helpers import write_images

bench = pytest.importorskip("benchmarks.presence", reason="the benchmarks are in the repository only")
SIZE = (200, 300)


def truth(mask, void=None):
    return Truth(mask, lambda: [mask], void)


@pytest.mark.parametrize("seed", range(5))
def test_crops_are_of_one_size_and_hold_what_they_should(seed):
    mask = square(60, 180, 60, SIZE)
    void = square(60, 170, 10, SIZE)
    pixels = np.stack([255 * mask, 255 * void, np.zeros_like(mask)], axis=-1).astype(np.uint8)
    found = bench.views(pixels, truth(mask, void), np.random.default_rng(seed))
    empty, crop, shrunk = (found[view] for view in bench.VIEWS)
    assert not empty.any()
    assert 0.1 <= (crop[..., 0] > 0).mean() <= 0.7
    assert empty.shape == crop.shape
    assert empty.shape[0] == empty.shape[1] == max(shrunk.shape[:2]) >= bench.SMALLEST


@pytest.mark.parametrize(
    "mask",
    [
        np.ones(SIZE, bool),  # nowhere is nothing
        np.zeros(SIZE, bool),  # nowhere is something
        square(40, 90, 120, SIZE),  # the sides are narrower than the smallest crop
        square(10, 10, 30, (90, 300)),  # so is the picture
    ],
)
def test_a_picture_without_room_for_both_crops_is_left_out(mask):
    assert not bench.views(np.zeros((*mask.shape, 3), np.uint8), truth(mask), np.random.default_rng(0))


def seen(chance, view, source="a", x=0.0):
    return bench.Seen("DUTS", source, True, view, (x, -x), {bench.PRESENCE: chance})


def test_auroc_is_over_views_of_that_kind():
    rows = [seen(0.1, "empty", "a"), seen(0.3, "empty", "b"), seen(0.2, "object", "a"), seen(0.4, "object", "b")]
    rows += [seen(0.0, "shrunk", "a"), seen(0.0, "shrunk", "b")]
    figures = bench.auroc(rows, bench.PRESENCE, "object")
    assert figures["value"] == 0.75
    assert figures["pictures"] == 2
    assert figures["low"] <= 0.75 <= figures["high"]
    assert bench.auroc(rows, bench.PRESENCE, "shrunk")["value"] == 0


def test_calibration_weighs_empty_views_as_both_others():
    rows = [seen(0.25, "empty"), seen(0.25, "object"), seen(0.75, "shrunk")]
    figures = bench.calibration(rows)
    assert figures["brier"] == pytest.approx((2 * 0.25**2 + 0.75**2 + 0.25**2) / 4)
    assert [row["true"] for row in figures["bins"]] == pytest.approx([1 / 3, 1])
    assert figures["ece"] == pytest.approx(0.75 * (1 / 3 - 0.25) + 0.25 * 0.25)


def test_refused_are_those_below_the_threshold():
    rows = [seen(0.2, "empty"), seen(0.04, "empty"), seen(0.2, "object"), seen(0.9, "shrunk")]
    assert bench.refused(rows)["0.2"] == {"empty": 0.5, "object": 0, "shrunk": 0}


def test_the_fit_finds_the_cue_that_tells():
    random = np.random.default_rng(0)
    rows = [seen(0, view, x=random.normal(3 * (view != "empty"))) for view in bench.VIEWS * 50]
    intercept, first, second = bench.fitted(rows)
    assert first > 0.3
    assert second < -0.3
    assert -(intercept / (first - second)) == pytest.approx(1.5, abs=0.4)  # the middle between both kinds


def test_neighbours_and_eigenvalue_of_two_halves():
    import torch

    tokens = torch.zeros(6, 8, 4)
    tokens[:, :4, 0] = tokens[:, 4:, 1] = 2
    assert bench.neighbours(tokens) == pytest.approx((40 + 36) / (40 + 42))
    assert bench.second_eigenvalue(tokens.flatten(0, 1)) == pytest.approx(0, abs=1e-3)
    assert bench.second_eigenvalue(torch.ones(48, 4)) == pytest.approx(1, abs=1e-6)


def test_files_and_coefficients_of_a_run(tmp_path: Path, small_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in write_images(tmp_path / "data" / "duts" / "images", 4, height=200, width=300):
        write_mask(tmp_path / "data" / "duts" / "masks" / f"{path.stem}.png", 255 * square(60, 180, 60, SIZE))
    words = [
        "--data",
        str(tmp_path / "data"),
        "--models",
        str(small_model),
        "--cache",
        str(tmp_path / "cache"),
        "--fit",
    ]
    words += ["-o", str(tmp_path / "out" / "presence")]
    bench.main(words)
    first, told = (tmp_path / "out" / "presence.md").read_text(), capsys.readouterr().out
    assert "| small | DUTS | presence |" in first
    assert len(told.splitlines()[0].split(", ")) == 3
    assert (tmp_path / "out" / "presence.png").stat().st_size > 0
    content = (tmp_path / "out" / "presence.json").read_text()
    assert str(tmp_path) not in content + first
    assert json.loads(content)["results"][0]["auroc"]["all, presence, object"]["pictures"] == 2

    bench.main(words)  # from the cache
    assert capsys.readouterr().out.splitlines()[0] == told.splitlines()[0]
