"""All results on one page: tables with intervals, bar plots, and what each number was made with.

    python benchmarks/page.py reports/ benchmarks/results -o page.md

Takes files and folders: reports of ``dinoseg evaluate -o`` and the JSON files of ``benchmarks/`` that have scores.
Writes page.md, and a page-NAME.png for each protocol and each benchmark beside it.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import PIL.Image
from harness import command_line, shortened
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from page_parts import Bar, Part, read

from dinoseg.evaluation.report import one_line

ACROSS = 3
"""Panels side by side, at most."""
SMALL = 0.2
"""A panel in which nothing is above this is enlarged."""
SHADES = 64
"""Colours of a plot's file."""
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
    ends = [end for _, number in there for end in (number.value, *(number.interval or ()))]
    low, high = min(0, *ends), max(0, *ends)
    axes.set_xlim(1.05 * low, max(1, high) if high > SMALL else 1.05 * high)
    axes.grid(axis="x", alpha=0.3)
    axes.set_title(title, fontsize=8, loc="left")


# The command.


def main(words: Sequence[str]) -> None:
    parser = command_line(__doc__, output=False)
    parser.add_argument("results", nargs="+", type=Path, help="JSON files, or folders of them")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="PAGE.md")
    arguments = parser.parse_args(words)
    parts, without = read(arguments.results, shortened)
    if not parts:
        raise SystemExit(f"no scores in {', '.join(map(str, arguments.results))}: give reports of dinoseg evaluate -o")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    sections = [HEAD]
    for name in dict.fromkeys(part.name for part in parts):
        sections += of_one(name, [part for part in parts if part.name == name], arguments.output)
    if without:
        sections.append(f"Without scores: {', '.join(link(path, arguments.output) for path in without)}.\n")
    arguments.output.write_text("\n".join(sections))
    print(arguments.output)


def of_one(name: str, parts: Sequence[Part], page: Path) -> Iterator[str]:
    """Everything of one protocol or benchmark."""
    yield from map(section, parts)
    for path in dict.fromkeys(part.path for part in parts if part.path):
        yield f"All of it: {link(path, page)}.\n"
    if any(part.bars for part in parts):
        picture = page.with_name(f"{page.stem}-{name}.png")
        save(plot(parts), picture)
        yield f"![{name}]({picture.name})\n"


def link(path: Path, page: Path) -> str:
    """A result's own page where it has one, otherwise its file."""
    told = path.with_suffix(".md") if path.with_suffix(".md").exists() else path
    return f"[{told.name}]({Path(os.path.relpath(told, page.parent)).as_posix()})"


def save(figure: Figure, path: Path) -> None:
    """The plot in few colours, which makes a small file."""
    with io.BytesIO() as drawn:
        figure.savefig(drawn, dpi=90)
        PIL.Image.open(drawn).convert("RGB").quantize(SHADES).save(path, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
