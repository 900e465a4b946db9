"""Which commit of dinoseg a number was made with."""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import dinoseg

ASK = ("git", "--no-optional-locks", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
PATIENCE = 5.0
"""Seconds that git may take."""


@cache
def commit() -> str | None:
    """The commit that is checked out (``-dirty`` behind it where tracked files were changed), or that pip installed.

    None where nobody knows, as for a wheel.
    """
    package = Path(dinoseg.__file__).resolve().parent
    return checked_out(package.parent) or installed(package)


def checked_out(root: Path) -> str | None:
    """Of a folder that is dinoseg's own repository, not one that merely lies in somebody's."""
    if not (root / ".git").exists() or project_of(root / "pyproject.toml") != "dinoseg":
        return None
    here = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}  # a hook names its own
    try:
        done = subprocess.run(ASK, cwd=root, env=here, capture_output=True, text=True, check=True, timeout=PATIENCE)  # noqa: S603
    except (OSError, subprocess.SubprocessError):  # no git here, or a repository that it does not trust
        return None
    return done.stdout.strip() or None


def project_of(path: Path) -> str | None:
    """The name that a pyproject.toml gives."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return str(tomllib.loads(path.read_text(encoding="utf-8"))["project"]["name"])
    return None


def installed(package: Path) -> str | None:
    """What ``pip install git+https://...`` noted of the package that lies there (PEP 610)."""
    with suppress(PackageNotFoundError, OSError, ValueError, KeyError, TypeError):
        package_info = distribution("dinoseg")
        if Path(str(package_info.locate_file("dinoseg"))).resolve() == package:
            return str(json.loads(package_info.read_text("direct_url.json") or "")["vcs_info"]["commit_id"])
    return None
