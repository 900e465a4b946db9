"""Files, folders, globs and list files -> ids and paths, lazily and in order; and what lies about in folders."""

import gc
import os
import re
import socket
import sys
import unicodedata
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from dinoseg.errors import (
    ImageError,
    ImageForbidden,
    ImageVanished,
    InputNotFound,
    OptionError,
    OutputConflict,
    OutsideRoot,
)
from dinoseg.files import EMPTY
from dinoseg.images.decode import decode
from dinoseg.images.find import find, labels
from dinoseg.types import Failure, Source
from tests.helpers import encode, gradient, write_images


def grow(folder, *names):
    """Empty files of these names."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def ids(*inputs, exclude=None):
    return [item.id for item in find(inputs, exclude=exclude)]


def from_list(path, content):
    path.write_bytes(content)
    return list(find([], from_file=path))


# Files and folders.


def test_a_folder_is_walked_in_the_order_of_its_ids(tmp_path):
    grow(tmp_path, "b.png", "a/z.jpg", "a.jpg", "a-b/c.webp", "a/deep/er/x.TIFF", "Z.gif", "10.bmp", "9.bmp")
    found = ids(tmp_path)
    assert found == ["10.bmp", "9.bmp", "Z.gif", "a-b/c.webp", "a.jpg", "a/deep/er/x.TIFF", "a/z.jpg", "b.png"]
    assert found == sorted(found)


def test_sources_lead_to_the_files(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.png").write_bytes(encode(gradient()))
    (source,) = find([tmp_path])
    assert decode(source).id == "sub/a.png"


@pytest.mark.parametrize("name", ["a.jpg", "a", "a.txt", ".hidden.jpg"])
def test_a03_a_file_that_is_named_is_always_tried(tmp_path, name):
    grow(tmp_path, name)
    assert ids(tmp_path / name) == [name]


def test_b26_neighbours_are_counted_not_read(tmp_path):
    grow(tmp_path, "a.jpg", "notes.txt", "Thumbs.db", "desktop.ini", ".DS_Store", "._a.jpg", "sub/noext", ".git/b.jpg")
    listing = find([tmp_path])
    assert [item.id for item in listing] == ["a.jpg"]
    assert listing.ignored == 7  # the hidden folder counts once


@pytest.mark.parametrize("name", ["phone.heic", "new.avif", "camera.dng"])
def test_a21_photographs_that_are_not_read_are_listed_so_that_they_are_reported(tmp_path, name):
    assert ids(grow(tmp_path, name)) == [name]


def test_b24_an_empty_folder_is_an_empty_listing(tmp_path):
    assert ids(tmp_path) == []
    assert ids() == []


@pytest.mark.parametrize("name", ["nothing.jpg", "nothing/", "sub/nothing", "", "*.jpg", "nothing/**/*.png", "a**b"])
def test_b25_what_is_not_there_is_said_at_once(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputNotFound, match=f"^{name.replace('*', '.') or EMPTY}: "):
        find([name])  # not iterated


def test_b30_b31_any_name_is_listed(tmp_path):
    names = sorted(["grün 🐈.jpg", "with space.jpg", "new\nline.jpg", "[rich].jpg", os.fsdecode(b"\xff\xfe.jpg")])
    assert ids(grow(tmp_path, *names)) == names


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (PermissionError(13, "Permission denied"), ImageForbidden),
        (FileNotFoundError(2, "No such file"), ImageVanished),  # a22: gone meanwhile
        (OSError(5, "Input/output error"), ImageError),
    ],
)
def test_b34_a_folder_that_cannot_be_listed_is_one_failure(tmp_path, monkeypatch, raised, error):
    scandir = os.scandir

    def guarded(path):
        if Path(path).name == "b":
            raise raised
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    first, failure, last = find([grow(tmp_path, "a.jpg", "b/c.jpg", "d.jpg")])
    assert (first.id, failure.id, last.id) == ("a.jpg", "b", "d.jpg")
    assert isinstance(failure, Failure)
    assert type(failure.error) is error


# Several inputs.


def test_b27_ids_of_several_inputs(tmp_path):
    grow(tmp_path, "one/a.jpg", "two/a.jpg", "two/sub/b.jpg", "c.jpg")
    assert ids(tmp_path / "one", tmp_path / "two") == ["one/a.jpg", "two/a.jpg", "two/sub/b.jpg"]
    assert ids(tmp_path / "c.jpg", tmp_path / "one") == ["c.jpg", "one/a.jpg"]
    assert ids(tmp_path / "one/a.jpg", tmp_path / "c.jpg") == ["a.jpg", "c.jpg"]


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (["x/a.jpg", "y/a.jpg"], ["x/a.jpg", "y/a.jpg"]),  # files of one name
        (["x/a.jpg", "y/A.jpg"], ["x/a.jpg", "y/A.jpg"]),  # b33: of one name where case does not count
        (["x/a.jpg", "y/A.jpg", "x/c.jpg"], ["x/a.jpg", "y/A.jpg", "x/c.jpg"]),  # then all are told by folder
        (["x/sub", "y/sub"], ["x/sub/a.jpg", "y/sub/a.jpg"]),  # folders of one name
        (["x/a.jpg", "x/a.jpg"], ["a.jpg"]),  # one file, twice
        (["x/a.jpg", "y/../x/a.jpg"], ["a.jpg"]),  # by another way
        (["x", "x/sub"], ["x/a.jpg", "x/c.jpg", "sub/a.jpg"]),  # a folder in a folder: read once
        (["x", "x/a.jpg"], ["x/c.jpg", "x/sub/a.jpg", "a.jpg"]),  # a file in a folder: read once
        (["x", "x/sub/a.jpg", "x/a.jpg"], ["x/c.jpg", "x/sub/a.jpg", "x/a.jpg"]),  # and still apart
    ],
)
def test_b27_b33_ids_stay_apart(tmp_path, monkeypatch, inputs, expected):
    grow(tmp_path, "x/a.jpg", "x/c.jpg", "x/sub/a.jpg", "y/a.jpg", "y/A.jpg", "y/sub/a.jpg")
    monkeypatch.chdir(tmp_path)
    assert ids(*inputs) == expected


def test_b33_folders_that_differ_by_case_alone(tmp_path):
    grow(tmp_path, "X/a.jpg", "x/a.jpg")
    kept, marked = ids(tmp_path / "X/a.jpg", tmp_path / "x/a.jpg")
    assert kept == "X/a.jpg"
    assert marked.startswith("x/a~")


def test_b33_names_in_one_folder_that_differ_by_case_alone(tmp_path):
    found = ids(grow(tmp_path, "A.jpg", "a.jpg", "Sub/b.jpg", "sub/b.jpg"))
    assert len({id_.casefold() for id_ in found}) == 4
    assert {"A.jpg", "Sub/b.jpg"} < set(found)


def test_ids_of_dots(tmp_path, monkeypatch):
    grow(tmp_path, "x/a.jpg", "y/b.jpg")
    monkeypatch.chdir(tmp_path / "x")
    assert ids(".") == ["a.jpg"]
    assert ids("..") == ["x/a.jpg", "y/b.jpg"]
    assert ids(".", "../y") == ["x/a.jpg", "y/b.jpg"]
    assert labels([Path("/"), tmp_path / "y"]) == ["", "y/"]  # an id never begins with a slash


# Globs: what the shell would make of them.


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.jpg", ["a.jpg", "b.jpg"]),
        ("?.png", ["a.png"]),
        ("[ab].jpg", ["a.jpg", "b.jpg"]),
        ("*", ["a.jpg", "a.png", "b.jpg", "notes.txt", "sub/a.jpg", "sub/deep/c.jpg"]),  # folders are walked
        ("sub/*.jpg", ["a.jpg"]),
        ("**/c.jpg", ["c.jpg"]),
        ("**/*.jpg", ["a.jpg", "b.jpg", "sub/a.jpg", "sub/deep/c.jpg"]),  # names clash: told by folder
        ("s*", ["deep/c.jpg", "a.jpg"]),  # one folder
    ],
)
def test_globs_the_shell_did_not_expand(tmp_path, monkeypatch, pattern, expected):
    grow(tmp_path, "a.jpg", "b.jpg", "a.png", "notes.txt", ".hidden.jpg", "sub/a.jpg", "sub/deep/c.jpg", ".git/x.jpg")
    monkeypatch.chdir(tmp_path)
    assert sorted(ids(pattern)) == sorted(expected)
    assert ids(str(tmp_path / pattern)) == ids(pattern)


def test_a_file_whose_name_looks_like_a_glob_is_a_file(tmp_path):
    assert ids(grow(tmp_path, "a[1].jpg", "a1.jpg") / "a[1].jpg") == ["a[1].jpg"]


# Links, pipes, devices.


def test_b29_links_to_folders_are_not_followed(tmp_path):
    grow(tmp_path, "photos/sub/a.jpg", "elsewhere/b.jpg")
    (tmp_path / "photos/loop").symlink_to(tmp_path / "photos")
    (tmp_path / "photos/sub/up").symlink_to("..")
    (tmp_path / "photos/away").symlink_to(tmp_path / "elsewhere")
    listing = find([tmp_path / "photos"])
    assert [item.id for item in listing] == ["sub/a.jpg"]
    assert listing.ignored == 3


def test_b29_a_link_that_is_named_is_followed(tmp_path):
    grow(tmp_path, "photos/a.jpg")
    (tmp_path / "link").symlink_to("photos")
    assert ids(tmp_path / "link") == ["a.jpg"]
    assert ids(tmp_path / "link", tmp_path / "photos") == ["a.jpg"]  # one folder, once


def test_b29_links_to_files_are_read_and_broken_ones_reported(tmp_path):
    grow(tmp_path, "store/0123.bin", "photos/a.jpg")
    (tmp_path / "photos/link.jpg").symlink_to(tmp_path / "store/0123.bin")
    (tmp_path / "photos/broken.jpg").symlink_to("nothing")
    (tmp_path / "photos/self.jpg").symlink_to("self.jpg")
    assert ids(tmp_path / "photos") == ["a.jpg", "broken.jpg", "link.jpg", "self.jpg"]
    assert ids(tmp_path / "photos/broken.jpg") == ["broken.jpg"]  # nor is it "not there" when it is named
    broken = next(source for source in find([tmp_path / "photos"]) if source.id == "broken.jpg")
    with pytest.raises(ImageVanished):
        decode(broken)


def test_b37_pipes_and_sockets_are_passed_over(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    os.mkfifo("pipe.jpg")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.jpg")
        listing = find([grow(tmp_path, "a.jpg")])
        assert [item.id for item in listing] == ["a.jpg"]
    assert listing.ignored == 2


def test_b37_links_to_devices_pipes_and_folders_are_passed_over(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, target in {"zero.jpg": "/dev/zero", "pipe.jpg": "pipe", "folder.jpg": ".."}.items():
        (tmp_path / name).symlink_to(target)
    listing = find([tmp_path])
    assert list(listing) == []
    assert listing.ignored == 4


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "'': is an empty name"),
        ("https://somewhere.org/a.jpg", "https://somewhere.org/a.jpg: is a URL, and files are read only"),
        ("~/nothing.jpg", "~/nothing.jpg: is not there"),
        ("~nobody-is-called-so/a.jpg", "is not there"),
    ],
)
def test_b25_names_that_lead_nowhere_say_why(name, said):
    with pytest.raises(InputNotFound, match=re.escape(said)):
        find([name])


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    grow(tmp_path, "photos/a.jpg", "here/~/b.jpg")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert ids(Path("~/photos")) == ["a.jpg"]
    monkeypatch.chdir(tmp_path / "here")
    assert ids(Path("~")) == ["b.jpg"]  # a folder of that name comes first


@pytest.mark.parametrize("suffix", ["jp2", "tga", "pnm", "mpo", "apng", "dib", "heic", "avif", "jxl", "psd"])
def test_no_kind_of_picture_is_passed_over_in_silence(tmp_path, suffix):
    assert ids(grow(tmp_path, f"a.{suffix}")) == [f"a.{suffix}"]


# The output folder.


def test_b28_results_inside_the_input_folder_are_not_read(tmp_path):
    grow(tmp_path, "a.jpg", "results/masks/a.jpg.png", "sub/b.jpg")
    assert ids(tmp_path, exclude=tmp_path / "results") == ["a.jpg", "sub/b.jpg"]
    assert ids(tmp_path, exclude=tmp_path / "sub/../results/") == ["a.jpg", "sub/b.jpg"]
    assert ids(tmp_path / "**/*.jpg", exclude=tmp_path / "results") == ["a.jpg", "b.jpg"]
    assert ids(tmp_path, exclude=tmp_path / "not there yet") == ids(tmp_path)


def test_b28_results_among_the_photographs_are_refused(tmp_path):
    grow(tmp_path, "a.jpg")
    with pytest.raises(OutputConflict, match="another output folder"):
        find([tmp_path], exclude=tmp_path / "sub" / "..")
    with pytest.raises(OutputConflict, match="another output folder"):
        find([tmp_path, grow(tmp_path / "other", "b.jpg")], exclude=tmp_path)
    with pytest.raises(OutputConflict, match="another output folder"):  # though results lie there already
        find([grow(tmp_path, "run.json")], exclude=tmp_path)
    assert ids(tmp_path / "a.jpg", exclude=tmp_path) == ["a.jpg"]  # beside a file is no harm


@pytest.mark.parametrize("earlier", [[], ["run.json", "masks/a.jpg.png"]])
def test_b28_a_glob_that_catches_the_output_folder_passes_it_over(tmp_path, earlier):
    (tmp_path / "results").mkdir()
    grow(tmp_path, "a.jpg", "b.jpg", *(f"results/{name}" for name in earlier))
    assert ids(tmp_path / "*", exclude=tmp_path / "results") == ["a.jpg", "b.jpg"]


# List files.


def test_b36_lists(tmp_path):
    grow(tmp_path, "a.jpg", "b.jpg", "sub/c.jpg", " padded .jpg")
    found = from_list(
        tmp_path / "list.txt",
        b"\xef\xbb\xbfb.jpg\r\n"  # a byte order mark, and Windows' line ends
        b"\n   \r\n"  # blank lines
        b"sub/c.jpg\n./b.jpg\nsub/../b.jpg\n"  # the same file again, by other ways
        b"missing.jpg\n"
        b" padded .jpg\n"  # blanks belong to the name
        b"a.jpg",  # no line end
    )
    assert [item.id for item in found] == ["b.jpg", "sub/c.jpg", "missing.jpg", " padded .jpg", "a.jpg"]
    assert isinstance(found[2].error, InputNotFound)
    assert "line 7 of list.txt" in str(found[2].error)
    assert found[1].content.samefile(tmp_path / "sub/c.jpg")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_b36_lists_of_other_systems(tmp_path, encoding):
    """Byte order marks, ends of lines, backslashes, quotes, and accents composed another way than the file's."""
    apart = unicodedata.normalize("NFD", "é.jpg")
    grow(tmp_path, "a b.jpg", "sub/c.jpg", "d e.jpg", apart)
    lines = "\r\n".join(["a b.jpg", "sub\\c.jpg", '"d e.jpg"', unicodedata.normalize("NFC", apart), "a"])
    *found, failure = from_list(tmp_path / "list.txt", lines.encode(encoding))
    assert [item.id for item in found] == ["a b.jpg", "sub/c.jpg", "d e.jpg", apart]
    assert all(isinstance(item, Source) for item in found)
    assert isinstance(failure, Failure)
    assert failure.id == "a"


def test_b36_paths_are_relative_to_the_list(tmp_path, monkeypatch):
    grow(tmp_path, "data/a.jpg", "a.jpg")
    monkeypatch.chdir(tmp_path)
    (source,) = from_list(Path("data/list.txt"), b"a.jpg\n")
    assert source.content.samefile(tmp_path / "data/a.jpg")


@pytest.mark.parametrize(
    "line",
    [
        "../secret.jpg",
        "sub/../../secret.jpg",
        "../data2/secret.jpg",
        "{root}/secret.jpg",
        "/etc/passwd",
        "..",
        "linked/secret.jpg",
    ],
)
def test_h106_a_list_does_not_lead_out_of_its_folder(tmp_path, line):
    grow(tmp_path, "secret.jpg", "data/sub/a.jpg", "data2/secret.jpg", "away/secret.jpg")
    (tmp_path / "data/linked").symlink_to(tmp_path / "away")
    (failure,) = from_list(tmp_path / "data/list.txt", line.format(root=tmp_path).encode())
    assert isinstance(failure.error, OutsideRoot)
    assert failure.reason == "outside_root"


def test_h106_a_link_in_a_list_does_not_lead_out_either(tmp_path):
    write_images(tmp_path / "outside", 1)
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "link.jpg").symlink_to(tmp_path / "outside" / "photo_000.jpg")
    (tmp_path / "inside" / "list.txt").write_text("link.jpg\n")
    (failure,) = find([], from_file=tmp_path / "inside" / "list.txt")
    assert failure.reason == "outside_root"


def test_h106_absolute_paths_below_the_list_are_fine(tmp_path):
    grow(tmp_path, "sub/a..b.jpg")
    (source,) = from_list(tmp_path / "list.txt", str(tmp_path / "sub/a..b.jpg").encode())
    assert source.id == "sub/a..b.jpg"


def test_b36_a_list_may_hold_anything(tmp_path):
    grow(tmp_path, "a.jpg", os.fsdecode(b"\xff.jpg"))
    found = from_list(tmp_path / "list.txt", b"\xff.jpg\nnul\0.jpg\n" + b"x" * 9000 + b"\na.jpg/b.jpg\na.jpg\n")
    assert [isinstance(item, Source) for item in found] == [True, False, False, False, True]


def test_b25_a_list_that_is_not_there(tmp_path):
    for path in (tmp_path / "list.txt", tmp_path):
        with pytest.raises(InputNotFound, match="list file"):
            find([], from_file=path)


def test_e67_a_list_and_paths_contradict_each_other(tmp_path):
    with pytest.raises(OptionError, match="--from-file"):
        find([tmp_path], from_file=grow(tmp_path, "list.txt") / "list.txt")


# Size.


class FakeDisk:
    """100 folders of 100 images each, of which only names exist."""

    def __init__(self):
        self.scanned = 0

    @contextmanager
    def scandir(self, path):
        self.scanned += 1
        is_root = Path(path).name == "photos"
        names = (f"{index:04d}" + ("" if is_root else ".jpg") for index in range(100))
        yield (
            SimpleNamespace(
                name=name, is_dir=lambda follow_symlinks: is_root, is_symlink=lambda: False, is_file=lambda: not is_root
            )
            for name in names
        )


def test_b35_folders_are_listed_when_they_are_reached_and_then_forgotten(tmp_path, monkeypatch):
    disk = FakeDisk()
    (tmp_path / "photos").mkdir()
    monkeypatch.setattr(os, "scandir", disk.scandir)
    listing = iter(find([tmp_path / "photos"]))
    assert disk.scanned == 0
    assert next(listing).id == "0000/0000.jpg"
    assert disk.scanned == 2
    for count, _ in enumerate(listing, 2):
        if count == 5050:
            assert disk.scanned == 1 + 51
            mine = [x for x in gc.get_objects() if type(x) is Source and tmp_path in Path(str(x.content)).parents]
            assert len(mine) < 100  # other tests may keep theirs
    assert count == 10_000


def test_b35_depth_is_not_limited_by_the_stack(tmp_path):
    depth = 300
    grow(tmp_path, "d/" * depth + "a.jpg")
    before = sys.getrecursionlimit()
    frame, frames = sys._getframe(), 0
    while frame := frame.f_back:
        frames += 1
    sys.setrecursionlimit(frames + 100)
    try:
        found = ids(tmp_path)
    finally:
        sys.setrecursionlimit(before)
    assert found == ["d/" * depth + "a.jpg"]
