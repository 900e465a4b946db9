"""Photographs as they come into folders: each is listed when it has stopped growing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from dinoseg.images.find import Listing, find
from dinoseg.runs.done import size_and_time
from dinoseg.types import Source

PAUSE = 1.0
"""Seconds between two looks."""
SHARE = 0.1
"""Of the time that looking may take, where there are very many files."""


def watch(
    inputs: Sequence[str | Path], *, exclude: Path | None = None, wait: Callable[[float], object] = time.sleep
) -> Iterator[Listing]:
    """Listings without end, of what ``find`` finds in the inputs.

    A file is listed when two looks, a second apart, saw the same size and time of it: one that is still being copied
    waits. It is listed again when it changes. Raises what ``find`` raises, at the first look or a later one.
    """
    before: dict[str, list[int]] = {}
    listed: dict[str, list[int]] = {}
    while True:
        start = time.perf_counter()
        sources = {each.id: each for each in find(inputs, exclude=exclude) if isinstance(each, Source)}
        looks = {id_: size_and_time(Path(str(source.content))) for id_, source in sources.items()}
        now = {id_: look for id_, look in looks.items() if look is not None}
        settled = [id_ for id_, look in now.items() if before.get(id_) == look != listed.get(id_)]
        before = now
        seconds = time.perf_counter() - start
        if settled:
            yield Listing(iter([sources[id_] for id_ in settled]))
            listed.update({id_: now[id_] for id_ in settled})
        wait(max(PAUSE, seconds / SHARE))
