"""A hook of mkdocs: pages may link to any file of the repository, which then travels with the site."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"(\]\()([^()\s#:]+)")


def on_files(files: Files, *, config: Any) -> Files:
    """Add what the pages link to outside of this folder, and what these files link to."""
    waiting = [Path(file.abs_src_path) for file in files.documentation_pages() if file.abs_src_path]
    while waiting:
        page = waiting.pop()
        for _, target in LINK.findall(page.read_text(encoding="utf-8")):
            path = (page.parent / target).resolve()
            uri = site_uri(path)
            if path.is_file() and path.is_relative_to(ROOT) and uri not in files.src_uris:
                files.append(File.generated(config, uri, abs_src_path=str(path)))
                waiting += [path] if path.suffix == ".md" else []
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Links as they are in the repository -> links between the files of the site."""
    source, here = Path(page.file.abs_src_path).parent, Path(page.file.src_uri).parent

    def moved(match: re.Match[str]) -> str:
        path = (source / match[2]).resolve()
        return match[1] + (os.path.relpath(site_uri(path), here) if path.is_file() else match[2])

    return LINK.sub(moved, markdown)


def site_uri(path: Path) -> str:
    """Where a file of the repository lies in the site; those of this folder at its top."""
    docs = Path(__file__).parent
    return path.relative_to(docs if path.is_relative_to(docs) else ROOT).as_posix() if path.is_relative_to(ROOT) else ""
