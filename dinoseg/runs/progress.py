"""How far a run is: a bar on stderr where that is a terminal, the same for every verb."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Any

from dinoseg.errors import DinosegError

if TYPE_CHECKING:
    from tqdm import tqdm

shown = True
"""Whether there are bars at all; ``--quiet`` says no."""


def progress_bar(
    what: str | None = None,
    *,
    unit: str = " images",
    total: int | None = None,
    done: int = 0,
    count: Callable[[], int | None] | None = None,
    here: bool = True,
) -> tqdm[Any]:
    """A bar of ``total`` steps of which ``done`` were done before; nothing where stderr is no terminal.

    ``count`` finds the total out in a thread: nobody waits for it, and the bar has its end when that is known. Of
    several processes only one should say ``here``.
    """
    from tqdm import tqdm

    bar: tqdm[Any] = tqdm(desc=what, unit=unit, total=total, initial=done, disable=None if shown and here else True)
    if count and not bar.disable:
        Thread(target=set_total, args=(bar, count), daemon=True).start()
    return bar


def set_total(bar: tqdm[Any], count: Callable[[], int | None]) -> None:
    """Give a bar its total, where it can be counted."""
    with suppress(OSError, DinosegError):  # the run itself will tell of it
        bar.total = count()
