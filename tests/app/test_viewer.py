"""What the page shows: the same as the functions give, computed once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import dinoseg
from dinoseg.app.viewer import SHOWN, Look, Viewer, picture, write_files
from dinoseg.errors import NotAnImage, OptionError
from dinoseg.options import ModelOptions
from dinoseg.rle import decode_rle
from tests.helpers import disk_photo, encode
from tests.networks import save_teacher

OPTIONS = {"size": 64, "device": "cpu", "runtime": "torch"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    save_teacher(path)
    return str(path)


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "disk.png"
    path.write_bytes(encode(disk_photo(60, 90)[0]))
    return path


@pytest.fixture(scope="module")
def viewer(model: str) -> Viewer:
    return Viewer(ModelOptions(model=model, size=64, device="cpu"))


@pytest.fixture
def look(viewer: Viewer, photo: Path) -> Look:
    return viewer.open(photo)


def test_maps_are_those_of_attend_and_similarity(viewer: Viewer, look: Look, photo: Path, model: str) -> None:
    query = (71, 40)
    patch = look.patch_under(query)  # so small a photograph is shown as it is
    for layer in (1, 2):
        for asked, ours in ({}, None), ({"query": query}, patch):
            theirs = dinoseg.attend(photo, model=model, layer=layer, **asked, **OPTIONS)
            np.testing.assert_allclose(viewer.attention(look, layer, ours), theirs.heads, atol=1e-6)
    theirs = dinoseg.similarity(photo, query, model=model, **OPTIONS)
    np.testing.assert_allclose(viewer.similarity(look, 2, "token", patch), theirs.map, atol=1e-5)
    keys = dinoseg.features(photo, model=model, layer=1, facet="key", **OPTIONS).patches.astype(float)
    unit = keys / np.linalg.norm(keys, axis=-1, keepdims=True)
    expected = unit @ unit.reshape(-1, unit.shape[-1])[patch]
    np.testing.assert_allclose(viewer.similarity(look, 1, "key", patch), expected, atol=2e-3)  # float16


def test_a_layer_is_read_once(viewer: Viewer, look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    viewer.attention(look, 2)
    monkeypatch.setattr(Viewer, "_read", lambda *_: pytest.fail("another pass of the network"))
    for patch in (None, 0, 17):
        viewer.attention(look, 2, patch)
    for facet in viewer.facets:
        viewer.similarity(look, 2, facet, 5)


def test_points_of_the_picture_that_is_shown(viewer: Viewer, tmp_path: Path) -> None:
    path = tmp_path / "wide.png"
    path.write_bytes(encode(np.zeros((500, 4000, 3), np.uint8)))
    look = viewer.open(path)
    assert look.shown.shape == (SHOWN // 8, SHOWN, 3)
    rows, columns = look.encoded.fit.grid
    assert look.patch_under((0, 0)) == 0
    assert look.patch_under((SHOWN - 1, 0)) == columns - 1
    assert look.patch_under((SHOWN + 50, 10_000)) == rows * columns - 1  # beyond the edge: the nearest
    map_ = np.zeros((rows, columns), np.float32)
    ringed, plain = np.array(look.heat(map_, 0)), np.array(look.heat(map_))
    assert (ringed != plain).any(axis=2)[:, : SHOWN // 4].any()
    assert (ringed == plain).all(axis=2)[:, SHOWN // 2 :].all()


def test_objects_are_those_of_segment(viewer: Viewer, look: Look, photo: Path, model: str) -> None:
    asked = {"method": "kmeans", "param": ("clusters=3",), "refine": "none"}
    found = viewer.segment(look, **asked)
    theirs = dinoseg.segment(photo, model=model, **asked, **OPTIONS)
    assert [each.rle for each in found] == [each.rle for each in theirs]
    assert found.id == "disk.png"
    with pytest.raises(OptionError, match="nosuch"):
        viewer.segment(look, method="kmeans", param=("nosuch=3",))


def test_pictures_and_files(viewer: Viewer, look: Look, tmp_path: Path) -> None:
    found = viewer.segment(look, method="kmeans")
    assert found.instances
    mask = np.array(picture(look, found, "mask"))
    assert mask.shape == (60, 90)
    np.testing.assert_array_equal(mask > 127, found.mask)
    assert picture(look, found, "cut-out").mode == "RGBA"
    assert picture(look, found, "overlay").size == (90, 60)
    paths = {path.relative_to(tmp_path).parts[0]: path for path in write_files(found, tmp_path)}
    assert {"masks", "cutouts", "labels", "overlays", "coco.json"} == set(paths)
    np.testing.assert_array_equal(np.array(PIL.Image.open(paths["masks"])) > 0, found.mask)
    (annotation, *_) = json.loads(paths["coco.json"].read_text())["annotations"]
    assert decode_rle(annotation["segmentation"]).shape == (60, 90)


def test_what_cannot_be_shown_is_refused(viewer: Viewer, tmp_path: Path) -> None:
    (tmp_path / "no.png").write_text("no picture")
    with pytest.raises(NotAnImage, match=r"no\.png"):
        viewer.open(tmp_path / "no.png")
    with pytest.raises(OptionError, match="name its weights"):
        Viewer(ModelOptions(model="some.onnx"))
