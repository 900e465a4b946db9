"""Names to networks, without a network: a made-up hub cache, and every error on the way."""

import time

import pytest
import timm
import torch
from safetensors.torch import save_file

from dinoseg.backbone import names, zoo
from dinoseg.errors import CorruptWeights, DeviceError, WeightsNotFound
from dinoseg.options import ModelOptions

ARCHITECTURES = {
    "dino-vits16": "vit_small_patch16_224.dino",
    "dino-vits8": "vit_small_patch8_224.dino",
    "dinov2-small": "vit_small_patch14_dinov2.lvd142m",
    "dinov2-small-registers": "vit_small_patch14_reg4_dinov2.lvd142m",
    "dinov3-small": "vit_small_patch16_dinov3.lvd1689m",
}


def put_into_cache(root, repository, state):
    folder = root / f"models--{repository.replace('/', '--')}"
    snapshot = folder / "snapshots" / "0123456789abcdef"
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(snapshot.name)
    save_file(state, snapshot / "model.safetensors")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.file_download.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(zoo, "user_data_path", lambda name: tmp_path / "data" / name)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_hub_models_load_from_the_cache_and_equal_timm(cache, name):
    torch.manual_seed(0)
    network = timm.create_model(ARCHITECTURES[name], num_classes=0).eval()
    put_into_cache(cache, names.ZOO[name].hub, network.state_dict())
    backbone = zoo.load(name, offline=True)
    assert backbone.spec.name == name
    assert backbone.spec.patch == names.ZOO[name].patch
    assert backbone.spec.heads == names.ZOO[name].heads
    side = 518 if "dinov2" in name else 224
    with torch.inference_mode():
        images = torch.randn(1, 3, side, side)
        assert torch.allclose(backbone.tokens(images), network.forward_features(images), atol=1e-4)


def small_state(scale=1.0):
    state = timm.create_model("vit_tiny_patch16_224", num_classes=0, depth=1).state_dict()
    return {key: value * scale for key, value in state.items()}


def test_c40_a_broken_file_in_the_cache_is_moved_away(cache):
    put_into_cache(cache, names.ZOO["dino-vits16"].hub, {})
    file = names.cached("dino-vits16")
    file.write_bytes(b"half a download")
    with pytest.raises(CorruptWeights, match=r"moved to model\.safetensors\.corrupt"):
        zoo.load("dino-vits16", offline=True)
    assert names.cached("dino-vits16") is None


def test_the_hash_is_written_down_at_first_use_and_compared(cache):
    put_into_cache(cache, names.ZOO["dino-vits16"].hub, small_state())
    first = zoo.load("dino-vits16", heads=3, offline=True)
    zoo.load("dino-vits16", heads=3, offline=True)
    save_file(small_state(2.0), names.cached("dino-vits16"))
    with pytest.raises(CorruptWeights, match=f"then {first.spec.sha256[:12]}"):
        zoo.load("dino-vits16", heads=3, offline=True)


def test_every_hub_name_is_timms():
    for entry in names.ZOO.values():
        if entry.hub:
            assert timm.models.is_model_pretrained(entry.hub.removeprefix("timm/")), entry.hub


@pytest.mark.parametrize("offline", [True, False])
def test_c48_without_a_network_the_error_names_file_and_command(cache, monkeypatch, offline):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsNotFound) as caught:
        zoo.load("dino-vits8", offline=offline)
    for part in (
        "timm/vit_small_patch8_224.dino/model.safetensors",
        "87 MB",
        "dinoseg models fetch dino-vits8",
        "HF_ENDPOINT",
    ):
        assert part in str(caught.value)


def test_a_hub_that_does_not_answer_is_asked_once_and_not_again_for_a_while(cache, monkeypatch):
    asked, now = [], [1000.0]

    def ask(url, timeout):
        asked.append((url, timeout))
        raise OSError("[Errno 111] Connection refused")

    monkeypatch.setattr(names, "silent", [])
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", ask)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *_: pytest.fail("asked for a download"))
    for name in ("dino-vits8", "dino-vits16", "dino-vits8"):
        with pytest.raises(WeightsNotFound, match=f"{name} .*the hub does not answer .*Connection refused"):
            zoo.load(name)
    assert len(asked) == 1
    assert asked[0][1] == names.ANSWER
    now[0] += names.REST
    with pytest.raises(WeightsNotFound):
        zoo.load("dino-vits16")
    assert len(asked) == 2


def test_an_answer_of_the_hub_is_about_one_model(cache, monkeypatch):
    from huggingface_hub.errors import HfHubHTTPError

    asked = []

    def ask(url, timeout):
        asked.append(url)
        error = HfHubHTTPError.__new__(HfHubHTTPError)  # its arguments are others in each version
        Exception.__init__(error, "403 Forbidden")
        raise error

    monkeypatch.setattr(names, "silent", [])
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", ask)
    for name in ("dinov3-small", "dino-vits16"):
        with pytest.raises(WeightsNotFound, match="403 Forbidden"):
            zoo.load(name)
    assert len(asked) == 2


def test_unknown_name_and_folder_are_errors(tmp_path):
    with pytest.raises(
        WeightsNotFound, match=r"neither a file nor a model that dinoseg knows\. Did you mean dino-vits8\?"
    ):
        zoo.load("dino-vits9")
    with pytest.raises(WeightsNotFound, match=r"knows\. There are: .*dinov3-large\.$"):  # nothing near
        zoo.load("run/model.safetensors")
    with pytest.raises(WeightsNotFound, match="is a folder"):
        zoo.load(str(tmp_path))
    with pytest.raises(WeightsNotFound, match=r"^'' is an empty name"):
        zoo.load("")
    with pytest.raises(WeightsNotFound, match=r"^https://somewhere\.org/w\.pth is a URL"):
        zoo.load("https://somewhere.org/w.pth")


def test_c47_a_device_that_is_not_here_is_an_error():
    with pytest.raises(DeviceError, match="cuda:99 is not available here"):
        zoo.choose_device("cuda:99")
    with pytest.raises(DeviceError, match="is not a device"):
        zoo.choose_device("quantum")
    assert zoo.choose_device("cpu").type == "cpu"


def test_load_backbone_follows_the_options(tmp_path):
    backbone_file = tmp_path / "w.safetensors"
    save_file(timm.create_model("vit_tiny_patch16_224", num_classes=0, depth=1).state_dict(), backbone_file)
    backbone = zoo.load_backbone(ModelOptions(model=str(backbone_file), device="cpu", positions="timm"))
    assert (backbone.spec.heads, backbone.spec.positions, backbone.device.type) == (3, "antialias", "cpu")
