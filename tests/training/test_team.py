"""Several processes are one: the same network comes out, nobody waits for ever, and one of them speaks."""

import json
import os
import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import torch

from dinoseg.errors import DeviceError, OptionError, UsageError
from dinoseg.training import run_training, team
from dinoseg.training.loop import check_team
from dinoseg.training.start import scratch_spec
from dinoseg.training.team import Team, assembled, own_device
from tests.helpers import write_images
from tests.training.test_loop import assert_like_runs, metrics, run_until
from tests.training.tiny import options, small_head

ROOT = Path(__file__).parents[2]
SCRIPT = """
import json, os, signal, sys, pytest
from pathlib import Path
from tests.training.test_loop import at_step
from tests.training.tiny import options, small_head
from dinoseg.cli.exits import exit_code
from dinoseg.training import run_training
small_head(pytest.MonkeyPatch())
photos, output, rank, what, changes = sys.argv[1], Path(sys.argv[2]), *sys.argv[3:]
def happens():
    if what == "raise":
        raise RuntimeError("the second process has a defect")
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGTERM)
if what and os.environ["RANK"] == rank:
    at_step(3, happens, pytest.MonkeyPatch())
try:
    report = run_training([photos], options(output, **{"drop_path": 0.0, "batch": 2, **json.loads(changes)}))
    print(f"loss {report.loss:.4f}")
except BaseException as error:
    sys.exit(exit_code(error))
"""


def torchrun(
    photos: Path, output: Path, rank: int = 0, what: str = "", **changes: object
) -> subprocess.CompletedProcess:
    """Two processes; something may happen to one of them before step 3."""
    script = output.with_suffix(".py")
    script.write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    arguments = [str(photos), str(output), str(rank), what, json.dumps(changes)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run([*command, *arguments], env=environment, capture_output=True, text=True, timeout=300)


def messages(done: subprocess.CompletedProcess) -> list[str]:
    """What dinoseg said, up to the first colon of each message."""
    lines = [line.removeprefix("dinoseg: ") for line in done.stderr.splitlines() if line.startswith("dinoseg: ")]
    return [line.partition(":")[0] for line in lines]


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Eleven: two steps of four an epoch, and three photographs over."""
    folder = tmp_path_factory.mktemp("photos")
    write_images(folder, 11, height=24, width=32)
    return folder


@pytest.fixture(scope="module")
def alone(photos, tmp_path_factory) -> Path:
    """The run of one process with the double batch."""
    output = tmp_path_factory.mktemp("alone") / "run"
    with pytest.MonkeyPatch.context() as patch:
        small_head(patch)
        run_training([photos], options(output, drop_path=0.0, batch=4))
    return output


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, {"cache": "disk"}, {"batch": 1, "accumulate": 2}])
def test_f90_two_processes_learn_what_one_learns_from_the_double_batch(changes, photos, alone, tmp_path):
    done = torchrun(photos, tmp_path / "run", **changes)
    assert done.returncode == 0, done.stderr
    assert_like_runs(tmp_path / "run", alone)
    assert done.stdout.count("loss") == 2  # both know it
    assert len(metrics(tmp_path / "run")) == 6  # one of them wrote
    assert "train:" not in done.stdout


@pytest.mark.slow
def test_f93_a_signal_to_one_stops_both_and_one_process_goes_on(photos, alone, tmp_path, monkeypatch):
    done = torchrun(photos, tmp_path / "run", rank=1, what="term")
    assert done.returncode != 0
    assert (tmp_path / "run" / "checkpoints" / "step-00000004.pth").exists()
    small_head(monkeypatch)
    run_training([photos], options(tmp_path / "run", drop_path=0.0, batch=4, resume=True))
    assert_like_runs(tmp_path / "run", alone)


@pytest.mark.slow
def test_f84_two_processes_go_on_with_the_run_of_one(photos, alone, tmp_path, monkeypatch):
    small_head(monkeypatch)
    run_until(3, [photos], options(tmp_path / "run", drop_path=0.0, batch=4), monkeypatch)
    done = torchrun(photos, tmp_path / "run", resume=True)
    assert done.returncode == 0, done.stderr
    assert_like_runs(tmp_path / "run", alone)


@pytest.mark.slow
def test_f88_a_process_that_fails_ends_the_others_and_says_why_once(photos, tmp_path):
    done = torchrun(photos, tmp_path / "run", rank=1, what="raise")
    assert done.returncode != 0
    assert done.stderr.count("the second process has a defect") == 1
    assert len(messages(done)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_f88_a_process_that_is_killed_ends_the_other_with_one_message(rank, photos, alone, tmp_path, monkeypatch):
    done = torchrun(photos, tmp_path / "run", rank=rank, what="kill")
    assert done.returncode != 0
    assert messages(done) == ["Another process of this training ended without a word"]
    small_head(monkeypatch)
    run_training([photos], options(tmp_path / "run", drop_path=0.0, batch=4, resume=True))
    assert_like_runs(tmp_path / "run", alone)


@pytest.mark.slow
def test_what_is_wrong_for_all_is_said_once(photos, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    done = torchrun(photos, tmp_path / "run", distil_from=str(tmp_path / "none.pth"))
    assert done.returncode != 0
    assert len(messages(done)) == 1


LEFT = {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0", "MASTER_ADDR": "localhost", "MASTER_PORT": "29400"}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE is 'two'"),
        ({"WORLD_SIZE": "0"}, "WORLD_SIZE is '0'"),
        ({"WORLD_SIZE": "-1"}, "WORLD_SIZE is '-1'"),
        ({"RANK": "2"}, "RANK is '2'"),
        ({"RANK": None}, "RANK is not set"),
        ({"LOCAL_RANK": "x"}, "LOCAL_RANK is 'x'"),
        ({"MASTER_ADDR": None}, "MASTER_ADDR is not set"),
        ({"MASTER_PORT": "0"}, "MASTER_PORT is '0'"),
        ({"MASTER_PORT": None}, "MASTER_PORT is not set"),
    ],
)
def test_f89_what_was_left_in_the_environment_is_named(changes, told):
    environment = {name: value for name, value in (LEFT | changes).items() if value is not None}
    with pytest.raises(UsageError, match=f"^{told} .*unset WORLD_SIZE"), assembled("cpu", environment):
        pass


@pytest.mark.parametrize("rank", [0, 1])
def test_f89_others_that_do_not_come_are_not_waited_for(rank, monkeypatch):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    environment = LEFT | {"RANK": str(rank), "MASTER_PORT": str(port)}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(team, "MEETING", timedelta(seconds=1))
    with pytest.raises(UsageError, match="did not meet"), assembled("cpu", environment):
        pass


@pytest.mark.parametrize("environment", [{}, {"WORLD_SIZE": "1", "RANK": "0"}, {"RANK": "3", "LOCAL_RANK": "x"}])
def test_f89_without_torchrun_or_with_one_process_nothing_is_joined(environment):
    with assembled("cpu", environment) as (alone, device):
        assert (alone, device) == (Team(), torch.device("cpu"))
    assert alone.first
    assert alone.gather(3) == [3]
    assert alone.from_first(lambda: 4) == 4
    assert torch.equal(alone.mean(torch.ones(2)), torch.ones(2))
    module = torch.nn.Linear(1, 1)
    assert alone.parallel(module, device) is module


@pytest.mark.parametrize(("name", "expected"), [("cpu", "cpu"), ("cuda", "cuda:3"), ("cuda:1", None), ("mps", None)])
def test_each_process_has_a_device_of_its_own(name, expected, monkeypatch):
    monkeypatch.setattr(team, "choose_device", torch.device)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    if expected:
        assert own_device(name, 3) == torch.device(expected)
    else:
        with pytest.raises(DeviceError, match=f"--device {name} is one device"):
            own_device(name, 3)


def test_distillation_is_for_one_process():
    with pytest.raises(OptionError, match="without torchrun"):
        check_team(options(distil_from="builtin"), Team(0, 2, 2), scratch_spec(options()))
    check_team(options(distil_from="builtin"), Team(), scratch_spec(options()))
