"""Ctrl-C and SIGTERM (a scheduler that wants its machine back) end a run after the step in hand, not inside it.

What is not learning, the wait for photographs above all, they end at once: a file that does not answer keeps nobody.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """While it is entered, the first signal only sets ``asked``; a second one, as any within ``at_once``, acts as it
    would have without us.

    Signals can be caught in the main thread only; in another one this does nothing.
    """

    def __init__(self) -> None:
        self.asked = False
        self.idle = False
        self.before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            self.before = {number: signal.signal(number, self.ask) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.restore()

    def ask(self, _number: int, _frame: FrameType | None) -> None:
        """The signal handler: note that a stop was asked for."""
        self.asked = True
        self.restore()
        if self.idle:
            raise KeyboardInterrupt

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Around what may be left at any time: a signal, also one that came before, ends it.

        Raises ``KeyboardInterrupt``.
        """
        self.idle = True
        try:
            if self.asked:
                raise KeyboardInterrupt
            yield
        finally:
            self.idle = False

    def restore(self) -> None:
        """Put back the signal handlers that were there before."""
        for number, handler in self.before.items():
            signal.signal(number, handler)
        self.before = {}
