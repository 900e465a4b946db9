"""README.md and docs/ as text: their blocks of code, their links and their headings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = [README, *sorted(DOCS.rglob("*.md"))]
"""What users read."""
FENCE = re.compile(r"^( *)```(\w*)(?: title=\"([^\"]*)\")?\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(?:\]\(|src=\")([^()\s\"]+)[)\"]")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
TYPED = {"sh", "console", "python"}
"""Languages of blocks that a test carries out."""
NEEDS = "needs "
"""How the title of a block begins that is shown and not executed: ``needs the hub``, ``needs a GPU`` ..."""


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block."""

    language: str
    title: str
    text: str
    line: int

    @property
    def executed(self) -> bool:
        """Whether a test carries it out: it can be, and needs nothing that a test lacks."""
        return self.language in TYPED and not self.title.startswith(NEEDS)


class Link(NamedTuple):
    """Where a link of a page leads."""

    path: Path
    """The file; the page itself for an anchor alone."""
    anchor: str


def name_of(page: Path) -> str:
    """What tests call a page."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found = FENCE.finditer(text)
    return [Block(match[2], match[3] or "", match[4], text.count("\n", 0, match.start()) + 1) for match in found]


def prose(page: Path) -> str:
    """The page without code."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text(encoding="utf-8")))


def links(page: Path) -> list[Link]:
    """Links and pictures of a page that lead into the repository."""
    targets = [target for target in LINK.findall(prose(page)) if not target.startswith(("http://", "https://"))]
    parts = [target.partition("#") for target in targets]
    return [Link((page.parent / path).resolve() if path else page, anchor) for path, _, anchor in parts]


def anchors(page: Path) -> set[str]:
    """Anchors of a page that GitHub and the built site agree on."""
    titles = HEADING.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    plain = [re.sub(r"[^\w\s-]", "", title).strip().lower() for title in titles]
    return {re.sub(r"\s", "-", title) for title in plain} & {re.sub(r"[-\s]+", "-", title) for title in plain}
