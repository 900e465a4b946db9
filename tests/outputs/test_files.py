import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinoseg.errors import OutputConflict
from dinoseg.outputs.files import Spellings, existing, free_path, relative_path, remove_files, write_under


@pytest.mark.parametrize(
    ("id_", "path"),
    [
        ("cat.jpg", "masks/cat.jpg.png"),
        ("cat.png", "masks/cat.png.png"),  # does not meet cat.jpg
        ("sub/cat.jpg", "masks/sub/cat.jpg.png"),
        ("image-000003", "masks/image-000003.png"),
        ("so many.dots...jpg", "masks/so many.dots...jpg.png"),
        ("猫 😀\n.jpg", "masks/猫 😀\n.jpg.png"),
        ("b\udcffd.jpg", "masks/b\udcffd.jpg.png"),
    ],
)
def test_b27_paths_keep_tree_and_extension(id_, path):
    assert relative_path("masks", id_, ".png") == path


@pytest.mark.parametrize(
    "id_",
    ["../a.jpg", "/etc/passwd", "a/../../b.jpg", "..", ".", "", "C:/a.jpg", "c:a.jpg", r"..\a.jpg", "a/./b", "a//b"],
)
def test_h106_ids_never_leave_the_folder(tmp_path, id_):
    relative = relative_path("masks", id_, ".png")
    parts = relative.split("/")
    assert parts[0] == "masks"
    assert not {"", ".", ".."} & set(parts)
    assert "\\" not in relative
    assert ":" not in relative
    assert write_under(tmp_path, relative, [b"x"]).resolve().is_relative_to(tmp_path / "masks")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_h106_whatever_the_id(id_):
    for marked in (False, True):
        parts = relative_path("masks", id_, ".png", marked=marked).split("/")
        assert not {"", ".", ".."} & set(parts)
        assert max(len(part.encode()) for part in parts) <= 255
        assert "\0" not in "".join(parts)


@pytest.mark.parametrize("letter", ["x", "é", "😀"])
def test_b32_long_names_are_shortened_with_a_hash(tmp_path, letter):
    long = letter * (251 // len(letter.encode())) + ".jpg"
    other = "y" + long[1:]
    paths = [relative_path("masks", f"{parent}/{name}", ".png") for parent in ("a", "b") for name in (long, other)]
    assert len(set(paths)) == 4
    for path in paths:
        assert write_under(tmp_path, path, [b"x"]).is_file()
        assert path.split("/")[2].startswith(letter) or path.split("/")[2].startswith("y")
        assert path.endswith(".png")


def test_b33_other_case_on_a_case_insensitive_system_is_a_clash(tmp_path, monkeypatch):
    for name in ("masks/Sub/A.jpg.png", "masks/sub/c.jpg.png"):
        write_under(tmp_path, name, [b"x"])
    real = Path.exists
    known = {str(path).lower() for path in tmp_path.rglob("*")}
    monkeypatch.setattr(Path, "exists", lambda path: real(path) or str(path).lower() in known)
    for id_ in ("Sub/a.jpg", "sub/A.jpg"):
        clash = free_path(tmp_path, "masks", id_, ".png", Spellings())
        assert clash == relative_path("masks", id_, ".png", marked=True)
        assert clash.lower() != relative_path("masks", id_, ".png").lower()
    assert free_path(tmp_path, "masks", "sub/c.jpg", ".png", Spellings()) == "masks/sub/c.jpg.png"  # a file of its own
    assert free_path(tmp_path, "masks", "new.jpg", ".png", Spellings()) == "masks/new.jpg.png"


def counted(monkeypatch):
    """The folders that are listed from now on."""
    listed, iterdir = [], Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda path: (listed.append(path), iterdir(path))[1])
    return listed


def test_d59_a_folder_is_listed_once_and_again_for_a_new_name_only(tmp_path, monkeypatch):
    ids = [f"sub/{number}.jpg" for number in range(20)]
    for id_ in ids:
        write_under(tmp_path, relative_path("masks", id_, ".png"), [b"x"])
    listed, spellings = counted(monkeypatch), Spellings()
    assert [free_path(tmp_path, "masks", id_, ".png", spellings) for id_ in ids] == [f"masks/{id_}.png" for id_ in ids]
    assert len(listed) == 3  # the root, masks, sub
    write_under(tmp_path, "masks/sub/new.jpg.png", [b"x"])
    assert free_path(tmp_path, "masks", "sub/new.jpg", ".png", spellings) == "masks/sub/new.jpg.png"
    assert len(listed) == 4


def test_d59_no_folder_is_listed_for_each_file_that_is_removed(tmp_path, monkeypatch):
    names = [f"masks/{number}.png" for number in range(20)]
    for name in names:
        write_under(tmp_path, name, [b"x"])
    listed = counted(monkeypatch)
    remove_files(tmp_path, names)
    assert not listed
    assert not (tmp_path / "masks").exists()


@pytest.mark.parametrize(
    "ids",
    [
        ["a.jpg", "a.jpg.png/b.jpg", "a.jpg.png/c/b.jpg"],  # a file where a folder belongs
        ["a.jpg.png/b.jpg", "a.jpg.png/c/b.jpg", "a.jpg"],  # a folder where a file belongs
    ],
)
def test_b27_a_photograph_beside_a_folder_of_its_results_name(tmp_path, ids):
    paths = []
    for id_ in ids:
        paths.append(free_path(tmp_path, "masks", id_, ".png", Spellings()))
        write_under(tmp_path, paths[-1], [id_.encode()])
    assert [(tmp_path / path).read_bytes().decode() for path in paths] == ids
    assert [free_path(tmp_path, "masks", id_, ".png", Spellings()) for id_ in ids] == paths  # found again


def test_writing_makes_folders_and_replaces(tmp_path):
    for content in (b"old", b"new"):
        assert write_under(tmp_path, "a/b/c.png", [content[:1], content[1:]]).read_bytes() == content
    assert [path.name for path in (tmp_path / "a/b").iterdir()] == ["c.png"]


def test_h116_folders_that_are_links_are_not_written_through(tmp_path):
    root, outside = tmp_path / "out", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "masks").symlink_to(outside)
    for relative in ("masks/a.png", "masks/sub/a.png"):
        with pytest.raises(OutputConflict, match="symbolic link"):
            write_under(root, relative, [b"x"])
    assert list(outside.iterdir()) == []


def test_h116_a_file_that_is_a_link_is_replaced_not_written_through(tmp_path):
    root, outside = tmp_path / "out", tmp_path / "outside.png"
    root.mkdir()
    outside.write_bytes(b"precious")
    (root / "a.png").symlink_to(outside)
    assert not write_under(root, "a.png", [b"x"]).is_symlink()
    assert outside.read_bytes() == b"precious"


@pytest.mark.parametrize("relative", ["../a.png", "masks/../../a.png", "/a.png"])
def test_h106_writing_outside_is_refused(tmp_path, relative):
    root = tmp_path / "out"
    root.mkdir()
    path = str(tmp_path) + relative if relative.startswith("/") else relative
    with pytest.raises(OutputConflict):
        write_under(root, path, [b"x"])
    assert [path.name for path in tmp_path.rglob("*")] == ["out"]


def test_d51_disk_full_names_the_file_and_leaves_nothing(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(b"old")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*a\.png'") as error:
        write_under(tmp_path, "a.png", [b"new"])
    assert error.value.errno == errno.ENOSPC
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.png": b"old"}


def test_existing_sees_only_files_of_the_folder(tmp_path):
    root = tmp_path / "out"
    write_under(tmp_path, "outside.png", [b"x"])
    write_under(tmp_path, "out/masks/a.png", [b"x"])
    (root / "link.png").symlink_to(root / "masks/a.png")
    (root / "away").symlink_to(tmp_path)
    assert existing(root, "masks/a.png") == root / "masks/a.png"
    for relative in (
        "masks",
        "none.png",
        "../outside.png",
        str(tmp_path / "outside.png"),
        "link.png",
        None,
        5,
        "a\0",
        "a" * 5000,
    ):
        assert existing(root, relative) is None
    assert existing(root, "away/outside.png") is None
    assert existing(root, "masks/../masks/a.png") is None


def test_d55_removing_takes_files_and_empty_folders_only(tmp_path):
    root = tmp_path / "out"
    for relative in ("out/masks/sub/a.png", "out/masks/b.png", "out/labels/sub/a.png", "outside.png"):
        write_under(tmp_path, relative, [b"x"])
    remove_files(root, ["masks/sub/a.png", "labels/sub/a.png", "../outside.png", "missing.png", None])
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()) == [
        "out/masks/b.png",
        "outside.png",
    ]
    assert not (root / "labels").exists()
    assert not (root / "masks/sub").exists()
    remove_files(root, ["masks/b.png"])
    assert root.is_dir()  # the folder itself stays


def test_names_by_stem(tmp_path):
    spellings = Spellings()
    ids = ("a.jpg", "a.png", "a.png.png", "b/a.jpg", "noend", ".hidden")
    paths = [free_path(tmp_path, "masks", id_, ".png", spellings, stem=True) for id_ in ids]
    assert paths[:2] == ["masks/a.png", "masks/a.png.png"]
    assert paths[2] not in paths[:2]
    assert paths[3:] == ["masks/b/a.png", "masks/noend.png", "masks/.hidden.png"]
    assert [free_path(tmp_path, "masks", id_, ".png", spellings, stem=True) for id_ in ids] == paths  # its own again
