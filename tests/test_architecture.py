"""The house of CONTRIBUTING.md, held over the syntax trees."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import dinoseg

PACKAGE = Path(dinoseg.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

GROUND = {
    *("errors", "files", "method", "options", "types", "atomic"),
    *("places", "registry", "rle", "strict_json", "version"),
}
ROAD = (
    *("runs", "images", "backbone", "learning", "encoding", "propagate", "methods", "refine", "draw", "attention"),
    *(
        "outputs",
        "segmentation",
        "pipeline",
        "folder",
        "picture",
        "extraction",
        "correspondence",
        "attention_folder",
        "heads",
        "grouping",
    ),
    *("video_folder", "smoothing", "tracking", "evaluation"),
)
MAY_IMPORT = {room: {*ROAD[:position], room} for position, room in enumerate(ROAD)} | {
    "errors": set(),
    "options": {"errors", "files", "method", "options"},
    "method": set(),
    "types": {"errors"},
    "atomic": {"errors"},
    "registry": {"errors", "files"},
    "rle": set(),
    "strict_json": set(),
    "version": set(),
    "files": set(),
    "places": {"errors", "atomic"},
    "training": {"runs", "images", "backbone", "learning", "draw", "evaluation", "training"},
    "compression": {"runs", "images", "backbone", "learning", "methods", "compression"},
    "exporting": {"images", "backbone", "encoding", "exporting"},
    "app": {*ROAD[: ROAD.index("folder")], "app"},
    "cli": {*ROAD, "training", "compression", "exporting", "app", "cli"},
    "__main__": {"cli"},
    "__init__": {"version"},
}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def run_at_import(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run when a module is imported: not those of functions, not those for type checkers."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
            yield from run_at_import(statement.orelse)
        elif not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            for part in ("body", "orelse", "finalbody"):
                yield from run_at_import(getattr(statement, part, []))


def imported(statements: Iterable[ast.AST]) -> Iterator[str]:
    """Dotted names of the modules (or of names in them) that these statements import."""
    for statement in statements:
        if isinstance(statement, ast.Import):
            yield from (name.name for name in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            assert statement.level == 0, f"relative import: {ast.unparse(statement)}"
            yield from (f"{statement.module}.{name.name}" for name in statement.names)


def rooms_imported(source: str) -> set[str]:
    names = imported(run_at_import(ast.parse(source).body))
    return {name.split(".")[1] for name in names if name.startswith("dinoseg.")} - {"__version__"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_rooms_import_to_their_left_only(path: Path) -> None:
    room = room_of(path)
    ground = set() if room in GROUND | {"__init__"} else GROUND
    assert rooms_imported(path.read_text(encoding="utf-8")) <= MAY_IMPORT[room] | ground


@pytest.mark.parametrize(
    ("source", "rooms"),
    [
        ("from dinoseg.pipeline import segment", {"pipeline"}),
        ("import dinoseg.draw.heads", {"draw"}),
        ("from dinoseg import cli, __version__", {"cli"}),
        ("try:\n    import dinoseg.cli\nfinally:\n    pass", {"cli"}),  # inside a statement that runs
        ("class A:\n    from dinoseg.draw import heads", {"draw"}),  # a class body runs
        ("def f():\n    import dinoseg.cli", set()),  # later
        ("if TYPE_CHECKING:\n    import dinoseg.cli", set()),  # never
        ("if x:\n    pass\nelse:\n    import dinoseg.cli", {"cli"}),
    ],
)
def test_the_reader_of_imports_sees_them(source: str, rooms: set[str]) -> None:
    assert rooms_imported(source) == rooms


@pytest.mark.parametrize("room", sorted(GROUND | {"images", "outputs"}))
def test_rooms_without_torch(room: str) -> None:
    for path in (path for path in FILES if room_of(path) == room):
        everything = imported(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        assert not {name.split(".")[0] for name in everything} & {"torch", "torchvision", "timm"}, path


WITHIN_EVALUATION = [
    ("evaluation/metrics", ("dinoseg.evaluation.metrics.",)),  # arrays in, numbers out
    ("evaluation/datasets", ("dinoseg.evaluation.datasets.", "dinoseg.evaluation.metrics.")),
    (
        "training",
        (
            "dinoseg.evaluation.metrics.",
            "dinoseg.evaluation.features.embedding",
            "dinoseg.evaluation.datasets.labelled",
        ),
    ),
]


@pytest.mark.parametrize(("folder", "rooms"), WITHIN_EVALUATION, ids=[folder for folder, _ in WITHIN_EVALUATION])
def test_rooms_of_the_evaluation_that_others_may_enter(folder: str, rooms: tuple[str, ...]) -> None:
    for path in (PACKAGE / folder).rglob("*.py"):
        names = list(imported(run_at_import(ast.parse(path.read_text(encoding="utf-8")).body)))
        assert not [name for name in names if name.startswith("dinoseg.evaluation.") and not name.startswith(rooms)], (
            path
        )
        if folder == "evaluation/metrics":
            assert not [name for name in names if name.startswith("dinoseg.") and not name.startswith(rooms)], path


def test_a_protocol_needs_no_other() -> None:
    folder, shared = PACKAGE / "evaluation" / "protocols", {"base", "masks", "features"}
    for path in folder.glob("*.py"):
        names = imported(run_at_import(ast.parse(path.read_text(encoding="utf-8")).body))
        parts = [name.split(".") for name in names if name.startswith("dinoseg.evaluation.protocols.")]
        assert {part[3] for part in parts} <= shared, path


def test_no_room_of_leftovers() -> None:
    assert not [path for path in FILES if path.stem in ("utils", "util", "helpers", "common", "misc")]


def python(code: str) -> str:
    """Standard output of a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


HEAVY = "sorted(set(sys.modules) & {'torch', 'torchvision', 'timm', 'cv2', 'numpy', 'PIL', 'matplotlib', 'scipy'})"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        *(
            [verb, "--help"]
            for verb in ("segment", "attend", "match", "features", "track", "group", "train", "compress", "train-head")
        ),
        ["evaluate", "--help"],
    ],
    ids=" ".join,
)
def test_e71_help_loads_nothing_heavy(arguments: list[str]) -> None:
    out = python(f"import sys; from dinoseg.cli import run; assert run({arguments}) == 0; print(); print({HEAVY})")
    assert out.splitlines()[-1] == "[]"


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert python(f"import sys, dinoseg; print({HEAVY})").strip() == "[]"


FUNCTIONS = {
    "train": "training",
    "evaluate": "evaluation",
    "attend": "attention",
    "features": "extraction",
    "match": "correspondence",
    "similarity": "correspondence",
    "group": "grouping",
    "segment": "pipeline",
    "track": "tracking",
}


@pytest.mark.parametrize("order", [("functions", "modules"), ("modules", "functions")], ids=" then ".join)
def test_modules_never_shadow_the_functions(order: tuple[str, ...]) -> None:
    steps = {
        "functions": f"from dinoseg import {', '.join(FUNCTIONS)}",
        "modules": "import " + ", ".join(f"dinoseg.{module}" for module in FUNCTIONS.values()),
    }
    same = " and ".join(f"callable({name}) and dinoseg.{name} is {name}" for name in FUNCTIONS)
    code = "; ".join(["import dinoseg", *(steps[step] for step in order), f"print({same})"])
    assert python(code).strip() == "True"


def test_hints_to_install_name_what_an_index_has() -> None:
    hints = [hint for path in FILES for hint in re.findall(r"pip install [\"']?([\w.-]+)", path.read_text())]
    assert {"pillow-heif", "supervision"} <= set(hints)  # the extras
    assert "dinoseg" not in hints
