"""Charts are well-formed and put every value at its place."""

import math
import re
import xml.etree.ElementTree as ET

import pytest

from dinoseg.training.curves import BOTTOM, HEIGHT, LEFT, MOST, RIGHT, TOP, WIDTH, Axes, Chart, round_values, thin


@pytest.mark.parametrize(
    "points",
    [
        [],
        [(0.0, 1.0)],
        [(0.0, 1.0), (1.0, 1.0)],  # level
        [(0.0, -2.0), (3.0, 5.0)],
        [(0.0, math.nan), (1.0, 2.0), (2.0, math.inf)],
        [(step / 10, math.sin(step)) for step in range(5000)],
    ],
)
def test_any_line_becomes_svg_within_its_frame(points):
    svg = Chart("A & <b>", "", {"line": points}, {"floor": 0.5}).svg()
    root = ET.fromstring(svg)
    assert root.get("aria-label") == "A & <b>"
    places = [tuple(map(float, place)) for place in re.findall(r"(-?[\d.]+),(-?[\d.]+)", svg)]
    assert all(LEFT - 0.1 <= x <= WIDTH - RIGHT + 0.1 and TOP - 0.1 <= y <= HEIGHT - BOTTOM + 0.1 for x, y in places)
    assert len(svg) < 12_000


def test_up_is_more_and_right_is_later():
    axes = Axes((0, 10), (0, 1))
    assert axes.place(0, 0) == (LEFT, HEIGHT - BOTTOM)
    assert axes.place(10, 1) == (WIDTH - RIGHT, TOP)


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.0), (3.0, 3.0), (-1.0, 7.3), (1e-6, 5e-4)])
def test_ticks_hold_the_range_and_differ(low, high):
    ticks = round_values(low, high)
    assert min(ticks) <= low
    assert max(ticks) >= high
    assert len(set(ticks)) >= 2


def test_long_lines_are_averaged():
    line = thin([(float(x), float(x % 2)) for x in range(10 * MOST)])
    assert len(line) == MOST
    assert all(y == pytest.approx(0.5) for _, y in line)
    assert line[0][0] == pytest.approx(4.5)
