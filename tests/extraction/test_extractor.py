"""Features of one photograph: of any facet and layer, with an embedding and an object."""

import numpy as np
import pytest
import torch

import dinoseg
from dinoseg.errors import NotAnImage, NumericalFailure, OptionError
from dinoseg.extraction.extractor import as_type
from dinoseg.types import Failure
from tests.extraction.test_photographs import write_video
from tests.helpers import disk_photo, write_images
from tests.networks import save_teacher, small_teacher


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    save_teacher(path)
    return str(path)


@pytest.mark.parametrize("facet", ["token", "key", "query", "value"])
def test_patches_are_those_of_encode(model, facet):
    photo, _ = disk_photo(60, 90)
    found = dinoseg.features(photo, model=model, size=64, facet=facet, dtype="float32", device="cpu")
    encoded = dinoseg.encode(photo, model=model, size=64, device="cpu")
    np.testing.assert_allclose(found.patches, encoded.features.facets[facet][0].numpy(), atol=1e-5)
    assert found.embedding.dtype == np.float32
    assert found.objects.shape == (6, 8)
    assert repr(found) == f"PhotoFeatures('image-000000', patches {found.patches.shape}, embedding (32,))"


def test_the_embedding_is_the_networks_own(model):
    photo, _ = disk_photo(48, 64)
    backbone = dinoseg.load(model)
    images = backbone.prepare(photo, (6, 8))
    with torch.inference_mode():
        expected = backbone.embedding(images)[0].numpy()
    np.testing.assert_allclose(
        dinoseg.features(photo, model=model, size=64, device="cpu").embedding, expected, atol=1e-5
    )


@torch.inference_mode()
def test_the_last_layer_is_the_default_and_an_earlier_one_is_of_a_shorter_network():
    backbone = small_teacher()
    images = torch.randn(2, 3, 32, 40)
    facets = ("query", "key", "value", "token")
    default, last = backbone(images, facets, cls=True), backbone(images, facets, cls=True, layer=2)
    first = backbone(images, facets, cls=True, layer=1)
    x, rope = backbone.embed(images)
    expected = backbone.vit.norm(backbone.block(0, x, rope))
    for one, other in zip(default.arrays, last.arrays, strict=True):
        assert torch.equal(one, other)
    assert torch.allclose(first.facets["token"].flatten(1, 2), expected[:, 1:], atol=1e-5)
    assert torch.allclose(first.cls, expected[:, 0], atol=1e-5)


def test_objects_are_of_the_last_layer_whatever_is_asked_of_the_patches():
    photo, mask = disk_photo(240, 320)
    last = dinoseg.features(photo, device="cpu")
    early = dinoseg.features(photo, layer=3, facet="key", device="cpu")
    np.testing.assert_allclose(early.objects, last.objects, atol=1e-4)
    assert last.patches.dtype == np.float16
    assert not np.allclose(early.patches, last.patches)
    inside = np.zeros(last.objects.shape, bool)
    inside[10:14, 14:18] = True
    assert (last.objects[inside] > 0.5).all()
    assert not (last.objects[:3] > 0.5).any()
    assert mask[120, 160]


def test_a_stream_of_a_folder_and_of_a_video(model, tmp_path):
    write_images(tmp_path / "photos", 2)
    write_video(tmp_path / "clip.mp4", 2)
    extractor = dinoseg.Extractor(model=model, size=64, device="cpu")
    assert [each.id for each in extractor.stream(tmp_path / "photos")] == ["photo_000.jpg", "photo_001.jpg"]
    frames = list(extractor.stream(str(tmp_path / "clip.mp4")))
    assert [each.id for each in frames] == ["clip.mp4/frame-000000", "clip.mp4/frame-000001"]
    np.testing.assert_array_equal(extractor(frames[0].photo.pixels).patches, frames[0].patches)


def test_what_float16_does_not_hold_is_told():
    large = np.array([1.0, 70000.0], np.float32)
    assert as_type(large, "float32", "a").dtype == np.float32
    with pytest.raises(NumericalFailure, match=r"a: .* --dtype float32"):
        as_type(large, "float16", "a")


def test_a_list_has_failures_in_their_places(model):
    good, bad = dinoseg.features([disk_photo()[0], b"no image"], model=model, size=64)
    assert isinstance(bad, Failure)
    assert good.id == "image-000000"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"layer": 3}, r"has 1\.\.2"),
        ({"runtime": "openvino"}, "torch for features"),
        ({"model": "some.xml"}, "exported|no|not"),
    ],
)
def test_what_the_network_lacks_is_refused(model, wrong, told):
    with pytest.raises(dinoseg.DinosegError, match=told):
        dinoseg.features(disk_photo()[0], **{"model": model, "size": 64} | wrong)


def test_one_bad_image_raises(model):
    with pytest.raises(NotAnImage):
        dinoseg.features(b"no image", model=model)
    with pytest.raises(OptionError):
        dinoseg.features(disk_photo()[0], model=model, layer=0)
