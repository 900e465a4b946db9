import hashlib
import json
import os
from dataclasses import replace

import numpy as np
import pytest

from dinoseg.errors import TruncatedImage
from dinoseg.outputs.record import Record, failure_record, parse_record, record_of
from dinoseg.runs.done import fingerprint, unchanged
from dinoseg.types import Failure
from tests.outputs.scenes import box_mask, segmentation

MASK = box_mask((20, 30), 3, 2, 17, 11)


def test_line_of_an_image_that_was_done():
    record = record_of(
        replace(segmentation([MASK], [0.5]), presence=0.75), run="77", files={"masks": "masks/a.jpg.png"}
    )
    line = record.line()
    assert line.endswith(b"\n")
    assert json.loads(line) == {
        "id": "a.jpg",
        "status": "done",
        "run": "77",
        "reason": None,
        "message": None,
        "source": None,
        "size": [20, 30],
        "score": 0.5,
        "presence": 0.75,
        "objects": [
            {
                "score": 0.5,
                "why": "cut 1",
                "box": [3, 2, 17, 11],
                "area": 126,
                "label": 1,
                "rle": segmentation([MASK]).instances[0].rle,
            }
        ],
        "notes": [],
        "time": None,
        "seconds": 0.75,
        "files": {"masks": "masks/a.jpg.png"},
    }


def test_a17_no_object_is_empty_with_score_0_and_a_reason():
    record = record_of(segmentation())
    assert (record.status, record.reason, record.score, record.objects) == ("empty", "no_object", 0, ())


def test_failure():
    record = failure_record(Failure("a.jpg", TruncatedImage("a.jpg ends early")), "77")
    assert (record.status, record.reason, record.message) == ("failed", "truncated", "a.jpg ends early")
    assert (record.score, record.size, record.files) == (None, None, {})


def test_d57_numpy_values_become_plain():
    result = segmentation([MASK], [np.float32(0.5)])
    assert json.loads(record_of(result).line(), parse_constant=pytest.fail)["score"] == 0.5


@pytest.mark.parametrize("id_", ["猫.jpg", "b\udcffd.jpg", "two\nlines.jpg"])
def test_b31_parsing_gives_the_record_again(id_):
    result = replace(segmentation([MASK], id_=id_), presence=0.5, time=1.5)
    record = record_of(result, run="77", files={"masks": None})
    assert record.line().count(b"\n") == 1
    back = parse_record(record.line())
    assert back.line() == record.line()
    assert back.id == id_


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b'{"id": "a.jpg", "stat',  # torn
        b"\0\0\0\0\n",  # what a power cut may leave
        b"\xff\xfe\n",
        b"[1, 2]\n",
        b'"id"\n',
        b"{}\n",
        b'{"id": 5, "status": "done"}\n',
        b'{"id": "a.jpg"}\n',
        b'{"id": "a.jpg", "status": "done", "files": "masks"}\n',
        b'{"id": "a.jpg", "status": "done", "source": ' + 100_000 * b"[",  # no recursion without end
    ],
)
def test_d52_other_lines_are_no_records(line):
    assert parse_record(line) is None


OBJECT = {
    "score": 0.5,
    "why": "",
    "box": [0, 0, 2, 2],
    "area": 4,
    "label": 1,
    "rle": {"size": [4, 5], "counts": "0"},
}
WHOLE = {"id": "a.jpg", "status": "done", "size": [4, 5], "objects": [OBJECT], "files": {"masks": "masks/a.jpg.png"}}


@pytest.mark.parametrize(
    "changes",
    [
        {"id": ["a.jpg"]},
        {"status": "well"},
        {"status": ["done"]},
        {"run": 5},
        {"message": {}},
        {"source": "sha"},
        {"size": "4x5"},
        {"size": [4, -5]},
        {"size": [4, 5, 6]},
        {"size": None},  # with objects
        {"score": "0.5"},
        {"score": float("nan")},
        {"presence": True},
        {"notes": "cmyk"},
        {"time": "0:01"},
        {"seconds": None},
        {"objects": {}},
        {"objects": [5]},
        *({"objects": [{**OBJECT, key: value}]} for key, value in {"score": None, "area": 4.5, "label": "1"}.items()),
        *({"objects": [{**OBJECT, "box": value}]} for value in (None, [0, 0, 2], [0, 0, 2, 2.5], "0022")),
        *({"objects": [{**OBJECT, "rle": value}]} for value in (None, "0", {"size": [4, 5]}, {"counts": "0"})),
        {"objects": [{**OBJECT, "rle": {"size": [40, 50], "counts": "0"}}]},  # of another photograph
        {"files": [["masks", "masks/a.jpg.png"]]},
        {"files": {"masks": 5}},
        {"files": {"masks": "masks/a\0.png"}},
        {"files": {"masks": "../a.png"}},
    ],
    ids=str,
)
def test_h106_a_line_of_a_wrong_type_is_no_record(changes):
    assert parse_record(json.dumps(WHOLE).encode()) is not None
    assert parse_record(json.dumps(WHOLE | changes).encode()) is None


def test_fields_of_later_versions_are_passed_over():
    assert parse_record(b'{"id": "a", "status": "done", "more": 1}\n') == Record(id="a", status="done")


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"photo")
    return path


def test_fingerprint(photo):
    known = fingerprint(photo)
    assert known == {"size": 5, "mtime": photo.stat().st_mtime, "sha256": hashlib.sha256(b"photo").hexdigest()}
    assert fingerprint(str(photo)) == json.loads(json.dumps(known))


@pytest.mark.parametrize("content", [b"photo", np.zeros((2, 2, 3), np.uint8), "missing.jpg"])
def test_fingerprint_of_what_is_no_file(content):
    assert fingerprint(content) is None
    assert not unchanged(content, {"size": 5, "mtime": 0, "sha256": ""})


@pytest.mark.parametrize("target", ["pipe", "/dev/zero"])
def test_fingerprint_of_what_never_ends(tmp_path, target):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "a.jpg").symlink_to(target)
    assert fingerprint(tmp_path / "a.jpg") is None


@pytest.mark.parametrize(
    ("content", "later", "same"),
    [
        (b"photo", 0, True),
        (b"photo", 10, True),  # touched or copied: the hash decides
        (b"Photo", 10, False),
        (b"photos", 0, False),  # another size says enough
    ],
)
def test_d54_unchanged_goes_by_content(photo, content, later, same):
    known = fingerprint(photo)
    photo.write_bytes(content)
    os.utime(photo, (known["mtime"] + later,) * 2)
    assert unchanged(photo, known) is same


def test_same_size_and_time_need_no_reading(photo, monkeypatch):
    known = fingerprint(photo)
    monkeypatch.setattr(hashlib, "file_digest", pytest.fail)
    assert unchanged(photo, known)


@pytest.mark.parametrize("known", [None, {}, {"size": 5}])
def test_incomplete_knowledge_is_a_change(photo, known):
    assert not unchanged(photo, known)
