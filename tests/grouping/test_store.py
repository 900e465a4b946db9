import numpy as np
import pytest

from dinoseg.grouping.store import CHUNK, Store, shuffled


def rows(n, start=0):
    return (start + np.arange(3 * n, dtype=np.float32)).reshape(n, 3)


@pytest.mark.parametrize("n", [1, CHUNK, CHUNK + 1])
def test_rows_come_back_in_their_order(tmp_path, n):
    with Store(tmp_path) as store:
        store.add(rows(n))
        store.add(rows(2, start=7))
        expected = np.concatenate([rows(n), rows(2, start=7)])
        assert len(store) == n + 2
        np.testing.assert_array_equal(store.head(2), expected[:2])
        np.testing.assert_array_equal(store.head(10**6), expected)
        chunks = list(store.chunks())
    assert max(map(len, chunks)) <= CHUNK
    np.testing.assert_array_equal(np.concatenate(chunks), expected)


def test_nothing_is_left_behind(tmp_path):
    with Store(tmp_path) as store:
        store.add(rows(5))
        assert len(store.head(5)) == 5
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("bad", [rows(2)[:, :2], rows(2).astype(np.float64), rows(2)[0]], ids=["width", "type", "flat"])
def test_rows_of_another_kind_are_refused(tmp_path, bad):
    with Store(tmp_path) as store:
        store.add(rows(2))
        with pytest.raises(ValueError, match="width 3"):
            store.add(bad)


def test_the_order_depends_on_the_ids_alone_and_mixes_them():
    ids = [f"{kind}/{number:03d}.jpg" for kind in "ab" for number in range(100)]
    order = shuffled(reversed(ids))
    assert order == shuffled(ids)
    assert sorted(order) == ids
    assert 30 < sum(id_[0] == "a" for id_ in order[:100]) < 70
