"""What was computed once is read again, and what is torn or absent is not."""

import numpy as np
import pytest
import torch

from dinoseg.errors import OptionError
from dinoseg.learning.distance import look
from dinoseg.training.teacher_cache import GIB, RecordShape, TeacherCache
from tests.networks import small_teacher

SHAPE = RecordShape.of(small_teacher().spec, grid=3)


def seen(count: int = 4):
    images = torch.rand(count, 3, 24, 24, generator=torch.Generator().manual_seed(1))
    return look(small_teacher(), images)


def cache(tmp_path, rounds: float = 2.5, photographs: int = 10, epochs: int = 9) -> TeacherCache:
    return TeacherCache(
        tmp_path / "teacher.cache", SHAPE, photographs, rounds * photographs * SHAPE.nbytes / GIB, epochs
    )


def test_features_come_back_in_half_precision():
    found = SHAPE.unpack(SHAPE.pack(seen()), torch.device("cpu"))
    for mine, theirs in (
        (found.attention, seen().attention),
        (found.facets["token"], seen().facets["token"]),
        (found.cls, seen().cls),
    ):
        assert mine.shape == theirs.shape
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-3)


def test_records_are_read_as_written_and_others_are_absent(tmp_path):
    rows = SHAPE.pack(seen())
    kept = cache(tmp_path)
    assert kept.read([0, 1]) == [None, None]  # no file yet
    kept.write([19, 3, 0, 7], rows)
    found = kept.read([3, 19, 4, 7])
    assert found[2] is None  # between others, never written
    for record, row in ((found[0], rows[1]), (found[1], rows[0]), (found[3], rows[3])):
        np.testing.assert_array_equal(record, row)


@pytest.mark.parametrize("damage", ["bit", "end"])
def test_torn_records_are_absent(damage, tmp_path):
    kept = cache(tmp_path)
    kept.write([0, 1], SHAPE.pack(seen(2)))
    content = bytearray(kept.path.read_bytes())
    if damage == "bit":
        content[SHAPE.nbytes + 5] ^= 1
    kept.path.write_bytes(content if damage == "bit" else content[:-7])
    first, second = kept.read([0, 1])
    assert first is not None
    assert second is None


@pytest.mark.parametrize(
    ("rounds", "epochs", "expected"),
    [
        (2.5, 9, 2),  # what fits
        (2.5, 1, 1),  # no more than there are epochs
    ],
)
def test_rounds_are_what_the_budget_holds(rounds, epochs, expected, tmp_path):
    assert cache(tmp_path, rounds, epochs=epochs).rounds == expected


def test_a_budget_for_less_than_one_round_is_refused(tmp_path):
    with pytest.raises(OptionError, match=r"--teacher-cache .* too small: one crop of each of 10 photographs"):
        cache(tmp_path, rounds=0.9)


def test_a_photograph_has_one_crop_a_round(tmp_path):
    kept = cache(tmp_path)
    indices = torch.tensor([4, 0])
    assert [kept.slots(indices, epoch) for epoch in range(3)] == [[4, 0], [14, 10], [4, 0]]
