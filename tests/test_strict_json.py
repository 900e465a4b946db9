import json
from pathlib import PurePosixPath

import numpy as np
import pytest

from dinoseg.strict_json import to_json


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (np.uint32(7), 7),
        (np.float32(0.5), 0.5),
        (np.float64(0.25), 0.25),
        (np.bool_(True), True),
        (np.arange(3), [0, 1, 2]),
        ((1, (2, 3)), [1, [2, 3]]),
        (float("nan"), None),
        (np.float32("inf"), None),
        (np.array([1.0, np.nan]), [1.0, None]),
        ({"a": {3: np.int64(1)}}, {"a": {"3": 1}}),
        (PurePosixPath("a/b"), "a/b"),
        (True, True),
        (None, None),
    ],
)
def test_d57_only_valid_json(value, read):
    back = json.loads(to_json(value), parse_constant=pytest.fail)
    assert back == read
    assert type(back) is type(read)


@pytest.mark.parametrize("name", ["é", "猫.jpg", "😀", "a\nb", "\x1b[31m", "b\udcffd.jpg", '"\\'])
def test_b31_names_survive(name):
    text = to_json({"id": name})
    assert text.isascii()
    assert text.isprintable()  # no line break, no control character (H112)
    assert json.loads(text) == {"id": name}


def test_d57_bytes_are_an_error():
    with pytest.raises(TypeError, match="bytes"):
        to_json({"counts": b"12"})
