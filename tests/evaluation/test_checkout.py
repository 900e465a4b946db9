"""The commit in a report is dinoseg's own, or none."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

import dinoseg
from dinoseg.evaluation import checkout
from dinoseg.evaluation.checkout import checked_out, commit, installed

NAMED = '[project]\nname = "{}"\n'


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    here = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(["git", *who, *words], cwd=folder, env=here, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def repository(root: Path, project: str = "dinoseg") -> str:
    """A repository with one commit, which is returned."""
    root.mkdir(parents=True)
    (root / "pyproject.toml").write_text(NAMED.format(project))
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    git(root, "tag", "-am", "a tag changes nothing", "v1")
    return git(root, "rev-parse", "HEAD")


def test_the_commit_of_a_checkout_and_whether_it_was_changed(tmp_path: Path) -> None:
    root = tmp_path / "dinoseg"
    made = repository(root)
    assert checked_out(root) == made
    (root / "photo.jpg").write_text("an untracked file is no change")
    assert checked_out(root) == made
    (root / "pyproject.toml").write_text(NAMED.format("dinoseg") + "# changed\n")
    assert checked_out(root) == f"{made}-dirty"


def test_a_hook_of_another_repository_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = repository(tmp_path / "dinoseg"), repository(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    assert checked_out(tmp_path / "dinoseg") == made


def test_a_repository_of_somebody_else_is_none_of_ours(tmp_path: Path) -> None:
    repository(tmp_path / "theirs", "their-work")
    assert checked_out(tmp_path / "theirs") is None  # dinoseg copied into it
    inside = tmp_path / "theirs" / "site-packages"
    inside.mkdir()
    (inside / "pyproject.toml").write_text(NAMED.format("dinoseg"))
    assert checked_out(inside) is None  # or installed below it


@pytest.mark.parametrize("text", [None, "", "[project", "project = 3", "[project]"])
def test_what_is_no_project_is_no_error(tmp_path: Path, text: str | None) -> None:
    (tmp_path / ".git").mkdir()
    if text is not None:
        (tmp_path / "pyproject.toml").write_text(text)
    assert checked_out(tmp_path) is None


def test_no_git_no_commit_and_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text(NAMED.format("dinoseg"))
    (tmp_path / ".git").mkdir()
    assert checked_out(tmp_path) is None  # a broken repository
    monkeypatch.setenv("PATH", str(tmp_path))
    assert checked_out(tmp_path) is None  # a machine without git


class Installed:
    """Stands in the place of what pip has installed."""

    def __init__(self, folder: Path, noted: str | None) -> None:
        self.folder, self.noted = folder, noted

    def locate_file(self, name: str) -> Path:
        return self.folder / name

    def read_text(self, name: str) -> str | None:
        return self.noted


FROM_GIT = json.dumps({"url": "https://example.org/d.git", "vcs_info": {"vcs": "git", "commit_id": "ab12"}})


@pytest.mark.parametrize(
    ("noted", "expected"),
    [
        (FROM_GIT, "ab12"),
        (json.dumps({"url": "file:///d", "dir_info": {}}), None),  # pip install .
        (None, None),  # a wheel
        ("{", None),
        ("[]", None),
    ],
)
def test_pip_notes_what_it_installed_from_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noted: str | None, expected: str | None
) -> None:
    monkeypatch.setattr(checkout, "distribution", lambda name: Installed(tmp_path, noted))
    assert installed(tmp_path / "dinoseg") == expected
    assert installed(tmp_path / "elsewhere" / "dinoseg") is None  # another copy is what runs


def test_this_very_package() -> None:
    root = Path(dinoseg.__file__).resolve().parents[1]
    if (root / ".git").exists():
        assert (commit() or "").removesuffix("-dirty") == git(root, "rev-parse", "HEAD")
