"""Order, bounds, errors and clean ends of the threads; groups of the batches."""

import gc
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinoseg.images import feed
from dinoseg.images.feed import batches, read_ahead


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    gc.collect()
    assert not [thread for thread in set(threading.enumerate()) - before if not isinstance(thread, threading.Timer)]


@given(st.lists(st.integers(), max_size=30), st.integers(1, 4), st.integers(0, 8))
def test_read_ahead_maps_in_order(items, workers, ahead):
    assert list(read_ahead(items, lambda x: x + 1, workers=workers, ahead=ahead)) == [x + 1 for x in items]


def test_order_is_kept_when_the_first_takes_longest():
    gate = threading.Event()

    def work(item):
        if item == 0:
            assert gate.wait(10)
        if item == 3:
            gate.set()
        return item

    assert list(read_ahead(range(4), work, workers=4, ahead=4)) == [0, 1, 2, 3]


def test_b35_no_more_than_ahead_items_are_taken():
    taken = []

    def items():
        for item in range(100):
            taken.append(item)
            yield item

    results = read_ahead(items(), lambda x: x, workers=2, ahead=5)
    assert taken == []  # nothing starts before it is asked for
    for done in range(1, 20):
        next(results)
        assert len(taken) == done + 5
    results.close()


def test_e79_an_exception_comes_at_its_place():
    results = read_ahead([3, 2, 1, 0, 5], lambda x: 6 // x, workers=2, ahead=4)
    assert [next(results) for _ in range(3)] == [2, 3, 6]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert list(results) == []


def test_e79_an_exception_of_the_items_comes_after_what_they_gave():
    def items():
        yield 1
        yield 2
        raise KeyError("third")

    results = read_ahead(items(), str, workers=2, ahead=10)
    assert [next(results), next(results)] == ["1", "2"]
    with pytest.raises(KeyError, match="third"):
        next(results)


def test_a_consumer_that_stops_early_drops_what_waits():
    begun, gate, done = threading.Event(), threading.Event(), []

    def work(item):
        if item == 1:
            begun.set()
            gate.wait(10)
        done.append(item)
        return item

    results = read_ahead(range(1000), work, workers=1, ahead=50)
    assert next(results) == 0
    assert begun.wait(10)
    threading.Timer(0.1, gate.set).start()  # closing waits for the one that is being worked on
    results.close()
    assert done == [0, 1]


def test_a_thread_that_never_answers_keeps_nobody(monkeypatch):
    monkeypatch.setattr(feed, "PATIENCE", 0.05)
    gate, begun, before = threading.Event(), threading.Event(), set(threading.enumerate())
    results = read_ahead(range(9), lambda item: item and (begun.set() or gate.wait(60)), workers=1, ahead=2)
    assert next(results) == 0
    assert begun.wait(60)
    results.close()
    left = set(threading.enumerate()) - before
    gate.set()
    assert left
    for thread in left:
        thread.join()


SCRIPT = """
import threading
from dinoseg.images import feed
feed.PATIENCE, begun = 0.05, threading.Event()
results = feed.read_ahead(range(9), lambda item: item and (begun.set() or threading.Event().wait()), workers=2, ahead=2)
print(next(results), begun.wait())
"""


def test_a_process_ends_although_a_thread_does_not():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0 True\n", "")


def test_a_chain_of_two_closes_as_one():
    inner = read_ahead(range(1000), lambda x: x, workers=2, ahead=3)
    outer = read_ahead(inner, lambda x: x, workers=2, ahead=3)
    next(outer)
    outer.close()
    del inner


def test_a_chain_of_two_lets_an_exception_through():
    inner = read_ahead([1, 0], lambda x: 1 // x, workers=1, ahead=3)
    outer = read_ahead(inner, lambda x: x, workers=1, ahead=3)
    assert next(outer) == 1
    with pytest.raises(ZeroDivisionError):
        next(outer)


# Batches.

CASES = [
    ("aabb", 2, 9, ["aa", "bb"]),  # a full group goes at once
    ("abab", 2, 9, ["aa", "bb"]),  # interleaved
    ("aaa", 2, 9, ["aa", "a"]),  # the rest at the end
    ("abcd", 2, 3, ["a", "b", "c", "d"]),  # nothing pairs up: the oldest goes when three wait
    ("abbca", 3, 3, ["a", "bb", "c", "a"]),  # the oldest group goes, not the largest
    ("ab", 1, 9, ["a", "b"]),  # batches of one
    ("ab", 4, 1, ["a", "b"]),  # a window of one
    ("abbbbbb", 3, 4, ["bbb", "a", "bbb"]),  # a rare key does not wait for the end
    ("", 2, 2, []),  # nothing
]


@pytest.mark.parametrize(("items", "size", "window", "groups"), CASES)
def test_batches(items, size, window, groups):
    found = list(batches(items, lambda x: x, size, window))
    assert ["".join(item for _, item in group) for group in found] == groups


def test_a_key_of_none_waits_for_nobody():
    keys = {"f": None}
    found = list(batches("aafa", lambda x: keys.get(x, x), 3, 9))
    assert found == [[(2, "f")], [(0, "a"), (1, "a"), (3, "a")]]


@given(st.text("abc", max_size=60), st.integers(1, 5), st.integers(1, 12))
def test_batches_lose_nothing_mix_nothing_and_wait_within_bounds(items, size, window):
    taken = 0

    def counted():
        nonlocal taken
        for item in items:
            taken += 1
            yield item

    seen = {}
    for group in batches(counted(), lambda x: x, size, window):
        assert 1 <= len(group) <= size
        assert len({item for _, item in group}) == 1
        assert taken - group[0][0] <= window  # the oldest of a group has not waited longer, whatever the others do
        seen.update(group)
    assert seen == dict(enumerate(items))
