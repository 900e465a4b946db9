"""``train --arch``: the recipe on a convolutional network, whose norms see the batch."""

import json
from pathlib import Path

import pytest
import torch

from dinoseg.backbone.families.convolutional import CONVOLUTIONAL
from dinoseg.backbone.weights import load_file
from dinoseg.errors import OptionError
from dinoseg.training import run_training
from dinoseg.training.loop import check_team
from dinoseg.training.network import drop_paths, new_network
from dinoseg.training.start import Start, scratch_spec, starting_backbone
from dinoseg.training.team import Team
from tests.helpers import write_images
from tests.networks import save_teacher
from tests.training.test_observer import run_until
from tests.training.tiny import options, small_head

SHAPE = {"patch": None, "width": None, "depth": None, "heads": None, "global_size": 64, "local_size": 40}


def convolutional(output: Path = Path("run"), **changes):
    return options(output, **{"arch": "test_resnet", **SHAPE, **changes})


@pytest.fixture(autouse=True)
def _small_head(monkeypatch):
    small_head(monkeypatch)


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> list[Path]:
    """Two folders, which are classes."""
    folder = tmp_path_factory.mktemp("photos")
    for name in ("a", "b"):
        write_images(folder / name, 5, height=48, width=64)
    return [folder]


@pytest.fixture(scope="module")
def run(photos, tmp_path_factory) -> Path:
    """The folder of a run that nothing stopped."""
    output = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patch:
        small_head(patch)
        run_training(photos, convolutional(output, watch_every=1))
    return output


def test_a_run_leaves_a_model_that_loads_and_a_record(run):
    spec = load_file(run / "model.safetensors").spec
    assert (spec.family, spec.architecture, spec.width) == ("convolutional", "test_resnet", 96)
    network = json.loads((run / "run.json").read_text())["network"]
    assert (network["architecture"], network["patch"]) == ("test_resnet", 32)
    checkpoint = load_file(run / "checkpoints" / "step-00000006.pth")
    for name, tensor in load_file(run / "model.safetensors").network.state_dict().items():
        assert torch.equal(checkpoint.network.state_dict()[name], tensor)


def test_what_learns_are_weights_and_norms(run):
    state = load_file(run / "model.safetensors").network.state_dict()
    means = [tensor for name, tensor in state.items() if name.endswith("running_mean")]
    assert all(mean.abs().sum() > 0 for mean in means)


def test_knn_is_watched_and_there_are_no_strips_of_attention(run):
    looks = [json.loads(line) for line in (run / "watch.jsonl").read_text().splitlines()]
    assert [look["epoch"] for look in looks] == [0, 1, 2, 3]
    assert all(0 <= look["knn"] <= 1 and "strip" not in look and "peak" not in look for look in looks)
    assert not (run / "watch").exists()
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "The convolutional network test_resnet, from random weights" in page
    assert "What the network looks at" not in page


def learned(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.suffix in (".pth", ".safetensors")}


def test_watching_changes_nothing_that_is_learned(run, photos, tmp_path):
    run_training(photos, convolutional(tmp_path / "run"))
    assert learned(tmp_path / "run") == learned(run)


@pytest.mark.parametrize("step", [1, 4])
def test_f84_killed_and_resumed_equals_undisturbed(step, run, photos, tmp_path, monkeypatch):
    run_until(step, photos, convolutional(tmp_path / "run", watch_every=1), monkeypatch)
    run_training(photos, convolutional(tmp_path / "run", watch_every=1, resume=True))
    assert learned(tmp_path / "run") == learned(run)
    assert (tmp_path / "run" / "watch.jsonl").read_bytes() == (run / "watch.jsonl").read_bytes()


def test_init_goes_on_from_a_file_undilated(tmp_path):
    torch.manual_seed(0)
    start = CONVOLUTIONAL.new(CONVOLUTIONAL.scratch("resnet18"))
    torch.save(start.network.state_dict(), tmp_path / "resnet18.pth")
    assert load_file(tmp_path / "resnet18.pth").spec.patch == 16
    backbone = starting_backbone(convolutional(arch=None, init=str(tmp_path / "resnet18.pth")))
    assert backbone.spec.patch == 32
    assert backbone.training
    assert all(parameter.requires_grad for parameter in backbone.parameters())
    for name, tensor in start.network.state_dict().items():
        assert torch.equal(backbone.network.state_dict()[name], tensor)


def test_from_scratch_no_branch_begins_at_zero_and_there_is_no_drop_path():
    network = new_network(convolutional(arch="resnet18"))
    norms = [part for part in network.backbone.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    assert all((norm.weight == 1).all() for norm in norms)
    drop_paths(network.backbone, 0.5)
    assert not [part for part in network.modules() if "DropPath" in type(part).__name__]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"patch": 8}, "--patch: for Vision Transformers only, and test_resnet is"),
        ({"width": 48, "heads": 3}, "--width, --heads: for Vision Transformers only"),
        ({"accumulate": 2}, "--accumulate: the batch norms of test_resnet"),
        ({"batch": 1}, "--batch 1: the batch norms of test_resnet need 2"),
        ({"local_size": 24}, "--local-size 24 is less than one cell of test_resnet: 32 or more"),
        ({"arch": "resnet51"}, "--arch resnet51 is no network of timm. Near it: .*resnet50"),
        ({"arch": "vit_tiny_patch16_224"}, "--arch vit_tiny_patch16_224: .*does not work as a convolutional network"),
        ({"distil_from": "builtin"}, "--distil-from teaches attention, which test_resnet has not"),
    ],
)
def test_what_does_not_go_with_a_convolutional_network_is_refused(changes, told):
    with pytest.raises(OptionError, match=told):
        Start.read(convolutional(**changes))


def test_init_and_freezing_are_refused(tmp_path):
    with pytest.raises(OptionError, match="--init says what the network is"):
        convolutional(init="builtin")
    torch.save(CONVOLUTIONAL.new(CONVOLUTIONAL.scratch("resnet18")).network.state_dict(), tmp_path / "w.pth")
    file = {"arch": None, "init": str(tmp_path / "w.pth")}
    with pytest.raises(OptionError, match="--layer-decay, --freeze-blocks: for Vision Transformers only"):
        Start.read(convolutional(**file, layer_decay=0.5, freeze_blocks=1))
    save_teacher(tmp_path / "vit.safetensors")
    with pytest.raises(OptionError, match="which has no attention to learn"):
        Start.read(
            convolutional(arch=None, init=str(tmp_path / "vit.safetensors"), distil_from=str(tmp_path / "w.pth"))
        )


def test_one_process_trains_it_alone():
    spec = scratch_spec(convolutional())
    check_team(convolutional(), Team(), spec)
    with pytest.raises(OptionError, match="test_resnet trains in one process"):
        check_team(convolutional(), Team(0, 2, 2), spec)
