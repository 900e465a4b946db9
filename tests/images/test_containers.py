"""Containers made byte by byte: what they state is all that is read."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from dinoseg.images.containers import is_cut


def box(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def track(length: int, width: int, *edits: tuple[int, int]) -> bytes:
    """Track of that length and width with an edit list of (length, first)."""
    header = bytes(20) + struct.pack(">I", length) + bytes(52) + struct.pack(">II", width, width)
    listed = bytes(4) + struct.pack(">I", len(edits)) + b"".join(struct.pack(">IiI", *edit, 1 << 16) for edit in edits)
    return box(b"trak", box(b"tkhd", header) + (box(b"edts", box(b"elst", listed)) if edits else b""))


def mp4(*tracks: bytes) -> bytes:
    """1000 units a second."""
    movie = box(b"mvhd", bytes(12) + struct.pack(">I", 1000) + bytes(84))
    return box(b"ftyp", b"isom") + box(b"moov", movie + b"".join(tracks)) + box(b"mdat", bytes(100))


def element(id_: str, content: bytes = b"", length: int | None = None) -> bytes:
    """Its length is stated in 8 bytes, or is unknown where ``length`` is -1."""
    stated = (1 << 56) - 1 if length == -1 else len(content)
    return bytes.fromhex(id_) + (1 << 56 | stated).to_bytes(8) + content


def mkv(length: int | None = None, block: str = "a3") -> bytes:
    cluster = element("1f43b675", element("e7", b"\0") + element(block, bytes(50)) + element("a3", bytes(50)), length)
    return element("1a45dfa3", bytes(20)) + element("18538067", element("1549a966", bytes(9)) + cluster, length)


def chunk(kind: bytes, content: bytes, stated: int | None = None) -> bytes:
    size = len(content) if stated is None else stated
    return kind + struct.pack("<I", size) + content + bytes(len(content) % 2)


def avi(stated: int | None = None) -> bytes:
    movie = chunk(b"LIST", b"movi" + chunk(b"00dc", bytes(51)) + chunk(b"00dc", bytes(50)), stated)
    return chunk(b"RIFF", b"AVI " + chunk(b"LIST", b"hdrl" + bytes(20)) + movie, stated)


def cut(path: Path, content: bytes, counted: float = 4.0, shown: float = 4.0, missing: bool = True) -> bool:
    path.write_bytes(content)
    return is_cut(path, missing=missing, counted=counted, shown=shown)


WHOLE = {
    "mp4": mp4(track(4000, 64)),
    "mkv": mkv(),
    "mkv of no length": mkv(-1),
    "avi": avi(),
    "avi of no length": avi(0),
}


@pytest.mark.parametrize("content", WHOLE.values(), ids=WHOLE)
def test_what_is_whole_and_what_ends_before_it_should(tmp_path: Path, content: bytes) -> None:
    assert not cut(tmp_path / "clip", content)
    for lost in (1, 20, 40, 90):
        assert cut(tmp_path / "clip", content[:-lost])


@pytest.mark.parametrize(("kind", "told"), [("mp4", True), ("mkv", True), ("avi", False)])
def test_where_no_frame_is_missed_only_the_index_of_an_avi_may_be_torn(tmp_path: Path, kind: str, told: bool) -> None:
    assert cut(tmp_path / "clip", WHOLE[kind][:-1], missing=False) is told


@pytest.mark.parametrize("kind", ["mp4", "mkv", "avi"])
def test_what_was_appended_is_nobody_s(tmp_path: Path, kind: str) -> None:
    assert not cut(tmp_path / "clip", WHOLE[kind] + bytes(99))


@pytest.mark.parametrize("content", [mkv(block="00"), avi().replace(b"00dc", bytes(4), 1)])
def test_something_else_in_the_place_of_a_part(tmp_path: Path, content: bytes) -> None:
    assert cut(tmp_path / "clip", content)


@pytest.mark.parametrize(
    ("tracks", "seconds"),
    [
        ([track(4000, 64)], 4),
        ([track(9000, 0), track(4000, 64)], 4),  # sound is longer
        ([track(4000, 64), track(9000, 64)], 4),  # the first of two
        ([track(9000, 64, (1000, 0), (1500, 4000))], 2.5),  # two pieces of it are shown
        ([track(9000, 64, (5000, -1), (4000, 0))], 4),  # after a pause
        ([track(0, 64)], 0),  # in pieces, no length is stated
        ([track(0xFFFFFFFF, 64)], 0),
        ([], 0),
    ],
)
def test_pictures_of_an_mp4_are_shown_as_its_edits_say(tmp_path: Path, tracks: list[bytes], seconds: float) -> None:
    assert not cut(tmp_path / "clip", mp4(*tracks), counted=99, shown=seconds)
    assert cut(tmp_path / "clip", mp4(*tracks), counted=99, shown=max(seconds - 0.01, 0)) is bool(seconds)
    assert not cut(tmp_path / "clip", mp4(*tracks), counted=99, shown=0, missing=False)


@pytest.mark.parametrize(
    ("content", "least"),
    [
        (mkv(), 0),  # the count is made of a length, which may be the sound's
        (avi(), 4),
        (b"FLV" + bytes(50), 3),  # states no lengths of parts: a second is given to sound
        (b"", 3),
    ],
)
def test_other_containers_have_the_time_of_their_count(tmp_path: Path, content: bytes, least: float) -> None:
    assert not cut(tmp_path / "clip", content, shown=least)
    assert cut(tmp_path / "clip", content, shown=least - 0.01) is bool(least)
