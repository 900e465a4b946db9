"""DINO's ResNet-50 and its like: the golden check is timm itself, on random weights."""

import json
from functools import partial

import PIL.Image
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

import dinoseg
from dinoseg import Segmenter, attend, evaluate, features, group, match, segment, similarity
from dinoseg.backbone.export import save_backbone
from dinoseg.backbone.families.convolutional import CONVOLUTIONAL, RESNETS, ConvolutionalNetwork, measured
from dinoseg.backbone.weights import load_file
from dinoseg.compression.prune import prunable
from dinoseg.errors import CompressionError, OptionError, WeightsMismatch
from dinoseg.methods import METHODS, make_method, methods_without_attention
from tests.helpers import disk_photo, write_images

READING = ["head", "attention-cut", "attention", "dino-seg", "found"]
"""Methods that read CLS attention."""


def random_network(name, **options):
    """timm's network with norms that have seen something."""
    torch.manual_seed(0)
    network = timm.create_model(name, num_classes=0, **options).eval()
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.running_mean, std=0.1)
            nn.init.uniform_(part.running_var, 0.5, 1.5)
            nn.init.uniform_(part.weight, 0.5, 1.0)
    return network


def images(side=(64, 96)):
    return torch.randn(2, 3, *side, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def resnet18(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(random_network("resnet18").state_dict(), path)
    return path


@torch.inference_mode()
def assert_equals_timm(backbone, plain, finest, pixels):
    """Tokens are the map of ``finest``, the embedding is that of ``plain``."""
    seen = backbone(pixels, facets=("token",), cls=True)
    last = plain.forward_features(pixels)
    near = partial(torch.testing.assert_close, rtol=1e-5, atol=1e-5 * float(last.abs().max()))
    near(seen.facets["token"], finest.forward_features(pixels).permute(0, 2, 3, 1))
    near(seen.cls, plain.forward_head(last, pre_logits=True))
    assert seen.attention is None
    assert seen.grid == (pixels.shape[2] // backbone.spec.patch, pixels.shape[3] // backbone.spec.patch)
    assert len(seen) == len(pixels)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
@pytest.mark.parametrize("side", [(64, 96), (80, 48)], ids=["even", "odd"])  # cells of 16 px
def test_a_resnet_is_timms_dilated_and_its_embedding_is_that_of_the_plain_one(tmp_path, name, side):
    plain = random_network(name)
    torch.save(plain.state_dict(), tmp_path / "dino_resnet50_pretrain.pth")
    backbone = load_file(tmp_path / "dino_resnet50_pretrain.pth")
    finest = timm.create_model(name, num_classes=0, output_stride=16).eval()
    finest.load_state_dict(plain.state_dict())
    spec = backbone.spec
    assert (spec.family, spec.architecture, spec.patch) == ("convolutional", name, 16)
    assert spec.width == {"resnet18": 512, "resnet50": 2048}[name]
    assert_equals_timm(backbone, plain, finest, images(side))


@pytest.mark.parametrize("name", ["test_resnet", "test_convnext", "test_efficientnet", "mobilenetv3_small_050"])
@pytest.mark.parametrize("where", ["config.json", "header"])
def test_any_network_of_timm_by_the_name_beside_it(tmp_path, name, where):
    """As files of timm on the hub are: names of its own, with a classifier; the shortcuts of the first one pool."""
    plain = random_network(name)
    classifier = {f"{plain.pretrained_cfg['classifier']}.weight": torch.zeros(10, 4)}
    told = {"architecture": name}
    header = told if where == "header" else None
    save_file(plain.state_dict() | classifier, tmp_path / "model.safetensors", metadata=header)
    if where == "config.json":
        (tmp_path / "config.json").write_text(
            json.dumps(told | {"pretrained_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3}})
        )
    backbone = load_file(tmp_path / "model.safetensors")
    assert (backbone.spec.architecture, backbone.spec.patch) == (name, 32)
    assert backbone.spec.std == ((0.5,) * 3 if where == "config.json" else (0.229, 0.224, 0.225))
    assert_equals_timm(backbone, plain, plain, images())


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"state_dict": {f"module.{key}": value for key, value in state.items()}},
        lambda state: {"teacher": {f"backbone.{key}": value for key, value in state.items()}, "student": {}},
        lambda state: {  # MoCo
            "state_dict": {f"module.encoder_k.{key}": value for key, value in state.items()}
            | {f"module.encoder_q.{key}": 2 * value for key, value in state.items()}
            | {"module.queue": torch.zeros(3), "module.encoder_k.fc.0.weight": torch.zeros(2, 2)}
        },
        lambda state: state | {"fc.weight": torch.zeros(10, 512), "fc.bias": torch.zeros(10)},  # torchvision
        lambda state: (
            {f"module.{key}": value for key, value in state.items()}  # SwAV
            | {"module.projection_head.0.weight": torch.zeros(2, 2), "module.prototypes.weight": torch.zeros(2, 2)}
        ),
        lambda state: {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")},  # old
    ],
    ids=["DDP", "DINO's training", "MoCo", "torchvision", "SwAV", "no counters"],
)
def test_every_layout_gives_the_same_network(tmp_path, resnet18, wrap):
    plain = load_file(resnet18)
    torch.save(wrap(dict(plain.network.state_dict())), tmp_path / "w.pth")
    loaded = load_file(tmp_path / "w.pth")
    with torch.inference_mode():
        assert torch.equal(loaded.embedding(images()), plain.embedding(images()))


@pytest.mark.parametrize("store", ["float32", "float16"])
def test_a_file_of_our_own_comes_back(tmp_path, resnet18, store):
    backbone = load_file(resnet18)
    save_backbone(backbone, tmp_path / "w.safetensors", store=store)
    loaded = load_file(tmp_path / "w.safetensors")
    assert loaded.spec.architecture == "resnet18"
    for name, tensor in backbone.network.state_dict().items():
        torch.testing.assert_close(
            loaded.network.state_dict()[name], tensor, rtol=0 if store == "float32" else 1e-3, atol=1e-6
        )


def test_resnets_without_a_name_are_known_by_their_blocks():
    for blocks, name in RESNETS.items():
        found = {key for key in measured(name).names if key.endswith(".conv1.weight")}
        assert len(found) == sum(blocks[:4])
        assert measured(name).anchor == "layer1.0.conv1.weight"


def test_mismatches_are_listed(tmp_path, resnet18):
    state = torch.load(resnet18)
    torch.save({key: value for key, value in state.items() if key != "bn1.bias"}, tmp_path / "w.pth")
    with pytest.raises(WeightsMismatch, match=r"does not fit timm's resnet18: 1 missing: bn1\.bias"):
        load_file(tmp_path / "w.pth")
    with pytest.raises(WeightsMismatch, match="leave out --heads"):
        load_file(resnet18, heads=6)
    torch.save({"layer1.0.conv1.weight": state["layer1.0.conv1.weight"]}, tmp_path / "w.pth")
    with pytest.raises(WeightsMismatch, match="no network of a family"):
        load_file(tmp_path / "w.pth")


def test_a_name_of_timm_that_is_no_convolutional_network_is_refused(tmp_path):
    save_file(
        {"a.weight": torch.zeros(1)}, tmp_path / "w.safetensors", metadata={"architecture": "vit_tiny_patch16_224"}
    )
    with pytest.raises(WeightsMismatch, match="does not work as a convolutional network"):
        load_file(tmp_path / "w.safetensors")


def test_images_off_the_grid_and_facets_that_it_has_not_are_defects(resnet18):
    backbone = load_file(resnet18)
    with pytest.raises(ValueError, match="does not lie on the grid"):
        backbone(images((70, 64)))
    with pytest.raises(ValueError, match="has token"):
        backbone(images(), facets=("key",))


def test_training_undoes_dilation_and_keeps_the_weights(resnet18):
    backbone = load_file(resnet18)
    network = CONVOLUTIONAL.for_training(backbone)
    assert network.spec.patch == 32
    with torch.inference_mode():
        torch.testing.assert_close(
            network.eval().embedding(images()), backbone.embedding(images()), rtol=1e-5, atol=1e-4
        )


def test_normalisation_of_pixels_can_be_another(resnet18):
    other = load_file(resnet18).normalising((0.5, 0.5, 0.5), None)
    assert isinstance(other, ConvolutionalNetwork)
    assert other.spec.mean == (0.5, 0.5, 0.5)


def test_methods_that_read_attention_name_those_that_do_not():
    needing = [name for name in METHODS if name not in methods_without_attention()]
    assert needing == [*READING, "prior"]


@pytest.mark.parametrize("method", READING)
def test_methods_that_read_attention_refuse_in_one_sentence(resnet18, method):
    with pytest.raises(
        OptionError, match=r"resnet18 has no CLS attention, which this method reads: use --method tok"
    ) as error:
        Segmenter(model=str(resnet18), method=method)
    assert "lost or kmeans." in str(error.value)


@pytest.mark.parametrize("method", methods_without_attention())
def test_methods_of_patch_features_work(resnet18, method):
    photo, _ = disk_photo(120, 160)
    found = segment(photo, model=str(resnet18), method=method, size=160)
    assert found.attention is None
    assert found.presence is None
    assert all(0 <= score <= 1 for score in found.scores)
    assert found.masks.shape[1:] == (120, 160)


@pytest.mark.parametrize("method", methods_without_attention())
def test_a_photograph_is_encoded_once_and_asked_many_times(resnet18, method):
    photo, _ = disk_photo(120, 160)
    encoded = dinoseg.encode(photo, model=str(resnet18), size=160)
    assert set(encoded.features.facets) == {"token"}
    again = Segmenter(model=str(resnet18), method=method, size=160)(encoded)
    assert [each.rle for each in again] == [
        each.rle for each in segment(photo, model=str(resnet18), method=method, size=160)
    ]


@pytest.mark.parametrize("method", methods_without_attention())
def test_other_facets_are_refused(resnet18, method):
    with pytest.raises(OptionError, match="facet key is out of range: resnet18 has token"):
        make_method(method, ["facet=key"]).check(load_file(resnet18).spec)


def test_attend_presence_and_compression_are_refused_by_name(resnet18):
    with pytest.raises(OptionError, match="family convolutional, which has no attention to show"):
        attend(disk_photo()[0], model=str(resnet18))
    with pytest.raises(OptionError, match="presence is not known for networks of the family convolutional"):
        Segmenter(model=str(resnet18), method="tokencut", min_presence=0.5)
    with pytest.raises(CompressionError, match="family convolutional, whose networks are not compressed"):
        prunable(load_file(resnet18), 8)


@pytest.fixture(scope="module")
def classes(tmp_path_factory):
    """Two folders of pictures, twelve each."""
    folder = tmp_path_factory.mktemp("classes")
    for name in ("a", "b"):
        write_images(folder / name, 12, height=48, width=64)
    return folder


@pytest.mark.parametrize("protocol", ["knn", "linear", "retrieval", "copies"])
def test_protocols_of_embeddings_work(resnet18, classes, protocol):
    report = evaluate(protocol, classes, model=str(resnet18), size=32, device="cpu")
    assert all(0 <= score.value <= 1 for score in report.scores)


def test_group_works_with_a_method_of_patch_features(resnet18, classes, tmp_path):
    report = group(classes / "a", output=tmp_path / "groups", model=str(resnet18), method="tokencut", size=96)
    assert report.photographs == 12


def test_protocols_of_attention_are_refused(resnet18, tmp_path):
    photo, mask = disk_photo(64, 64)
    for name, pixels in (("images", photo), ("masks", mask.astype("uint8") * 255)):
        (tmp_path / name).mkdir()
        PIL.Image.fromarray(pixels).save(tmp_path / name / "a.png")
    with pytest.raises(OptionError, match="has no CLS attention"):
        evaluate("attention-jaccard", (tmp_path / "images", tmp_path / "masks"), model=str(resnet18), size=64)


def test_features_and_what_is_like_what(resnet18):
    photo = disk_photo(192, 256)[0]
    network = {"model": str(resnet18), "device": "cpu"}
    found = features(photo, **network)
    assert found.patches.shape == (*found.fit.grid, 512)
    assert found.embedding.shape == (512,)
    assert (found.objects == 1).all()  # nothing says what an object is
    for wrong, told in (({"facet": "key"}, "has token"), ({"layer": 1}, "no layers to choose")):
        with pytest.raises(OptionError, match=told):
            features(photo, **network, **wrong)
    assert similarity(photo, (128, 96), **network).map.max() == pytest.approx(1)
    assert match(photo, photo, method="tokencut", refine="none", pairs=3, **network).found >= 3
