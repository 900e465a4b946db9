"""How the package is built: rooms and arrows, circles, sizes of functions and files, names that are defined twice.

    python benchmarks/structure.py [CHECKOUT ...]

One column for each checkout (default: this one), for instance before and after a change. An arrow is an import from one
room (a folder or file of ``dinoseg/``) to another, at any place in the code; one that runs up is not in the order of
``tests/test_architecture.py`` of this checkout. A circle is two or more files that import each other, by whatever way:
when they are loaded, or with imports inside of functions too.
"""

from __future__ import annotations

import ast
import statistics
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import networkx

HERE = Path(__file__).parents[1]


def main(checkouts: Sequence[str]) -> None:
    tables = [measured(Path(each)) for each in checkouts or [str(HERE)]]
    print("| " + " | ".join(["", *(checkouts or ["this checkout"])]) + " |")
    print("| --- |" + " --- |" * len(tables))
    for name in tables[0]:
        print("| " + " | ".join([name, *(str(table[name]) for table in tables)]) + " |")


def measured(root: Path) -> dict[str, str]:
    """What is told of a checkout, by what it is."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted((root / "dinoseg").rglob("*.py"))}
    modules = {module_of(path, root): tree for path, tree in trees.items()}
    loaded, everywhere = graph(modules, False), graph(modules, True)
    functions = [node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    lengths = [(node.end_lineno or node.lineno) - node.lineno + 1 for node in functions]
    files = [len(path.read_text(encoding="utf-8").splitlines()) for path in trees]
    names = Counter(name for tree in trees.values() for name in set(defined(tree)))
    public = [node for tree in trees.values() for node in documented(tree)]
    benchmarks = [len(path.read_text().splitlines()) for path in (root / "benchmarks").glob("*.py")]
    rooms = {(a.split(".")[1], b.split(".")[1]) for a, b in everywhere.edges if room_pair(a, b)}
    return {
        "files, lines": f"{len(files)}, {sum(files)}",
        "lines a file (median, 90 %, max)": spread(files),
        "functions": str(len(functions)),
        "lines a function (median, 90 %, max)": spread(lengths),
        "functions of one line and a docstring": str(sum(short(node) for node in functions)),
        "rooms, arrows between them": f"{len({room for pair in rooms for room in pair})}, {len(rooms)}",
        "files in circles, when loaded": circles(loaded),
        "files in circles, with imports in functions": circles(everywhere),
        "top-level names in two or more modules": str(sum(count > 1 for count in names.values())),
        "public functions and classes without docstring": str(sum(ast.get_docstring(node) is None for node in public)),
        "docstrings of at most four words": str(sum(brief(node) for node in public)),
        "benchmarks: files, lines": f"{len(benchmarks)}, {sum(benchmarks)}",
    }


def module_of(path: Path, root: Path) -> str:
    """Its dotted name."""
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def graph(modules: Mapping[str, ast.Module], inside: bool) -> networkx.DiGraph:
    """Which modules import which; imports for type checkers do not count, those ``inside`` of functions if asked."""
    arrows = networkx.DiGraph()
    for module, tree in modules.items():
        for node in statements(tree.body, inside):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dinoseg"):
                for name in node.names:
                    target = f"{node.module}.{name.name}"
                    arrows.add_edge(module, target if target in modules else node.module)
    arrows.remove_edges_from(networkx.selfloop_edges(arrows))
    return arrows


def statements(body: Sequence[ast.stmt], inside: bool) -> Iterator[ast.stmt]:
    """All statements but those for type checkers, and those of functions unless ``inside``."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
            continue
        if inside or not isinstance(statement, ast.FunctionDef):
            for part in ("body", "orelse", "finalbody", "handlers"):
                for each in getattr(statement, part, []):
                    yield from statements(each.body if isinstance(each, ast.ExceptHandler) else [each], inside)


def circles(arrows: networkx.DiGraph) -> str:
    """How many files lie in circles, and the largest of these."""
    found = [part for part in networkx.strongly_connected_components(arrows) if len(part) > 1]
    return f"{sum(map(len, found))} (largest {max(map(len, found), default=0)})"


def room_pair(one: str, other: str) -> bool:
    """Whether these are modules of two rooms."""
    return one.count(".") > 0 < other.count(".") and one.split(".")[1] != other.split(".")[1]


def defined(tree: ast.Module) -> Iterator[str]:
    """Top-level names of functions and classes."""
    return (node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef))


def documented(tree: ast.Module | ast.ClassDef) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    """Public functions, classes and methods, but for overloads and what is defined within a function."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            if not any("overload" in ast.unparse(each) for each in node.decorator_list):
                yield node
            if isinstance(node, ast.ClassDef):
                yield from documented(node)


def brief(node: ast.FunctionDef | ast.ClassDef) -> bool:
    """Whether its docstring has at most four words."""
    text = ast.get_docstring(node)
    return text is not None and len(text.split()) <= 4


def short(node: ast.FunctionDef) -> bool:
    """Whether it is one statement of one line, beside its docstring."""
    body = node.body[ast.get_docstring(node) is not None :]
    return len(body) == 1 and body[0].lineno == body[0].end_lineno


def spread(values: Sequence[int]) -> str:
    """Median, ninth decile and largest."""
    return f"{statistics.median(values):.0f}, {statistics.quantiles(values, n=10)[-1]:.0f}, {max(values)}"


if __name__ == "__main__":
    main(sys.argv[1:])
