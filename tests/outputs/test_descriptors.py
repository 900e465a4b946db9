import io
import os
from dataclasses import replace

import numpy as np
import pytest

from dinoseg.errors import ResultLost
from dinoseg.outputs.descriptors import encode, read_descriptors
from dinoseg.outputs.format import Scene
from tests.outputs.scenes import box_mask, segmentation

MASKS = [box_mask((24, 32), 2, 2, 10, 10), box_mask((24, 32), 12, 4, 30, 20)]


def test_one_row_for_each_object_in_their_order(tmp_path):
    plain = segmentation(MASKS)
    vectors = np.eye(2, 5, dtype=np.float32)
    pairs = zip(plain.instances, vectors, strict=True)
    described = replace(plain, instances=tuple(replace(found, descriptor=vector) for found, vector in pairs))
    (tmp_path / "a.npy").write_bytes(encode(Scene(described)))
    np.testing.assert_array_equal(read_descriptors(tmp_path / "a.npy", 2), vectors)


@pytest.mark.parametrize("masks", [[], MASKS], ids=["no object", "not described"])
def test_nothing_to_write(masks):
    assert encode(Scene(segmentation(masks))) is None


def saved(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        None,  # gone
        b"",
        b"text",
        saved(np.zeros((2, 5), np.float32))[:-1],  # torn
        saved(np.zeros((3, 5), np.float32)),  # of other objects
        saved(np.zeros((2, 5))),
        saved(np.full((2, 5), np.nan, np.float32)),
        saved(np.array([{}, {}])),  # would need pickle
        saved(np.zeros((2, 5), np.float32)).replace(b"(2, 5)", b"(9**9,)"),
        saved(np.zeros((2, 5), np.float32)).replace(b"(2, 5), ", b"(10**15,"),
        b"PK\3\4 an archive",
    ],
)
def test_what_cannot_be_read_is_lost(tmp_path, content):
    if content is not None:
        (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(ResultLost, match=r"a\.npy"):
        read_descriptors(tmp_path / "a.npy", 2)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.npy")
    with pytest.raises(ResultLost, match=r"a\.npy"):
        read_descriptors(tmp_path / "a.npy", 2)
