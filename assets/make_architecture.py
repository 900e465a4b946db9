"""The drawing of docs/architecture.md, from the imports that run when the package is loaded.

    python assets/make_architecture.py

Writes docs/architecture.svg: a box for each room, above all rooms that it imports; a line where the import is not
already said by a longer way (transitive reduction). tests/docs/test_pages.py compares it with the code.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "dinoseg"
DRAWING = ROOT / "docs" / "architecture.svg"
GROUND = (
    *("errors", "files", "method", "options", "types", "atomic"),
    *("places", "registry", "rle", "strict_json", "version"),
)
"""Files that every room may import: one box, no lines."""
ROAD = ("images", "backbone", "encoding", "methods", "refine", "outputs", "pipeline", "folder")
"""What a photograph passes: drawn in colour."""
SAID = {
    "app": "a page in the browser",
    "attention": "maps of any query, layer",
    "attention_folder": "figures of a folder",
    "backbone": "weights to networks",
    "cli": "options in, exit code out",
    "compression": "smaller copies",
    "correspondence": "what is like what",
    "draw": "colours, overlays, figures",
    "encoding": "photographs to features",
    "evaluation": "protocols, reports",
    "extraction": "features as files",
    "folder": "runs over folders",
    "grouping": "labels over a folder",
    "exporting": "networks as ONNX",
    "heads": "segmentation heads",
    "images": "find, decode, fit",
    "learning": "what learners share",
    "methods": "features to proposals",
    "outputs": "formats, manifest",
    "picture": "one cut-out",
    "pipeline": "the road itself",
    "propagate": "labels, frame to frame",
    "refine": "proposals to masks",
    "runs": "what may be killed",
    "segmentation": "the objects of an image",
    "smoothing": "steady masks of videos",
    "tracking": "objects through videos",
    "training": "DINO, distillation",
    "video_folder": "runs over videos",
}
"""A few words for each room."""
WIDTH, ROW, BOX, HIGH = 960, 96, 146, 46  # px


def run_at_import(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run when a module is loaded: not those of functions, not those for type checkers."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
            yield from run_at_import(statement.orelse)
        elif not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            for part in ("body", "orelse", "finalbody"):
                yield from run_at_import(getattr(statement, part, []))


def imports() -> dict[str, set[str]]:
    """The rooms that each room imports, but for itself and the ground floor."""
    rooms: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        names = rooms.setdefault(room, set())
        for statement in run_at_import(ast.parse(path.read_text(encoding="utf-8")).body):
            if isinstance(statement, ast.ImportFrom) and statement.module:
                names |= {f"{statement.module}.{name.name}" for name in statement.names}
            elif isinstance(statement, ast.Import):
                names |= {name.name for name in statement.names}
    there = {room for room in rooms if not room.startswith("__") and room not in GROUND and has_code(room)}
    used = {room: {name.split(".")[1] for name in rooms[room] if name.startswith("dinoseg.")} for room in there}
    return {room: (used[room] & there) - {room} for room in sorted(there)}


def has_code(room: str) -> bool:
    """Whether it is more than a folder of data."""
    return (PACKAGE / f"{room}.py").is_file() or (PACKAGE / room / "__init__.py").is_file()


def below(graph: Mapping[str, set[str]], room: str) -> set[str]:
    """All rooms that it imports, by however long a way."""
    return graph[room].union(*(below(graph, other) for other in graph[room]))


def reduced(graph: Mapping[str, set[str]]) -> dict[str, list[str]]:
    """The imports that no longer way says already."""
    return {
        room: sorted(one for one in used if not any(one in below(graph, other) for other in used))
        for room, used in graph.items()
    }


def levels(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Rooms by the longest way down, the lowest first."""
    height: dict[str, int] = {}

    def measure(room: str) -> int:
        if room not in height:
            height[room] = 1 + max((measure(other) for other in graph[room]), default=-1)
        return height[room]

    rows: list[list[str]] = [[] for _ in range(1 + max(map(measure, graph)))]
    for room in graph:
        rows[height[room]].append(room)
    return rows


def places(graph: Mapping[str, set[str]]) -> dict[str, tuple[float, int]]:
    """Centre of each room's box, px; rooms stand near those that they import."""
    lines, rows, x = reduced(graph), levels(graph), {}
    for row in rows:
        aim = {room: sum(x[other] for other in lines[room]) / max(len(lines[room]), 1) for room in row}
        row.sort(key=lambda room: (aim[room], room))
        x |= {room: WIDTH * (index + 0.5) / len(row) for index, room in enumerate(row)}
    bottom = ROW * len(rows) - ROW // 2
    return {room: (x[room], bottom - ROW * number) for number, row in enumerate(rows) for room in row}


def box(centre: tuple[float, float], width: float, title: str, said: str, kind: str) -> str:
    x, y = centre
    return (
        f'<rect class="{kind}" x="{x - width / 2:.0f}" y="{y - HIGH / 2:.0f}" width="{width:.0f}" height="{HIGH}"/>'
        f'<text class="title" x="{x:.0f}" y="{y - 3:.0f}">{escape(title)}</text>'
        f'<text class="said" x="{x:.0f}" y="{y + 14:.0f}">{escape(said)}</text>'
    )


def line(upper: tuple[float, float], lower: tuple[float, float]) -> str:
    (x1, y1), (x2, y2) = upper, lower
    top, end = y1 + HIGH / 2, y2 - HIGH / 2
    bend = (end - top) / 2
    return f'<path d="M{x1:.0f} {top:.0f} C{x1:.0f} {top + bend:.0f} {x2:.0f} {end - bend:.0f} {x2:.0f} {end:.0f}"/>'


STYLE = """
svg { background: #fff; font-family: sans-serif; text-anchor: middle }
rect { fill: #f4f4f4; stroke: #888; rx: 6 } rect.road { fill: #dcebfb; stroke: #2b6cb0 } rect.ground { fill: #eee7d8 }
path { fill: none; stroke: #999; stroke-width: 1.2 }
.title { font-size: 14px; font-weight: bold; fill: #222 } .said { font-size: 11px; fill: #555 }
"""


def drawing() -> str:
    """The whole picture as SVG."""
    graph = imports()
    where = places(graph)
    floor = ROW * len(levels(graph)) + ROW // 3
    parts = [line(where[room], where[other]) for room, used in reduced(graph).items() for other in used]
    parts += [box(where[room], BOX, room, SAID.get(room, ""), "road" if room in ROAD else "room") for room in where]
    parts.append(
        box((WIDTH / 2, floor), WIDTH - 60, ", ".join(GROUND), "without torch; every room may import these", "ground")
    )
    height = floor + ROW // 3
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}">'
    return "\n".join([head, f"<style>{STYLE}</style>", *parts, "</svg>\n"])


if __name__ == "__main__":
    DRAWING.write_text(drawing(), encoding="utf-8")
