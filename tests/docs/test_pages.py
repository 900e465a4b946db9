"""README.md and docs/: no dead link, no page that is not in the site, no number that says two things."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

import dinoseg
from tests.docs.pages import DOCS, PAGES, README, ROOT, TYPED, anchors, blocks, links, name_of
from tests.test_architecture import GROUND

if not DOCS.is_dir():
    pytest.skip("the pages are in the repository only", allow_module_level=True)

LINKING = [
    *PAGES,
    ROOT / "CONTRIBUTING.md",
    ROOT / "dinoseg" / "builtin" / "CARD.md",
    *sorted((ROOT / "benchmarks" / "results").glob("*.md")),
]
LONGEST = 150
"""Lines of the README."""
SHOWN = {"text", ""}
"""Languages of blocks that show something; the others are typed by tests/docs/test_blocks.py."""


@pytest.mark.parametrize("page", LINKING, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    dead = [str(path) for path, _ in links(page) if not path.exists()]
    assert not dead
    lost = [f"{path}#{anchor}" for path, anchor in links(page) if anchor and anchor not in anchors(path)]
    assert not lost


def test_the_reader_of_links_sees_them(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        '# A: b\n[x](y.md#z) [![p](q.png)](r.md) [s](#a-b) [web](https://e.org) <img src="s.jpg">\n'
        "```sh\n[no](no.md)\n```\n"
    )
    assert {path.name for path, _ in links(page)} == {"y.md", "r.md", "page.md", "q.png", "s.jpg"}
    assert anchors(page) == {"a-b"}


def test_the_readme_is_short_and_starts_with_commands() -> None:
    assert len(README.read_text().splitlines()) <= LONGEST
    assert blocks(README)[0].line <= 15


def test_every_page_is_in_the_site() -> None:
    listed = re.findall(r"- ([\w/-]+\.md)", (ROOT / "mkdocs.yml").read_text())
    assert sorted(listed) == sorted(page.relative_to(DOCS).as_posix() for page in PAGES if page != README)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_is_typed_or_shows_something(page: Path) -> None:
    for block in blocks(page):
        assert block.language in TYPED | SHOWN, block
        assert block.language in TYPED or not block.text.startswith(("$ ", "dinoseg ", "import ")), block
    assert len(blocks(page)) == len(re.findall(r"^ *```$", page.read_text(), re.MULTILINE))


def test_every_public_name_is_in_the_api() -> None:
    told = re.findall(r"^::: dinoseg\.(?:\w+\.)*(\w+)$", (DOCS / "api.md").read_text(), re.MULTILINE)
    assert set(dinoseg.__all__) - {"__version__"} <= set(told)


def test_the_drawing_is_made_from_the_imports_of_today() -> None:
    spec = importlib.util.spec_from_file_location("make_architecture", ROOT / "assets" / "make_architecture.py")
    assert spec
    assert spec.loader
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    assert set(made.GROUND) == GROUND
    assert set(made.SAID) == set(made.imports()), "a few words for each room in assets/make_architecture.py"
    assert made.drawing() == (DOCS / "architecture.svg").read_text(), "run: python assets/make_architecture.py"


def rows(text: str) -> dict[str, list[str]]:
    """Cells of the rows of a page's tables, by their first cell."""
    found = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")
    ]
    return {first: rest for first, *rest in found}


def test_the_scores_of_the_readme_are_those_of_the_results_and_these_are_measured() -> None:
    readme, results = rows(README.read_text()), rows((DOCS / "results.md").read_text())
    scored = {name: cells for name, cells in readme.items() if re.search(r"0\.\d{3}", "".join(cells))}
    assert len(scored) >= 3
    for name, cells in scored.items():
        assert cells == results[name][: len(cells)]
    measured = (ROOT / "benchmarks" / "results" / "methods.md").read_text()
    for cells in results.values():
        assert all(cell in measured for cell in cells if re.fullmatch(r"0\.\d{3} \[0\.\d{3}, 0\.\d{3}\]", cell)), cells
