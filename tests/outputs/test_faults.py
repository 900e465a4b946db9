"""Every single write, sync, rename and removal of a run fails or is its last: what then lies there, and what the next
run makes of it. After the SQLite project's tests of faults at each successive operation."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from dinoseg.atomic import Unfinished
from dinoseg.errors import OutputConflict, TruncatedImage
from dinoseg.outputs.record import parse_record
from dinoseg.types import Failure, Source
from tests.outputs.scenes import RUN, disk, folder, write_disk

FORMATS = ("masks", "overlays", "attention", "coco", "contact-sheet")
TORN = ("manifest.jsonl",)
"""The one file that is appended to: its last line may be torn."""


class Killed(BaseException):
    """The end of the process: nothing that it would still do happens."""


class Faults:
    """Counts file operations; the ``at``-th fails after half of it is done. A killed process does none after it."""

    def __init__(self, at: int = 0, kill: bool = False) -> None:
        self.at, self.kill, self.count, self.dead = at, kill, 0, False

    def reach(self) -> bool:
        """Count one operation; whether it is the one that fails."""
        if self.dead:
            raise Killed
        self.count += 1
        return self.count == self.at

    def fail(self) -> None:
        if self.kill:
            self.dead = True
            raise Killed
        raise OSError(errno.ENOSPC, "No space left on device")

    def write(self, real, target, data):
        if self.reach():
            real(target, data[: len(data) // 2])
            self.fail()
        return real(target, data)

    def whole(self, real):
        """An operation that happens or does not."""

        def operation(*args, **kwargs):
            if self.reach():
                self.fail()
            return real(*args, **kwargs)

        return operation


@contextmanager
def patched(faults: Faults):
    """All operations of the run count."""
    whole, adding = Unfinished.write, os.write
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Unfinished, "write", lambda file, data: faults.write(whole, file, data))
        patch.setattr(os, "write", lambda file, data: faults.write(adding, file, data))
        for name in ("fsync", "replace", "unlink", "ftruncate"):
            patch.setattr(os, name, faults.whole(getattr(os, name)))
        yield


def first(output: Path, photos: Path) -> None:
    """Two photographs are done, one fails."""
    go(output, photos, ["a.png", "sub/b.png"])


def grown(output: Path, photos: Path) -> None:
    """A second run over a folder that holds results: one photograph is new, one fails now."""
    go(output, photos, ["c.png"], broken="a.png")


def replaced(output: Path, photos: Path) -> None:
    """Another run overwrites."""
    go(output, photos, ["a.png"], run={**RUN, "version": "2"}, overwrite=True)


def go(output: Path, photos: Path, names: list[str], broken: str = "z.png", **options: object) -> None:
    with folder(output, *FORMATS, **options) as results:
        for name in names:
            source = Source(name, photos / name)
            if not results.done(source):
                results.write(*disk(source.content, name))
        results.fail(Failure(broken, TruncatedImage(f"{broken} ends early")))
        results.finish()


CASES = {"first": [first], "grown": [first, grown], "replaced": [first, replaced]}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    for seed, name in enumerate(["a.png", "sub/b.png", "c.png"]):
        write_disk(root / name, seed)
    return root


def files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module", params=CASES)
def case(request, photos, tmp_path_factory):
    """The last step of a case, the folder before it, the folder after it, and the number of its operations."""
    *earlier, step = CASES[request.param]
    before, after, counter = tmp_path_factory.mktemp("before"), tmp_path_factory.mktemp("after"), Faults()
    for one in earlier:
        one(before, photos)
    shutil.copytree(before, after, dirs_exist_ok=True)
    with patched(counter):
        step(after, photos)
    return step, before, after, counter.count


def check_names(found: dict[str, bytes], *whole: dict[str, bytes]) -> None:
    """Every file under a final name is one of a whole run's, or such a manifest on its way."""
    for name, content in found.items():
        hidden = name.rpartition("/")[2].startswith(".")
        if name in TORN:
            assert all(parse_record(line) for line in content.splitlines(keepends=True)[:-1])
        elif not hidden:
            assert content in [files_[name] for files_ in whole if name in files_], name


@pytest.mark.parametrize("kill", [False, True], ids=["d51 disk full", "d52 killed"])
def test_fault_at_every_operation(case, photos, tmp_path, kill):
    step, before, after, count = case
    inputs, undisturbed = files(photos), files(after)
    assert count > 20
    for at in range(1, count + 1):
        root = shutil.copytree(before, tmp_path / str(at))
        with patched(Faults(at, kill)), pytest.raises(Killed) if kill else suppress(OSError, OutputConflict):
            step(root, photos)
        found = files(root)
        check_names(found, files(before), undisturbed)
        if not kill:
            assert not [name for name in found if name.endswith(".tmp")], f"left over at operation {at}"
        step(root, photos)
        assert files(root) == undisturbed, f"not the undisturbed result after a fault at operation {at}"
    assert files(photos) == inputs


SCRIPT = """
import os, signal, sys
from pathlib import Path
import tests.outputs.test_faults as faults

replace, count = os.replace, 0

def deadly(*args, **kwargs):
    global count
    count += 1
    if count == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(*args, **kwargs)

os.replace = deadly
faults.first(Path(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.mark.parametrize("at", [3, 8])  # between two images, in the course of the end
def test_d62_the_lock_and_the_rest_of_a_process_killed_for_real(photos, tmp_path, at):
    first(tmp_path / "undisturbed", photos)
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "out"), str(photos), str(at)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert [name for name in files(tmp_path / "out") if name.endswith(".tmp")]
    first(tmp_path / "out", photos)
    undisturbed = files(tmp_path / "undisturbed")
    assert files(tmp_path / "out").keys() == undisturbed.keys()
    for name, content in files(tmp_path / "out").items():
        assert content == undisturbed[name] or name == ".dinoseg.lock"
