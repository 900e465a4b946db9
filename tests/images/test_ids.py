"""Names that a file system without case, or one that composes accents, would take for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinoseg.images.ids import distinct, fold


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("A.jpg", "a.jpg"),  # case
        ("Sub/", "sub/"),  # folders
        ("STRASSE.png", "straße.png"),  # case that changes the length
        ("caf\u00e9.jpg", "cafe\u0301.jpg"),  # one letter, or letter and accent
    ],
)
def test_b33_names_that_may_clash_are_marked(first, second):
    kept, marked = distinct([first, second])
    assert kept == first
    assert marked != second
    assert fold(marked) != fold(first)
    assert marked.startswith(second.rstrip("/").rpartition(".")[0])
    assert marked.endswith(second[-1])  # suffix and slash stay at the end


def test_b33_a_mark_does_not_depend_on_what_else_is_there():
    assert list(distinct(["A.jpg", "a.jpg"]))[1] == list(distinct(["0.jpg", "A.jpg", "a.jpg"]))[2]


@given(
    st.lists(
        st.text(st.characters(exclude_characters="/\0"), min_size=1).filter(lambda n: n not in ("..", ".")), unique=True
    )
)
def test_b33_ids_stay_apart(names):
    shown = list(distinct(names))
    assert len({fold(name) for name in shown}) == len(names)
