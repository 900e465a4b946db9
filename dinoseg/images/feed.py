"""Keep the network fed: work ahead in threads, and put what has equal shape together, both within fixed bounds."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")

WORKERS = max(2, min(8, os.cpu_count() or 2))
"""Threads that work on photographs, each of which holds one or two of any size."""


def read_ahead(items: Iterable[A], work: Callable[[A], B], *, workers: int, ahead: int) -> Iterator[B]:
    """``map(work, items)`` in ``workers`` threads, in order, at most ``ahead`` results before the one asked for.

    ``items`` is only ever advanced by the consumer's thread. An exception of ``work``, or of ``items`` itself, comes
    at its place, after the results before it. A consumer that stops early leaves no thread and no work behind.
    """
    with ThreadPoolExecutor(workers) as pool:
        pending: deque[Future[B]] = deque()
        try:
            for future in submit(items, work, pool):
                pending.append(future)
                if len(pending) > ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def submit(items: Iterable[A], work: Callable[[A], B], pool: ThreadPoolExecutor) -> Iterator[Future[B]]:
    """A future for each item; if ``items`` raises, a last one that holds the exception."""
    try:
        for item in items:
            yield pool.submit(work, item)
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
