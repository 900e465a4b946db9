"""The command as a shell sees it: help, wrong use, signals, pipes."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from dinoseg import __version__
from dinoseg.cli import VERBS, run
from dinoseg.options import AttendOptions, CompressOptions, EvaluateOptions, OutputOptions, SegmentOptions, TrainOptions
from tests.helpers import write_images

HERE = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    write_images(tmp_path / "photos", 3)
    return tmp_path


def dinoseg(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """`python -m dinoseg` in a process of its own."""
    command = [sys.executable, "-m", "dinoseg", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **more)


def test_help_lists_every_verb_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    words = [line.strip("│ ").split(" ")[0] for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    assert [word for word in words if word in VERBS] == list(VERBS)


@pytest.mark.parametrize(
    ("verb", "classes"),
    [
        ("segment", [SegmentOptions, OutputOptions]),
        ("attend", [AttendOptions]),
        ("train", [TrainOptions]),
        ("compress", [CompressOptions]),
        ("evaluate", [EvaluateOptions]),
    ],
)
def test_help_shows_every_option_and_nothing_twice(
    capsys: pytest.CaptureFixture[str], verb: str, classes: list[type]
) -> None:
    assert run([verb, "--help"]) == 0
    flags = [word for word in capsys.readouterr().out.split() if word.startswith("--")]
    for option in (field.name for options in classes for field in fields(options)):
        assert flags.count(f"--{option.replace('_', '-')}") >= 1, option
    assert not [flag for flag in flags if flag.startswith(("--empty", "--no-")) and flag != "--no-norm-last-layer"]


@pytest.mark.parametrize(
    ("verb", "told"),
    [
        ("segment", "A parameter of the method"),  # a field of the class itself
        ("segment", "Never use the network."),  # an inherited one
        ("segment", "masks overlays coco"),  # a default as one types it
        ("attend", "Write the maps as .npz"),
        ("compress", "`dinoseg models`"),
        ("evaluate", "davis-unsupervised"),  # the registry
    ],
)
def test_help_is_made_from_the_docstrings(capsys: pytest.CaptureFixture[str], verb: str, told: str) -> None:
    assert run([verb, "--help"]) == 0
    text = capsys.readouterr().out
    assert told in " ".join(text.replace("│", " ").split())
    assert "[default: False]" not in text
    assert "[default: None]" not in text


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("segment a -o b --methd tokencut", "Did you mean --method?"),
        ("sgment a -o b", 'Did you mean "segment"?'),
        ("models fetsh", 'Unknown command "fetsh". Did you mean "fetch"?'),
        ("models fetsh --json --help", 'Did you mean "fetch"?'),
        ("sgment --help", 'Did you mean "segment"?'),
        ("-q nosuchverb -h", 'Unknown command "nosuchverb"'),
        ("track v.mp4 -o b --mask m.png --method prior", "leave out --method"),
        ("evaluate foreground a --predictions b --refine none --model x", "leave out --model and --refine"),
        ("segment a", "--output is missing"),
        ("segment a -o", "-o requires an argument"),
        ("segment a -o b --batch many", "'many' is not a whole number"),
        ("segment a -o b --batch 1.5", "'1.5' is not a whole number"),  # never rounded
        ("compress builtin a -o b --lr 0", "above 0"),
        ("segment a -o b --positions tim", '"timm"'),
        ("segment a -o b --offline=perhaps", "--offline"),
        ("segment a -o b --size 3", "16..8192"),
        ("attend a -o b --query 3", "--query"),  # half a point
        ("attend a -o b --rollout --layer 3", "leave out --layer"),
        ("attend a -o b --in c", "--like X Y"),
        ("train -o b", "--from-file"),
        ("compress builtin -o b", "IMAGES"),
        ("evaluate", "PROTOCOL"),
    ],
)
def test_e65_e68_wrong_use_is_exit_2_with_the_next_step(
    capsys: pytest.CaptureFixture[str], line: str, told: str
) -> None:
    assert run(line.split()) == 2
    out, err = capsys.readouterr()
    assert not out
    assert told in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("line", "quiet"),
    [
        ("methods", False),
        ("methods -q", True),
        ("--quiet methods", True),
        ("methods -- -q", False),  # behind the -- it is a name
    ],
)
def test_e70_quiet_is_understood_before_and_after_the_verb(
    capsys: pytest.CaptureFixture[str], line: str, quiet: bool
) -> None:
    run(line.split())
    assert (not capsys.readouterr().err) is quiet


WRONG = """
segment nowhere -o o
segment photos -o one.png
segment photos -o o --formats nosuch
segment photos -o o --background nosuch
segment photos -o o --method nosuch
segment photos -o o --method tokencut --param nosuch=1
segment photos -o o --refine nosuch
segment photos -o o --model nosuch.pth
segment photos -o o --method prior --formats masks attention
segment photos -o photos
segment --from-file nosuch -o o
segment photos -o o --video --method prior
segment photos -o o --video --formats attention
segment photos nowhere -o o --video
segment photos photos/clip.mp4 -o o
segment photos -o o --reach 3
segment photos -o one.png --video
attend nowhere -o o
attend photos -o one.png
attend photos -o o --model nosuch
match photos/photo_000.jpg nowhere -o o.png
match photos/photo_000.jpg photos/photo_001.jpg -o o
match photos/photo_000.jpg photos/photo_001.jpg -o o.png --method prior
features nowhere -o o
features photos -o one.png
features photos -o o --formats masks
features photos -o o --model nosuch
track nowhere -o o
track photos -o one.png
track photos -o o --mask nosuch
track photos -o o --formats attention
track photos -o o --method nosuch
group nowhere -o o
group photos -o one.png
group photos -o o --method prior
segment photos -o o --shard 8/7
segment photos -o one.png --shard 1/7
merge nowhere
app --model nosuch
app --port 0
train nowhere -o o
train photos -o one.png
train photos -o o --init nosuch
train photos -o o --distil-from nosuch
compress builtin nowhere -o o
compress builtin photos -o photos
compress nosuch photos -o o
export nosuch -o o.onnx
export builtin -o o.pt
export builtin -o o.onnx --int8 nowhere
train-head nowhere -o o
train-head photos -o photos
train-head photos -o o --labels nosuch
train-head photos -o o --model nosuch
evaluate nosuch photos
evaluate foreground nowhere
evaluate foreground photos nowhere
evaluate foreground photos -o one.png
evaluate foreground photos --predictions nosuch
evaluate foreground photos --method nosuch
evaluate knn photos --model nosuch
compare nowhere nowhere
models fetch nosuch
methods nosuch
samples one.png
samples photos/photo_000.jpg
""".strip().splitlines()
LIGHT = """
import sys
from dinoseg.cli import run

for line in sys.stdin.read().splitlines():
    assert run(line.split()) == 2, line
    assert not {"torch", "timm", "sklearn", "matplotlib"} & set(sys.modules), line
"""


def test_wrong_use_of_every_verb_is_told_before_torch_is_loaded(photos: Path) -> None:
    before = sorted(path.name for path in photos.rglob("*"))
    done = subprocess.run(
        [sys.executable, "-c", LIGHT],
        input="\n".join(WRONG),
        capture_output=True,
        text=True,
        check=False,
        cwd=photos,
        env=HERE,
    )
    assert done.returncode == 0, done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("dinoseg: ")]) == len(WRONG)
    assert sorted(path.name for path in photos.rglob("*")) == before  # nothing was touched
    assert {line.split()[0] for line in WRONG} == {*VERBS} - {"doctor"}


def test_version_and_module() -> None:
    assert dinoseg("--version").stdout.strip() == __version__
    assert dinoseg().stdout == dinoseg("--help").stdout


def test_b31_undecodable_arguments_do_not_trace() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dinoseg", "segment", b"caf\xe9", "--nonsense", b"\xff"],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["samples", "photos"]], ids=" ".join)
def test_e70_a_broken_pipe_does_not_trace(tmp_path: Path, arguments: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "dinoseg", *arguments],
            stdout=pipe,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            check=False,
        )
    assert done.returncode == 141
    assert b"Traceback" not in done.stderr
    assert b"BrokenPipe" not in done.stderr


SEGMENT = ["segment", "photos", "-o", "out", "--method", "prior"]
SHORT = [["methods"], ["segment", "--help"], SEGMENT]


@pytest.mark.parametrize("arguments", SHORT, ids=" ".join)
@pytest.mark.parametrize(
    ("streams", "code"),
    [
        (">&-", 0),  # nobody listens: what was asked for is done
        ("2>&-", 0),
        ("<&- >&- 2>&-", 0),
        ("2>/dev/full", 0),  # messages are lost, results are not
        (">/dev/full", 1),  # results are lost
        (">/dev/full 2>/dev/full", 1),
    ],
)
def test_e70_streams_that_are_closed_or_full(photos: Path, arguments: list[str], streams: str, code: int) -> None:
    command = shlex.join([sys.executable, "-m", "dinoseg", *arguments])
    done = subprocess.run(
        ["/bin/sh", "-c", f"{command} {streams}"],
        capture_output=True,
        text=True,
        check=False,
        cwd=photos,
        env=HERE,
    )
    assert done.returncode == code
    assert bool(done.stdout) == (">&-" not in streams.replace("2>&-", "") and code == 0)
    assert "Traceback" not in done.stderr
    assert "defect" not in done.stderr
    if streams == ">/dev/full":
        assert "No space left on device: 'standard output'. What was finished is kept" in done.stderr
    if "2>" in streams:
        assert not done.stderr
        assert "done" not in done.stdout  # messages do not go among the results
    if arguments == SEGMENT:
        assert json.loads((photos / "out/manifest.jsonl").read_text().splitlines()[-1])["status"] in ("done", "empty")
        assert (photos / "out/coco.json").is_file()


WAITING = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what runs behind it deaf to it
import dinoseg.cli.doctor as doctor

def wait():
    print("waiting", flush=True)
    time.sleep(60)

doctor.versions = wait
sys.argv = ["dinoseg", "doctor"]
from dinoseg.cli import main
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_d53_signals_end_a_run_with_130(number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.startswith("Interrupted.")
    assert "Traceback" not in err
