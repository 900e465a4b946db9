"""The command line that a result file quotes."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path


def quoted(script: str, words: Sequence[str]) -> str:
    """A script of this folder with its words, as they are published."""
    return shlex.join(["python", f"benchmarks/{script}", *map(public, words)])


def public(word: str) -> str:
    """A word of the command line as it is published: an absolute path would tell of one machine only."""
    return Path(word).name if Path(word).is_absolute() else word


def shortened(text: str) -> str:
    """A whole command line as it is published."""
    return shlex.join(map(public, shlex.split(text)))
