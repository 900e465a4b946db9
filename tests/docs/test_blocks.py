"""Every block of code of README.md and docs/, typed page by page, each page in a folder of its own.

Commands run in order in this process, a session (``$ command``) must give the output that it shows, Python blocks of a
page share their names, and one whose title is the name of a file is that file.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import PIL.Image
import pytest

from dinoseg.backbone.families import FAMILIES
from dinoseg.cli import run
from dinoseg.cli.samples import SAMPLES, Sample
from dinoseg.evaluation import PROTOCOLS
from dinoseg.evaluation.datasets import LAYOUTS
from dinoseg.methods import METHODS
from dinoseg.outputs import FORMATS
from tests.docs.pages import PAGES, ROOT, Block, blocks, name_of
from tests.evaluation.sets import polygon, square, write_coco, write_davis, write_mask, write_pairs, write_voc_boxes
from tests.evaluation.sets import write_voc as write_voc_maps
from tests.helpers import disk_photo, write_images
from tests.networks import save_teacher

if not (ROOT / "docs").is_dir() or not (ROOT / "benchmarks").is_dir():
    pytest.skip("the pages and the programs that they name are in the repository only", allow_module_level=True)

LAUNCHER = "torchrun --nproc-per-node 8 -m "
"""Left out before a command: tests/training/test_team.py trains with several processes."""
DOWNLOADED = re.compile(r"dino-vit[sb]\d+|dinov[23]-(small|base|large)(-registers)?")
"""Networks of the hub; a small one of random weights takes their place."""
TEACHER = "teacher.safetensors"
SMALLER = {
    "track": "--size 96",
    "train ": "--epochs 1 --batch 24 --global-size 80 --local-size 80 --local-crops 0 --prototypes 64 --watch-every 0",
    "train-head": "--photographs 8",
    "evaluate attention-jaccard": "--size 160",
    "evaluate copies": "--model teacher.safetensors",
    "evaluate linear": "--model teacher.safetensors --shots 1 5",
    "evaluate retrieval": "--model teacher.safetensors",
    "compress": "--calibration-crops 24 --heal-crops 16 --batch 8",
    "benchmarks/published.py": "--model teacher.safetensors --pictures 2",
    "benchmarks/robustness.py": "--model teacher.safetensors --methods attention",
    "benchmarks/tables.py": "--models teacher.safetensors --protocols foreground corloc",
    "benchmarks/methods.py": "--models none teacher.safetensors --methods attention-cut prior --sets DUTS",
}
"""By how a command begins: options that make a moment of what takes hours; they replace those of the page."""


def commands(block: Block) -> Iterator[str]:
    """What a block says to type, without remarks."""
    for line in block.text.replace("\\\n", " ").splitlines():
        yield from filter(None, re.sub(r"(^|\s+)# .*", "", line).split(" && "))


def sessions(block: Block) -> Iterator[tuple[str, str]]:
    """The commands of a session, each with what it says."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, said = part.partition("\n")
        yield command, said


def smaller(words: Sequence[str]) -> list[str]:
    """A command with the options of ``SMALLER`` in the place of those of the same name."""
    replaced = next((more.split() for start, more in SMALLER.items() if " ".join(words).startswith(start)), [])
    names = {word for word in replaced if word.startswith("--")}
    kept: list[str] = []
    dropped = False
    for word in words:
        if word.startswith("-"):
            dropped = word in names
        if not dropped:
            kept.append(word)
    return [*kept, *replaced]


def type_in(command: str) -> tuple[int, str]:
    """Carry out one command in this process; its exit code, and what it printed.

    A program that is not known here is an error.
    """
    program, *words = shlex.split(command.removeprefix(LAUNCHER))
    words = [TEACHER if DOWNLOADED.fullmatch(word) else word for word in words]
    words, said = smaller(words), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        match program:
            case "dinoseg":
                return run(words), said.getvalue()
            case "python" if words[0].startswith("benchmarks/"):
                importlib.import_module(Path(words[0]).stem).main(words[1:])
                return 0, said.getvalue()
    raise AssertionError(f"a page says to type `{command}`, which this test cannot: teach it, or title its block")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a reader has: photographs, a video, data sets as their makers pack them."""
    root = tmp_path_factory.mktemp("reader")
    save_teacher(root / TEACHER, hidden=512)
    write_samples(root / "photos")
    write_images(root / "album", 24)
    for name in ("cat", "dog"):
        write_images(root / "animals" / name, 14)
    write_mask(root / "first.png", square())
    write_images(root / "frames", 3)
    write_video(root / "clip.mp4", 3)
    data_sets(root)
    data_sets(root / "FOLDER")
    broken_sets(root / "broken")
    return root


@pytest.fixture
def folder(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The same, for one page, which is typed there."""
    here = tmp_path / "here"
    shutil.copytree(template, here, symlinks=True)
    (here / "benchmarks").symlink_to(ROOT / "benchmarks")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.syspath_prepend(str(here))
    monkeypatch.chdir(here)
    monkeypatch.setattr(Sample, "file", lambda sample: here / "photos" / sample.name)
    with contextlib.ExitStack() as restored:
        for registry in (METHODS, FORMATS, FAMILIES, LAYOUTS, PROTOCOLS):  # pages on extending write lines into them
            restored.enter_context(mock.patch.dict(registry))
        yield here
    for example in here.glob("*.py"):
        sys.modules.pop(example.stem, None)


def write_samples(photos: Path) -> None:
    """What ``dinoseg samples`` writes has up to 6 megapixels: a few thousand will do, a few more where one is named."""
    photos.mkdir()
    for sample in SAMPLES:
        with PIL.Image.open(io.BytesIO(sample.file().read_bytes())) as image:
            image.thumbnail((256, 256) if sample.name == "chelsea.png" else (96, 96))
            image.save(photos / sample.name)


def write_video(path: Path, frames: int) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (128, 96))
    for number in range(frames):
        writer.write(disk_photo(96, 128, (40 + 4 * number, 60))[0][..., ::-1])
    writer.release()


def data_sets(root: Path) -> None:
    for name in ("DUTS", "duts", "ECSSD"):
        write_pairs(root / name, 4)
    (root / "masks").symlink_to(Path("DUTS", "masks"))
    write_voc_boxes(root / "VOC2007", [(31, 21, 70, 60), (1, 1, 128, 96)])
    write_voc_maps(root / "VOC2012", [(8 + n) * square() for n in range(4)], [square()] * 4)
    write_coco(root / "coco", [polygon(0, 1, 20, 30, 40), polygon(1, 2, 10, 10, 60)], 2)
    write_davis(root / "DAVIS", {"a": 4, "b": 4})
    (root / "videos").symlink_to(Path("DAVIS", "Annotations", "480p"))


def broken_sets(root: Path) -> None:
    """Data sets that lack what readers often lack."""
    voc = write_voc_maps(root / "VOC2012", [8 * square()] * 2, [square()] * 2)
    (voc / "ImageSets" / "Main").mkdir(exist_ok=True)
    (voc / "ImageSets" / "Main" / "val.txt").write_text("0\n")
    davis = write_davis(root / "DAVIS", {"bear": 4, "dog": 4})
    for path in sorted((davis / "JPEGImages" / "480p" / "dog").iterdir())[:2]:
        path.unlink()
    duts = write_pairs(root / "DUTS", 2)
    mask = sorted((duts / "masks").iterdir())[0]
    with PIL.Image.open(mask) as image:
        image.resize((64, 48), PIL.Image.Resampling.NEAREST).save(mask)


def words_of(text: str) -> str:
    """Text without its line breaks."""
    return " ".join(text.split())


def carry_out(block: Block, names: dict[str, Any]) -> None:
    """Do what one block says; an assertion that fails names its line."""
    if block.language == "python" and block.title.endswith(".py"):
        Path(block.title).write_text(block.text)
    elif block.language == "python":
        exec(compile("\n" * block.line + block.text, "the page", "exec"), names)
    elif block.language == "sh":
        for command in commands(block):
            code, said = type_in(command)
            assert not code, f"line {block.line}: {command}\n  exit code {code}: {said}"
    elif block.language == "console":
        for command, expected in sessions(block):
            assert words_of(type_in(command)[1]) == words_of(expected), f"line {block.line}: {command}"


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if any(block.executed for block in blocks(page))], ids=name_of)
def test_every_block_does_what_it_says(page: Path, folder: Path) -> None:
    names: dict[str, Any] = {"__name__": "page"}
    for block in blocks(page):
        if block.executed:
            carry_out(block, names)
        elif block.language == "python":
            compile(block.text, "the page", "exec")


def test_a_command_that_is_not_known_is_an_error() -> None:
    with pytest.raises(AssertionError, match="teach it"):
        type_in("convert photos/a.heic a.png")


def test_a_session_that_says_something_else_is_an_error() -> None:
    with pytest.raises(AssertionError, match="line 7: dinoseg --version"):
        carry_out(Block("console", "", "$ dinoseg --version\n1\n", 7), {})
