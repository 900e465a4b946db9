"""An evaluation that was stopped ends, when it is started again, as an undisturbed one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import numpy as np
import pytest

from dinoseg.atomic import atomic_write
from dinoseg.errors import OutputConflict, TruncatedImage
from dinoseg.evaluation import evaluate
from dinoseg.evaluation import report as report_module
from dinoseg.evaluation.predictions import method as module
from dinoseg.evaluation.report import UNFINISHED, Report
from dinoseg.evaluation.resume import from_json_value, to_json_value
from dinoseg.options import SegmentOptions
from dinoseg.pipeline import Finished
from dinoseg.types import Failure, Source
from tests.evaluation.results import finished, heads, segmentation
from tests.evaluation.sets import square, write_davis, write_mask, write_pairs, write_voc, write_voc_boxes


class FakeSegmenter:
    """Finds a square in every picture and notes which it saw; stops or fails where it is told to."""

    backbone = None
    method = SimpleNamespace(identity=dict)
    seen: list[str]
    stop: str | None
    broken: str | None

    @classmethod
    def of(cls, options: Any) -> FakeSegmenter:
        return cls()

    options = SegmentOptions()

    def run(self, sources: Iterable[Source]) -> Iterator[Finished | Failure]:
        for source in sources:
            if self.stop and self.stop in str(source.content):
                raise KeyboardInterrupt
            self.seen.append(source.id)
            if source.id == self.broken:
                yield Failure(source.id, TruncatedImage("half of it"))
            else:
                side = 20 + len(source.id) + int(source.id[-5])  # another one in each picture
                yield finished(segmentation([square(20, 30, side)], heads(square(16, 32, 32))), source)


@pytest.fixture(autouse=True)
def faked(monkeypatch: pytest.MonkeyPatch) -> type[FakeSegmenter]:
    for name, value in {"seen": [], "stop": None, "broken": None}.items():
        monkeypatch.setattr(FakeSegmenter, name, value, raising=False)
    monkeypatch.setattr(module, "Segmenter", FakeSegmenter)
    return FakeSegmenter


def content(report: Report) -> dict[str, Any]:
    """Everything but what tells of the run itself."""
    return {key: value for key, value in report.to_json().items() if key not in ("seconds", "command", "options")}


def stopped(faked: type[FakeSegmenter], at: str, *asked: Any, **options: Any) -> None:
    faked.stop = at
    with pytest.raises(KeyboardInterrupt):
        evaluate(*asked, **options)
    faked.stop = None
    faked.seen.clear()


PROTOCOLS = ("foreground", "saliency", "ap", "corloc")


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("options", [{}, {"partial": True}])
def test_the_rest_is_measured_and_the_report_is_the_same(
    tmp_path: Path, faked: type[FakeSegmenter], protocol: str, options: dict[str, Any]
) -> None:
    root, out = write_pairs(tmp_path / "set", 5), tmp_path / "out"
    if options:
        (root / "masks" / "photo_001.png").unlink()
    undisturbed = evaluate(protocol, root, method="prior", **options)
    stopped(faked, "photo_003", protocol, root, method="prior", output=out, **options)
    assert not (out / "report.json").exists()
    report = evaluate(protocol, root, method="prior", output=out, **options)
    assert faked.seen == ["photo_003.jpg", "photo_004.jpg"]
    assert content(report) == content(undisturbed)
    assert report.scores
    assert json.loads((out / "report.json").read_text())["images"] == len(undisturbed.rows)
    assert (out / UNFINISHED).exists() == bool(options)  # a repaired picture may still come


@pytest.mark.parametrize("smooth", [0, 1])
def test_a_video_of_which_a_part_was_measured_is_measured_again(
    tmp_path: Path, faked: type[FakeSegmenter], smooth: int
) -> None:
    root, out = write_davis(tmp_path / "set", {"a": 3, "b": 3}), tmp_path / "out"
    undisturbed = evaluate("davis-unsupervised", root, method="prior", smooth=smooth)
    stopped(faked, "b/photo_002", "davis-unsupervised", root, method="prior", output=out, smooth=smooth)
    report = evaluate("davis-unsupervised", root, method="prior", output=out, smooth=smooth)
    assert len(faked.seen) == 3
    assert content(report) == content(undisturbed)


def test_a_picture_that_failed_is_tried_again(tmp_path: Path, faked: type[FakeSegmenter]) -> None:
    root, out = write_pairs(tmp_path / "set", 3), tmp_path / "out"
    faked.broken = "photo_001.jpg"
    assert evaluate("foreground", root, method="prior", output=out).headline is None
    faked.broken = None
    faked.seen.clear()
    report = evaluate("foreground", root, method="prior", output=out, overwrite=True)
    assert faked.seen == ["photo_001.jpg"]
    assert report.headline is not None
    assert not (out / UNFINISHED).exists()


def test_a_mask_that_has_changed_is_compared_again(tmp_path: Path, faked: type[FakeSegmenter]) -> None:
    root, out = write_pairs(tmp_path / "set", 3), tmp_path / "out"
    stopped(faked, "photo_002", "foreground", root, method="prior", output=out)
    write_mask(root / "masks" / "photo_000.png", 255 * square(0, 0, 30))
    evaluate("foreground", root, method="prior", output=out)
    assert faked.seen == ["photo_000.jpg", "photo_002.jpg"]


CHANGES = {
    "objects": lambda root: write_mask(root / "SegmentationObject" / "photo_000.png", 2 * square(), "P"),
    "no objects": lambda root: (root / "SegmentationObject" / "photo_000.png").unlink(),
    "boxes": lambda root: (root / "Annotations" / "photo_000.xml").write_text("<annotation/>"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_file_of_the_truth_counts(
    tmp_path: Path, faked: type[FakeSegmenter], change: Callable[[Path], object]
) -> None:
    root, out = write_voc(tmp_path / "VOC", [8 * square()] * 3, [1 * square()] * 3), tmp_path / "out"
    (root / "Annotations").mkdir()
    stopped(faked, "photo_002", "foreground", root, method="prior", output=out)
    change(root)
    evaluate("foreground", root, method="prior", output=out)
    assert faked.seen == ["photo_000.jpg", "photo_002.jpg"]


def test_other_options_are_refused_unless_they_may_overwrite(tmp_path: Path, faked: type[FakeSegmenter]) -> None:
    root, out = write_pairs(tmp_path / "set", 3), tmp_path / "out"
    stopped(faked, "photo_002", "foreground", root, method="prior", output=out)
    with pytest.raises(OutputConflict, match=r"rows\.jsonl holds results of other options .*refine: there .*now"):
        evaluate("foreground", root, method="prior", refine="none", output=out)
    evaluate("foreground", root, method="prior", refine="none", output=out, overwrite=True)
    assert len(faked.seen) == 3


class Disk:
    """Stands for ``atomic_write`` on a disk that fails at the n-th file of a report, as a kill would."""

    def __init__(self, left: int) -> None:
        self.left = left

    def __call__(self, path: Path) -> AbstractContextManager[BinaryIO]:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return atomic_write(path)


@pytest.mark.parametrize("files", [0, 1, 2])
@pytest.mark.parametrize("predictions", [False, True])
def test_an_evaluation_that_is_killed_while_it_writes_its_report_goes_on(
    tmp_path: Path, faked: type[FakeSegmenter], monkeypatch: pytest.MonkeyPatch, files: int, predictions: bool
) -> None:
    root, out = write_pairs(tmp_path / "set", 3), tmp_path / "out"
    options: dict[str, Any] = {"predictions": root / "masks"} if predictions else {"method": "prior"}
    with monkeypatch.context() as patch:
        patch.setattr(report_module, "atomic_write", Disk(files))
        with pytest.raises(KeyboardInterrupt):
            evaluate("foreground", root, output=out, **options)
    assert not (out / "report.json").exists()
    faked.seen.clear()
    report = evaluate("foreground", root, output=out, **options)
    assert faked.seen == []
    assert json.loads((out / "report.json").read_text())["images"] == 3
    assert (out / "scores.csv").read_text() == report.to_csv()
    assert not (out / UNFINISHED).exists()


def test_a_report_that_is_replaced_is_never_half_of_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, out = write_pairs(tmp_path / "set", 3), tmp_path / "out"
    evaluate("foreground", root, predictions=root / "masks", output=out)
    monkeypatch.setattr(report_module, "atomic_write", Disk(1))
    with pytest.raises(KeyboardInterrupt):
        evaluate("saliency", root, predictions=root / "masks", output=out, overwrite=True)
    assert not (out / "report.json").exists()


def test_files_of_somebody_else_are_no_unfinished_report(tmp_path: Path) -> None:
    root, out = write_pairs(tmp_path / "set", 3), tmp_path / "out"
    out.mkdir()
    (out / "scores.csv").write_text("mine")
    with pytest.raises(OutputConflict, match=r"scores\.csv is there already"):
        evaluate("foreground", root, predictions=root / "masks", output=out)
    assert (out / "scores.csv").read_text() == "mine"


@pytest.mark.parametrize(
    "change",
    [
        lambda line: line.replace(b'"values": {', b'"values": 5, "x": {'),
        lambda line: line.replace(b'"id": "photo', b'"id": ["photo'),
        lambda line: line.replace(b"0", b"1"),  # still JSON, another score
        lambda line: b"[]\n",
        lambda line: b"5\n",
        lambda line: b"[" * 100_000 + b"\n",
        lambda line: b"\n",
    ],
)
def test_h106_a_line_that_was_changed_is_measured_again(
    tmp_path: Path, faked: type[FakeSegmenter], change: Callable[[bytes], bytes]
) -> None:
    root, out = write_pairs(tmp_path / "set", 3), tmp_path / "out"
    undisturbed = evaluate("foreground", root, method="prior")
    stopped(faked, "photo_002", "foreground", root, method="prior", output=out)
    first, second, third = (out / UNFINISHED).read_bytes().splitlines(keepends=True)
    (out / UNFINISHED).write_bytes(first + second + change(third))
    assert content(evaluate("foreground", root, method="prior", output=out)) == content(undisturbed)
    assert faked.seen == ["photo_001.jpg", "photo_002.jpg"]


@pytest.mark.parametrize("line", [b"[]\n", b"{}\n", b"5\n", b"\xff\n"])
def test_h106_a_first_line_that_was_changed_starts_anew(
    tmp_path: Path, faked: type[FakeSegmenter], line: bytes
) -> None:
    root, out = write_pairs(tmp_path / "set", 3), tmp_path / "out"
    stopped(faked, "photo_002", "foreground", root, method="prior", output=out)
    _, *others = (out / UNFINISHED).read_bytes().splitlines(keepends=True)
    (out / UNFINISHED).write_bytes(line + b"".join(others))
    evaluate("foreground", root, method="prior", output=out)
    assert len(faked.seen) == 3


@pytest.mark.parametrize("torn", [b'{"id": "photo_000.jpg", "va', b"\xff\xfe", b""])
def test_a_line_that_a_kill_tore_is_measured_again(tmp_path: Path, faked: type[FakeSegmenter], torn: bytes) -> None:
    root, out = write_pairs(tmp_path / "set", 3), tmp_path / "out"
    stopped(faked, "photo_002", "foreground", root, method="prior", output=out)
    first, second, _ = (out / UNFINISHED).read_bytes().splitlines(keepends=True)
    (out / UNFINISHED).write_bytes(first + second + torn)
    stopped(faked, "photo_002", "foreground", root, method="prior", output=out)
    evaluate("foreground", root, method="prior", output=out)
    assert faked.seen == ["photo_002.jpg"]


def test_boxes_alone_go_on_too(tmp_path: Path, faked: type[FakeSegmenter]) -> None:
    root, out = write_voc_boxes(tmp_path / "VOC2007", [(21, 31, 60, 70)] * 3), tmp_path / "out"
    options = {"method": "prior", "image_set": "Main/trainval"}
    undisturbed = evaluate("corloc", root, **options)
    stopped(faked, "photo_001", "corloc", root, output=out, **options)
    assert content(evaluate("corloc", root, output=out, **options)) == content(undisturbed)


@pytest.mark.parametrize("value", [b"\x00\xff", np.arange(6, dtype=np.float32).reshape(2, 3), np.zeros((0, 4))])
def test_what_json_has_no_type_for_comes_back(value: Any) -> None:
    again = json.loads(json.dumps({"a": [value]}, default=to_json_value), object_hook=from_json_value)["a"][0]
    np.testing.assert_array_equal(again, value)
    assert getattr(again, "dtype", None) == getattr(value, "dtype", None)


SCRIPT = """
import os, signal, sys
from pathlib import Path
import dinoseg.evaluation.predictions.method as module
from dinoseg.evaluation import evaluate
from tests.evaluation.test_resume import FakeSegmenter

class Deadly(FakeSegmenter):
    seen, stop, broken = [], None, None

    def run(self, sources):
        for number, result in enumerate(super().run(sources)):
            if number == 3:
                os.kill(os.getpid(), signal.SIGKILL)
            yield result

module.Segmenter = Deadly
evaluate("saliency", Path(sys.argv[1]), method="prior", output=Path(sys.argv[2]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_a_process_that_is_killed(tmp_path: Path, faked: type[FakeSegmenter]) -> None:
    root, out = write_pairs(tmp_path / "set", 6), tmp_path / "out"
    command = [sys.executable, "-c", SCRIPT, str(root), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == -signal.SIGKILL, done.stderr
    report = evaluate("saliency", root, method="prior", output=out)
    assert faked.seen == ["photo_003.jpg", "photo_004.jpg", "photo_005.jpg"]
    assert content(report) == content(evaluate("saliency", root, method="prior"))
