"""Lists and other text files as other programs write them: encodings, ends of lines, spellings of names."""

import unicodedata

import pytest

from dinoseg.images.text import lines_of, read_text, spelled, spellings

ACCENTED = unicodedata.normalize("NFC", "café.jpg")


@pytest.mark.parametrize(
    "encoding",
    [
        "utf-8",
        "utf-8-sig",  # Windows editors, Excel's CSV
        "utf-16",  # PowerShell's redirection
        "utf-32",
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["Unix", "Windows", "old Mac"])
def test_text_is_the_same_in_every_encoding(tmp_path, encoding, end):
    path = tmp_path / "list.txt"
    path.write_bytes(end.join(["a.jpg", "", ACCENTED, "b c.jpg "]).encode(encoding))
    assert read_text(path) == f"a.jpg\n\n{ACCENTED}\nb c.jpg "
    assert list(lines_of(path)) == [(1, "a.jpg"), (3, ACCENTED), (4, "b c.jpg ")]


def test_big_endian_marks_are_known_too(tmp_path):
    (tmp_path / "a").write_bytes(b"\xfe\xff" + "a".encode("utf-16-be"))
    (tmp_path / "b").write_bytes(b"\0\0\xfe\xff" + "b".encode("utf-32-be"))
    assert [read_text(tmp_path / name) for name in "ab"] == ["a", "b"]


def test_bytes_that_are_no_text_stay_in_a_line_and_are_an_error_in_a_text(tmp_path):
    (tmp_path / "list").write_bytes(b"caf\xe9.jpg\na\0b\n")
    assert [line.encode("utf-8", "surrogateescape") for _, line in lines_of(tmp_path / "list")] == [
        b"caf\xe9.jpg",
        b"a\xef\xbf\xbdb",
    ]
    with pytest.raises(ValueError, match="decode"):
        read_text(tmp_path / "list")


@pytest.mark.parametrize("content", [b"\xff\xfea", b"\xff\xfea\0\n\0b"], ids=["at once", "in line 2"])
def test_a_list_that_is_cut_within_a_character_ends_with_a_name_that_is_nothing(tmp_path, content):
    (tmp_path / "list").write_bytes(content)
    assert [line for _, line in lines_of(tmp_path / "list")][-1] == "\ufffd"


@pytest.mark.parametrize(
    ("there", "listed"),
    [
        ("a b.jpg", "a b.jpg"),
        (" a.jpg", " a.jpg"),  # spaces that belong to the name
        ("a.jpg", " a.jpg\t"),  # spaces that do not
        ("my cat.jpg", '"my cat.jpg"'),
        ("my cat.jpg", "'my cat.jpg' "),
        ('"a".jpg', '"a".jpg'),
        ("images/a.jpg", "images\\a.jpg"),
        ("images/a.jpg", '"images\\a.jpg"'),
        ("a\\b.jpg", "a\\b.jpg"),  # a name here
        (unicodedata.normalize("NFD", ACCENTED), ACCENTED),
        (ACCENTED, unicodedata.normalize("NFD", ACCENTED)),
        (f"images/{unicodedata.normalize('NFD', ACCENTED)}", f"images\\{ACCENTED}"),
    ],
)
def test_a_file_is_found_however_a_list_spells_it(tmp_path, there, listed):
    path = tmp_path / there
    path.parent.mkdir(exist_ok=True)
    path.touch()
    assert spelled(tmp_path, listed) == path


def test_what_is_written_comes_first(tmp_path):
    for name in ('"a"', "a", "b\\c", ACCENTED, unicodedata.normalize("NFD", ACCENTED)):
        (tmp_path / name).touch()
    for name in ('"a"', "a", "b\\c", ACCENTED, unicodedata.normalize("NFD", ACCENTED)):
        assert spelled(tmp_path, name).name == name


def test_what_is_not_there_keeps_its_name(tmp_path):
    assert spelled(tmp_path, " 'x' ") == tmp_path / " 'x' "
    assert next(spellings("x y")) == "x y"
