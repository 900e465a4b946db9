"""All results on one page: tables with intervals, bar plots, and what each number was made with.

    python benchmarks/page.py reports/ benchmarks/results -o page.md

Takes files and folders: reports of ``dinoseg evaluate -o`` and the JSON files of ``benchmarks/`` that have scores.
Writes page.md, and a page-NAME.png for each protocol and each benchmark beside it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from command import shortened
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from page_parts import Bar, Part, read

from dinoseg.evaluation.report import one_line

ACROSS = 3
"""Panels side by side, at most."""
COLOURS = {"floor": "0.65", "oracle": "tab:orange"}
HEAD = """# Results

Values with 95 % bootstrap intervals. Floors, which any network must beat, come first. ORACLE: the ground truth chose
something. PARTIAL: pictures failed and are left out. FAILED: pictures failed, so there is no score. In the plots floors
are grey, ORACLE is orange, and pale is what its table has a remark on.
"""


# Markdown.


def section(part: Part) -> str:
    """A table and its notes."""
    lines = [f"## {one_line(part.title)}\n", *(f"{one_line(text)}\n" for text in part.about)]
    lines += [f"| | {' | '.join(map(one_line, part.columns))} |", "| --- " * (len(part.columns) + 1) + "|"]
    for row in part.rows:
        cells = [str(part.cells.get((row, column), "")) for column in part.columns]
        lines.append(f"| {one_line(row)} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *part.notes, ""])


# Plots.


def plot(parts: Sequence[Part]) -> Figure:
    """The bars of all parts, a panel for each set of pictures: side by side where they show the same things."""
    panels = [panel for part in parts for panel in part.bars.items()]
    same = len({tuple(bar.label for bar in bars) for _, bars in panels}) == 1
    across = min(ACROSS, len(panels)) if same else 1
    heights = [0.8 + 0.2 * len(bars) for _, bars in panels[::across]]  # inches
    figure = Figure(figsize=(5 + 3.4 * across, sum(heights)), layout="constrained")
    every = list(figure.subplots(len(heights), across, squeeze=False, height_ratios=heights).flat)
    for number, (axes, (title, bars)) in enumerate(zip(every, panels, strict=False)):
        draw(axes, title, bars)
        if number % across:
            axes.set_yticklabels([])
    for axes in every[len(panels) :]:
        axes.set_axis_off()
    return figure


def draw(axes: Axes, title: str, bars: Sequence[Bar]) -> None:
    """One panel, its first bar on top."""
    there = [(place, bar.number) for place, bar in enumerate(bars) if bar.number]
    for place, number in there:
        axes.barh(place, number.value, color=COLOURS.get(number.kind, "tab:blue"), alpha=0.4 if number.remark else 1)
        if number.interval:
            axes.plot(number.interval, [place, place], color="black", linewidth=1.2)
    axes.set_yticks(range(len(bars)), [bar.label for bar in bars], fontsize=7)
    axes.set_ylim(len(bars) - 0.4, -0.6)
    values = [number.value for _, number in there]
    axes.set_xlim(min(0, *values), max(1, *values))
    axes.grid(axis="x", alpha=0.3)
    axes.set_title(title, fontsize=8, loc="left")


# The command.


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", type=Path, help="JSON files, or folders of them")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="PAGE.md")
    arguments = parser.parse_args(words)
    parts, without = read(arguments.results, shortened)
    if not parts:
        raise SystemExit(f"no scores in {', '.join(map(str, arguments.results))}: give reports of dinoseg evaluate -o")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    sections = []
    for name in dict.fromkeys(part.name for part in parts):
        here = [part for part in parts if part.name == name]
        sections += map(section, here)
        if any(part.bars for part in here):
            picture = arguments.output.with_name(f"{arguments.output.stem}-{name}.png")
            plot(here).savefig(picture, dpi=90)
            sections.append(f"![{name}]({picture.name})\n")
    if without:
        sections.append(f"Without scores: {', '.join(without)}.\n")
    arguments.output.write_text("\n".join([HEAD, *sections]))
    print(arguments.output)


if __name__ == "__main__":
    main(sys.argv[1:])
