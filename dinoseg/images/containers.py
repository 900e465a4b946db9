"""Whether a video file ends before its pictures do, by the lengths that its container states.

The count of frames in a header cannot tell: Matroska has none (readers multiply length and rate), an edit list hides
frames that are counted, and AVI counts the pauses of a variable rate. What every container states is where its parts
end. Sources: ISO/IEC 14496-12 (MP4, MOV), RFC 8794 and RFC 9559 (Matroska, WebM), Microsoft's RIFF and AVI reference.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from dinoseg.files import open_regular

SOUND = 1.0
"""Seconds by which sound may be longer than the pictures, where a header states the longer of the two."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a container: a box, an element or a chunk."""

    kind: bytes
    body: int
    """Byte at which its content begins."""
    stop: int | None
    """Byte after it; None where it goes on as far as there is something."""
    holds: bool
    """Whether its content is parts again, which are looked at."""


Reader = Callable[[BufferedReader, int], Part | None]
"""The part that begins at a byte, or None where none does."""


class PartMissing(Exception):
    """A part ends beyond the file, or something else is in its place."""


def is_cut(path: Path, *, missing: bool, counted: float, shown: float) -> bool:
    """Whether a file has lost frames: it is cut short or damaged.

    ``missing``: whether it gave fewer than its header counts. ``counted``: seconds that this count takes at its rate.
    ``shown``: seconds after which the last frame that was read has surely ended. Raises ``OSError``.
    """
    with open_regular(path) as file:
        reader = reader_of(file.read(12))
        try:
            for _ in parts(file, reader) if reader else ():
                pass
        except PartMissing:
            return missing or reader is not chunk  # all frames of an AVI file may be there, and its index torn
        if missing and reader is box:
            return shown < edited_seconds(file)
    if not missing or reader is element:  # which is counted by length and rate
        return False
    return shown < (counted if reader is chunk else counted - SOUND)


def reader_of(start: bytes) -> Reader | None:
    """What reads a file that starts with these 12 bytes; None for containers that state no lengths."""
    if start[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return box
    if start[:4] == EBML:
        return element
    return chunk if start[:4] == b"RIFF" and start[8:12] == b"AVI " else None


def parts(file: BufferedReader, reader: Reader) -> Iterator[Part]:
    """All parts in the order of the file, from outside to inside. Raises ``PartMissing``.

    What was appended after the last one is nobody's part.
    """
    end, at, inside = os.fstat(file.fileno()).st_size, 0, 0
    while at < end:
        file.seek(at)
        part = reader(file, at)
        if part is None:
            if at < inside:
                raise PartMissing
            return
        stop = end if part.stop is None else part.stop
        if stop > end:
            raise PartMissing
        yield part
        inside, at = (max(inside, stop), part.body) if part.holds else (inside, stop)


def box(file: BufferedReader, at: int) -> Part | None:
    """MP4 and MOV: length and name, 4 bytes each, and 8 of a length that needs more."""
    head = file.read(16)
    length, kind, body = int.from_bytes(head[:4]), head[4:8], 8
    if length == 1:
        length, body = int.from_bytes(head[8:]), 16
    if not named(kind) or 0 < length < body:
        return None
    return Part(kind, at + body, at + length if length else None, kind in (b"moov", b"trak", b"edts"))


def named(kind: bytes) -> bool:
    """Whether these are the four letters of a name."""
    return len(kind) == 4 and kind.isascii() and kind.decode().isprintable()


EBML, SEGMENT, CLUSTER = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"
ELEMENTS = frozenset(
    bytes.fromhex(id_)
    for id_ in (
        *("1a45dfa3", "18538067", "ec", "bf"),  # header, segment, void, checksum
        *("114d9b74", "1549a966", "1654ae6b", "1f43b675", "1c53bb6b", "1941a469", "1043a770", "1254c367"),  # in it
        *("e7", "a3", "a0", "a7", "ab", "5854", "af"),  # in a cluster
    )
)


def element(file: BufferedReader, at: int) -> Part | None:
    """Matroska and WebM: id and length, whose leading zeros say how many bytes they have."""
    head = file.read(12)
    id_length = width(head)
    kind, rest = head[:id_length], head[id_length:]
    length = width(rest)
    if kind not in ELEMENTS or not 0 < length <= len(rest):
        return None
    body, most = at + id_length + length, (1 << 7 * length) - 1
    value = int.from_bytes(rest[:length]) & most
    return Part(kind, body, None if value == most else body + value, kind in (SEGMENT, CLUSTER))


def width(head: bytes) -> int:
    """Bytes of the number that begins here, 1..8; 9 where none does."""
    return 9 - head[0].bit_length() if head else 9


def chunk(file: BufferedReader, at: int) -> Part | None:
    """AVI: name and length, 4 bytes each, the content filled up to an even number."""
    head = file.read(12)
    kind, length = head[:4], int.from_bytes(head[4:8], "little")
    if not named(kind):
        return None
    holds = kind == b"RIFF" or (kind == b"LIST" and head[8:] in (b"movi", b"rec "))
    open_ = holds and length in (0, 0xFFFFFFFF)  # as a recorder leaves it that was not stopped
    return Part(kind, at + (12 if holds else 8), None if open_ else at + 8 + length + length % 2, holds)


def edited_seconds(file: BufferedReader) -> float:
    """How long the pictures of an MP4 file are shown by its edit list, or else by its track; 0 where nothing says."""
    scale, seconds = 0, 0.0
    for part in parts(file, box):
        if part.kind not in (b"mvhd", b"tkhd", b"elst") or part.stop is None:
            continue
        file.seek(part.body)
        content = file.read(part.stop - part.body)
        long = content[:1] == b"\1"
        if part.kind == b"mvhd":
            scale = int.from_bytes(content[20:24] if long else content[12:16])
        elif part.kind == b"tkhd":
            if seconds:
                return seconds  # the next track
            pictures = any(content[-8:])  # their width and height; sound has none
            length = content[28:36] if long else content[20:24]
            seconds = int.from_bytes(length) / scale if pictures and scale and set(length) != {255} else 0.0
        elif seconds:
            return edits(content, long) / scale
    return seconds


def edits(content: bytes, long: bool) -> int:
    """Length of all edits of a list but its pauses, in the units of the movie."""
    size, total = 8 if long else 4, 0
    for start in range(8, len(content) - 2 * size + 1, 2 * size + 4):
        length, first = content[start : start + size], content[start + size : start + 2 * size]
        total += int.from_bytes(length) if set(first) != {255} else 0
    return total
