import os
from contextlib import suppress

import pytest

from dinoseg.errors import InputNotFound
from dinoseg.images.watch import watch


class Day:
    """What happens between two looks, one after the other; then the watching ends."""

    def __init__(self, *events):
        self.events = list(events)

    def __call__(self, seconds):
        assert seconds >= 1
        if not self.events:
            raise KeyboardInterrupt
        self.events.pop(0)()


def ids(folder, *events):
    rounds = []
    with suppress(KeyboardInterrupt):
        rounds.extend([source.id for source in listing] for listing in watch([folder], wait=Day(*events)))
    return rounds


def grow(path, size, at):
    def event():
        path.write_bytes(b"x" * size)
        os.utime(path, ns=(at, at))

    return event


def nothing():
    pass


def test_a_file_is_listed_once_when_it_has_stopped_growing(tmp_path):
    path = tmp_path / "a.jpg"
    grown = [grow(path, size, size) for size in (10, 20, 30)]
    assert ids(tmp_path, *grown, nothing, nothing) == [["a.jpg"]]
    assert ids(tmp_path, *grown) == []  # not yet


def test_what_is_there_comes_first_and_what_changes_comes_again(tmp_path):
    grow(tmp_path / "a.jpg", 10, 1)()
    (tmp_path / "notes.txt").write_text("x")
    new = grow(tmp_path / "b.jpg", 10, 2)
    again = grow(tmp_path / "a.jpg", 11, 3)
    rounds = ids(tmp_path, nothing, new, nothing, again, nothing, (tmp_path / "b.jpg").unlink, nothing)
    assert rounds == [["a.jpg"], ["b.jpg"], ["a.jpg"]]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(InputNotFound):
        next(watch([tmp_path / "nowhere"]))
