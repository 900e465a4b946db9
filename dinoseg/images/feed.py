"""Keep the network fed: work ahead in threads, and put what has equal shape together, both within fixed bounds."""

from __future__ import annotations

import atexit
import os
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

A = TypeVar("A")
B = TypeVar("B")

WORKERS = max(2, min(8, os.cpu_count() or 2))
"""Threads that work on photographs, each of which holds one or two of any size."""


PATIENCE = 5.0
"""Seconds that the end of a run waits for a thread in the middle of its work: a file may never answer."""


def read_ahead(items: Iterable[A], work: Callable[[A], B], *, workers: int, ahead: int) -> Iterator[B]:
    """``map(work, items)`` in ``workers`` threads, in order, at most ``ahead`` results before the one asked for.

    ``items`` is only ever advanced by the consumer's thread. An exception of ``work``, or of ``items`` itself, comes
    at its place, after the results before it. A consumer that stops early leaves no work behind, and no thread but one
    that has not come back within ``PATIENCE``.
    """
    crew = Crew(work, workers)
    pending: deque[Future[B]] = deque()
    try:
        for future in submit(items, crew):
            pending.append(future)
            if len(pending) > ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()
        crew.dismiss()


class Crew(Generic[A, B]):
    """Threads that do one kind of work. Unlike those of ``concurrent.futures`` they keep no process from ending."""

    def __init__(self, work: Callable[[A], B], workers: int) -> None:
        self.work, self.workers = work, workers
        self.jobs: SimpleQueue[tuple[Future[B], A] | None] = SimpleQueue()
        self.threads: list[Thread] = []
        atexit.register(self.dismiss)  # else a thread might work on while Python is taken apart

    def submit(self, item: A) -> Future[B]:
        """Ask for the work on one item."""
        if len(self.threads) < self.workers:
            self.threads.append(Thread(target=self.serve, daemon=True))
            self.threads[-1].start()
        future: Future[B] = Future()
        self.jobs.put((future, item))
        return future

    def serve(self) -> None:
        """What each thread does: take a job, set its result, until it is dismissed."""
        while (job := self.jobs.get()) is not None:
            future, item = job
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(self.work(item))
                except BaseException as error:
                    future.set_exception(error)
            del job, future, item  # nothing is held while waiting

    def dismiss(self) -> None:
        """Send all home; wait for those that are at work, within ``PATIENCE``."""
        atexit.unregister(self.dismiss)
        for _ in self.threads:
            self.jobs.put(None)
        end = time.monotonic() + PATIENCE
        for thread in self.threads:
            thread.join(max(0.0, end - time.monotonic()))


def submit(items: Iterable[A], crew: Crew[A, B]) -> Iterator[Future[B]]:
    """A future for each item; if ``items`` raises, a last one that holds the exception."""
    try:
        for item in items:
            yield crew.submit(item)
    except Exception as error:
        failed: Future[B] = Future()
        failed.set_exception(error)
        yield failed


def batches(items: Iterable[B], key: Callable[[B], Hashable], size: int, window: int) -> Iterator[list[tuple[int, B]]]:
    """Lists of at most ``size`` items of equal ``key``, each with its position in ``items``.

    A key of None means: with no other, at once. An item leaves as one of the last ``window`` that were read, full
    group or not, so who puts the results back into order holds no more than that either.
    """
    groups: dict[Hashable, list[tuple[int, B]]] = {}  # in the order of their oldest item
    for index, item in enumerate(items):
        name = key(item)
        if name is None:
            yield [(index, item)]
        else:
            groups.setdefault(name, []).append((index, item))
            if len(groups[name]) == size:
                yield groups.pop(name)
        while groups and index - next(iter(groups.values()))[0][0] + 1 >= window:
            yield groups.pop(next(iter(groups)))
    yield from groups.values()
