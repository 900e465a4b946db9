"""README.md typed in order, in one folder: every command works, and none stands in the way of a later one."""

from __future__ import annotations

import contextlib
import importlib
import io
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import PIL.Image
import pytest

from dinoseg.cli import run
from tests.evaluation.sets import polygon, square, write_coco, write_davis, write_mask, write_pairs, write_voc_boxes
from tests.evaluation.sets import write_voc as write_voc_maps
from tests.helpers import disk_photo, write_images
from tests.networks import save_teacher

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"

if not README.is_file() or not (ROOT / "benchmarks").is_dir():
    pytest.skip("the README's commands need the repository", allow_module_level=True)

NOT_TYPED = {
    "git clone <this repository> dinoseg": "needs the repository's address",
    "cd dinoseg": "is where this test begins",
    "make demo": "installs; what it runs then is `samples`, `segment` and `attend`, all typed below",
    "pip install .": "installs",
}
"""Commands that this test leaves out, and why."""
LAUNCHER = "torchrun --nproc-per-node 8 -m "
"""Left out before a command: tests/training/test_team.py trains with several processes."""
DOWNLOADED = ("dino-vits8", "dinov2-small", "dinov2-base")
"""Networks of the hub; a small one of random weights takes their place."""
TEACHER = "teacher.safetensors"
SMALLER = {
    "track": "--size 160",
    "train": "--epochs 1 --batch 24 --local-crops 0 --prototypes 64 --watch-every 0",
    "compress": "--calibration-crops 24 --heal-crops 16 --batch 8",
    "published.py": "--model teacher.safetensors --pictures 2",
    "robustness.py": "--model teacher.safetensors --methods attention",
    "tables.py": "--models teacher.safetensors --protocols foreground corloc",
    "methods.py": "--models none teacher.safetensors --methods attention-cut prior --sets DUTS",
}
"""Options that make a moment of what takes hours; they replace those of the README."""


def blocks(language: str) -> list[str]:
    """The README's fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE)


def commands() -> Iterator[str]:
    """What the README says to type, in order, without remarks."""
    for line in "".join(blocks("sh")).splitlines():
        yield from re.sub(r"\s+# .*", "", line).split(" && ")


def smaller(words: Sequence[str], replaced: Sequence[str]) -> list[str]:
    """A command with other options: those of ``replaced`` take the place of those of the same name."""
    names = {word for word in replaced if word.startswith("--")}
    kept: list[str] = []
    dropped = False
    for word in words:
        if word.startswith("-"):
            dropped = word in names
        if not dropped:
            kept.append(word)
    return [*kept, *replaced]


def type_in(command: str) -> int:
    """Carry out one command in this process; returns its exit code. A program that is not known here is an error."""
    program, *words = shlex.split(command.removeprefix(LAUNCHER))
    words = [TEACHER if word in DOWNLOADED else word for word in words]
    match program:
        case "dinoseg":
            return run(smaller(words, SMALLER.get(words[0], "").split()))
        case "python" if words[0].startswith("benchmarks/"):
            script = Path(words[0])
            importlib.import_module(script.stem).main(smaller(words[1:], SMALLER.get(script.name, "").split()))
            return 0
    raise AssertionError(
        f"README.md says to type `{command}`, which this test cannot: teach it, or say why in NOT_TYPED"
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a reader of the README has: a clone, photographs, a video, data sets as their makers pack them."""
    (tmp_path / "benchmarks").symlink_to(ROOT / "benchmarks")
    save_teacher(tmp_path / TEACHER, hidden=512)
    write_images(tmp_path / "album", 24)
    for name in ("cat", "dog"):
        write_images(tmp_path / "animals" / name, 14)
    write_mask(tmp_path / "first.png", square())
    write_images(tmp_path / "frames", 3)
    write_video(tmp_path / "clip.mp4", 3)
    data_sets(tmp_path)
    data_sets(tmp_path / "FOLDER")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_video(path: Path, frames: int) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (128, 96))
    for number in range(frames):
        writer.write(disk_photo(96, 128, (40 + 4 * number, 60))[0][..., ::-1])
    writer.release()


def shrink(photos: Path) -> None:
    """The samples have up to 6 megapixels: a fortieth of that will do."""
    for path in photos.iterdir():
        with PIL.Image.open(path) as image:
            image.thumbnail((400, 400))
            image.save(path)


def data_sets(root: Path) -> None:
    for name in ("DUTS", "duts", "ECSSD"):
        write_pairs(root / name, 4)
    (root / "masks").symlink_to(root / "DUTS" / "masks")
    write_voc_boxes(root / "VOC2007", [(31, 21, 70, 60), (1, 1, 128, 96)])
    write_voc_maps(root / "VOC2012", [(8 + n) * square() for n in range(4)], [square()] * 4)
    write_coco(root / "coco", [polygon(0, 1, 20, 30, 40), polygon(1, 2, 10, 10, 60)], 2)
    davis = write_davis(root / "DAVIS", {"a": 4, "b": 4})
    (root / "videos").symlink_to(davis / "Annotations" / "480p")


@pytest.mark.slow
def test_the_commands_work_in_the_order_in_which_they_are_shown(folder: Path) -> None:
    left_out, wrong = set(), []
    for command in commands():
        if command in NOT_TYPED:
            left_out.add(command)
            continue
        with contextlib.redirect_stderr(io.StringIO()) as said:
            code = type_in(command)
        if command == "dinoseg samples photos":
            shrink(folder / "photos")
        if code:
            wrong.append(f"{command}\n  exit code {code}: {said.getvalue()}")
    assert not wrong, "\n".join(wrong)
    assert left_out == NOT_TYPED.keys()
    for block in blocks("python"):
        exec(compile(block, README.name, "exec"), {})


def test_every_block_is_typed_or_shows_what_is_said() -> None:
    every = re.findall(r"^```(\w*)\n(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE)
    shown = [text for language, text in every if language not in ("sh", "python")]
    assert {language for language, _ in every} == {"sh", "python", ""}
    assert all(
        text.startswith("$ dinoseg evaluate ") for text in shown
    )  # its messages: tests/evaluation/test_layouts.py


def test_a_command_that_is_not_known_is_an_error() -> None:
    with pytest.raises(AssertionError, match="teach it"):
        type_in("convert photos/a.heic a.png")
