import errno
import os

import pytest

from dinoseg.errors import OutputConflict
from dinoseg.outputs.manifest import Manifest
from dinoseg.outputs.record import Record


@pytest.fixture
def path(tmp_path):
    return tmp_path / "manifest.jsonl"


def record(id_, seconds=0.0):
    return Record(id=id_, status="done", run="77", seconds=seconds)


def filled(path, *records):
    manifest = Manifest(path)
    for one in records:
        manifest.append(one)
    return manifest


def test_latest_line_of_an_id_counts(path):
    manifest = filled(path, record("b", 1), record("a", 2), record("b", 3))
    assert manifest.get("b").seconds == 3
    assert manifest.get("c") is None
    assert [(one.id, one.seconds) for one in manifest] == [("a", 2), ("b", 3)]
    assert path.read_bytes() == record("b", 1).line() + record("a", 2).line() + record("b", 3).line()


def test_lines_are_there_at_once_and_when_opened_again(path):
    manifest = filled(path, record("a"), record("b\udcff\n"))
    assert [one.id for one in Manifest(path)] == ["a", "b\udcff\n"]
    manifest.append(record("c"))
    assert Manifest(path).get("c") == manifest.get("c")


@pytest.mark.parametrize("cut", [1, 10, -2, -1])
def test_d52_torn_last_line_is_cut_off(path, cut):
    filled(path, record("a"), record("b"))
    path.write_bytes(path.read_bytes() + record("c").line()[:cut])
    manifest = Manifest(path)
    assert [one.id for one in manifest] == ["a", "b"]
    manifest.append(record("d"))
    assert path.read_bytes() == record("a").line() + record("b").line() + record("d").line()


@pytest.mark.parametrize("garbage", [b"\0" * 20 + b"\n", b"{}\n", b"\xff\n"])
def test_d52_broken_lines_cost_only_themselves(path, garbage):
    path.write_bytes(record("a").line() + garbage + record("c").line())
    manifest = Manifest(path)
    assert [one.id for one in manifest] == ["a", "c"]
    manifest.compact()
    assert path.read_bytes() == record("a").line() + record("c").line()


def test_compact_leaves_one_line_per_id_in_order(path):
    manifest = filled(path, record("b", 1), record("a", 2), record("b", 3))
    manifest.compact()
    assert path.read_bytes() == record("a", 2).line() + record("b", 3).line()
    manifest.append(record("c"))  # the new file is written on
    assert [one.id for one in Manifest(path)] == ["a", "b", "c"]
    assert manifest.get("b").seconds == 3


def test_d51_a_line_that_does_not_fit_leaves_no_part(path, monkeypatch):
    manifest = filled(path, record("a"))
    before, real = path.read_bytes(), os.write

    def full(file, data):
        if len(data) < 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, data[:-10])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        manifest.append(record("b"))
    assert path.read_bytes() == before
    assert manifest.get("b") is None
    monkeypatch.setattr(os, "write", real)
    manifest.append(record("c"))
    assert [one.id for one in Manifest(path)] == ["a", "c"]


def test_short_writes_go_on(path, monkeypatch):
    manifest, real = Manifest(path), os.write
    monkeypatch.setattr(os, "write", lambda file, data: real(file, data[:7]))
    manifest.append(record("a"))
    assert path.read_bytes() == record("a").line()


def test_h116_a_link_is_not_followed(path, tmp_path):
    (tmp_path / "precious").write_text("precious")
    path.symlink_to(tmp_path / "precious")
    with pytest.raises(OutputConflict, match=r"manifest\.jsonl is a link"):
        Manifest(path)
    assert (tmp_path / "precious").read_text() == "precious"


def test_b35_only_places_are_held_in_memory(path):
    manifest = filled(path, Record(id="a", status="done", message="x" * 100_000))
    assert not [value for value in vars(manifest).values() if isinstance(value, bytes | str)]
    assert set(manifest._places) == {"a"}
