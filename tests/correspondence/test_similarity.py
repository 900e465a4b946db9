"""How like patches are: in one photograph, in others, as figures."""

import numpy as np
import pytest

import dinoseg
from dinoseg.correspondence.similarity import Comparer
from dinoseg.errors import NotAnImage, OptionError, QueryOutside
from dinoseg.options import ModelOptions
from dinoseg.types import Failure
from tests.helpers import disk_photo
from tests.networks import save_teacher


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    save_teacher(path)
    return str(path)


def test_a_map_is_the_cosine_of_tokens(model):
    photo, _ = disk_photo(60, 90)
    found = dinoseg.similarity(photo, (89, 59), model=model, size=64, device="cpu")
    tokens = dinoseg.encode(photo, model=model, size=64, device="cpu").features.facets["token"][0].numpy()
    example = tokens[5, 7]
    cosine = tokens @ example / np.linalg.norm(tokens, axis=-1) / np.linalg.norm(example)
    np.testing.assert_allclose(found.map, cosine, atol=1e-5)
    assert found.map[5, 7] == pytest.approx(1)
    assert found.upsampled().shape == (60, 90)
    assert repr(found) == "Similarity('image-000000', to image-000000 at 89, 59, 6x8 patches)"


def test_in_a_list_the_point_is_in_the_first_image(model):
    photo, _ = disk_photo(60, 90)
    first, other, bad = dinoseg.similarity([photo, photo[:, ::-1], b"no image"], (10, 10), model=model, size=64)
    assert first.map.max() == pytest.approx(1)
    assert other.example is first.example
    assert other.id == "image-000001"
    assert other.map.max() < 1
    assert isinstance(bad, Failure)


def test_the_like_of_a_disk_is_the_disk_in_another_photograph():
    (one, _), (two, mask) = disk_photo(240, 320, seed=1), disk_photo(240, 320, (80, 100), seed=2)
    here, there = dinoseg.similarity([one, two], (160, 120), device="cpu")
    assert there.upsampled()[mask].mean() > there.upsampled()[~mask].mean() + 0.2
    assert here.upsampled()[120, 160] > 0.9


def test_what_cannot_be_compared_is_refused(model):
    photo, _ = disk_photo(60, 90)
    with pytest.raises(QueryOutside, match="90 x 60 px"):
        dinoseg.similarity(photo, (90, 0), model=model, size=64)
    with pytest.raises(NotAnImage):
        dinoseg.similarity([b"no image", photo], (0, 0), model=model)
    with pytest.raises(OptionError, match="needs an image"):
        dinoseg.similarity([], (0, 0), model=model)


@pytest.mark.parametrize(("images", "titles"), [(1, ["image-000000"]), (2, ["image-000000", "image-000001"])])
def test_a_figure_shows_the_example_and_where_its_like_is(model, images, titles):
    photos = [disk_photo(60, 90)[0], disk_photo(90, 60)[0]][:images]
    found = dinoseg.similarity(photos, (10, 10), model=model, size=64)[-1]
    *axes, scale = found.figure().axes
    assert scale.get_label() == "scale"
    assert [ax.get_title() for ax in axes] == [*titles, f"up to {found.map.max():.2f}"]
    assert bool(axes[-1].lines) is (images == 1)  # the ring is where the example is
    assert axes[0].lines
    assert found.overlay().size == photos[-1].shape[1::-1]
    assert found._repr_png_().startswith(b"\x89PNG")


def test_a_comparer_says_what_decides_its_maps(model):
    identity = Comparer(ModelOptions(model=model, size=64, device="cpu")).identity()
    assert identity["size"] == 64
    assert "device" not in identity
    assert {"mean", "std", "runtime"} <= identity.keys()
