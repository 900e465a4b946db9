"""Neighbours by names of folders, and strips of attention."""

import numpy as np
import PIL.Image
import pytest
import torch

from dinoseg.training import watch
from dinoseg.training.watch import TILE, Watch, class_of, spaced, top1
from dinoseg.types import Source
from tests.helpers import disk_photo
from tests.networks import small_teacher


def sources(classes: int = 2, each: int = 6) -> list[Source]:
    """Flat pictures; each class has its own colour."""
    colours = np.array([[200, 30, 30], [30, 200, 30], [30, 30, 200]])
    random = np.random.default_rng(0)
    return [
        Source(f"{name}/{index}.png", np.clip(random.normal(colours[name], 6, (40, 50, 3)), 0, 255).astype(np.uint8))
        for name in range(classes)
        for index in range(each)
    ]


@pytest.mark.parametrize(
    ("id_", "name"),
    [
        ("cat/1.jpg", "cat"),
        ("cat/indoors/1.jpg", "cat"),
        ("train/cat/1.jpg", "cat"),
        ("val/1.jpg", ""),  # a part of the data is no class
        ("1.jpg", ""),
    ],
)
def test_a_class_is_the_first_folder(id_, name):
    assert class_of(id_) == name


def test_classes_that_can_be_told_are_told():
    found = Watch.of(sources(3), size=32, batch=4).look(small_teacher(), floors=True)
    assert found == {"knn": 1, "knn_pixels": 1, "chance": pytest.approx(1 / 3), "pictures": 18, "classes": 3}
    assert Watch.of(sources(3), size=32, batch=4).look(small_teacher(), floors=False) == {"knn": 1}


def test_a_rare_class_is_not_outvoted_by_what_is_left_of_another():
    labels = torch.tensor([0] * 20 + [1] * 3)
    vectors = torch.tensor([[1.0, 0.0], [0.99, 0.1411]])[labels]  # cosine 0.99: 3 others weigh more than 2 of its own
    assert top1(vectors, labels) == 1


def test_labels_at_random_are_not():
    vectors = torch.randn(400, 8, generator=torch.Generator().manual_seed(0))
    assert top1(vectors, torch.arange(400) % 2) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("listed", [[], sources(1), [Source("a.png", disk_photo()[0])]])  # none, one class, no folder
def test_without_two_classes_there_is_no_score(listed):
    assert Watch.of(listed, size=32, batch=4).look(small_teacher(), floors=True) == {}


def test_a_network_that_gives_no_numbers_has_no_score():
    broken = small_teacher()
    broken.vit.norm.bias.fill_(torch.nan)
    assert Watch.of(sources(2), size=32, batch=4).look(broken, floors=True) == {}


def test_pictures_alone_in_their_class_are_left_out():
    chosen = Watch.of([*sources(2), Source("alone/1.png", disk_photo()[0])], size=32, batch=4)
    assert len(chosen.labelled) == 12
    assert set(chosen.labels) == {0, 1}


def test_the_choice_is_bounded_even_and_the_same_every_time():
    assert spaced(range(10), 5) == [1, 3, 5, 7, 9]
    assert spaced(range(3), 5) == [0, 1, 2]
    assert spaced([], 5) == []


def test_a_strip_shows_photographs_and_what_is_looked_at(monkeypatch):
    monkeypatch.setattr(watch, "SHOWN", 3)
    broken = Source("2.png", b"no image")
    listed = [Source("0.png", disk_photo(60, 60)[0]), Source("1.png", disk_photo(60, 80, seed=1)[0]), broken]
    picture, peak = Watch.of(listed, size=32, batch=4).strip(small_teacher())
    strip = np.array(picture)
    assert peak > 1
    assert strip.shape == (2 * TILE, 3 * TILE, 3)
    shown = PIL.Image.fromarray(strip[:TILE, :TILE])
    assert np.array(shown)[TILE // 2, TILE // 2, 0] > 150  # the disk is red
    assert strip[TILE:, : 2 * TILE].std() > 5  # attention differs from place to place
    assert (strip[:, 2 * TILE :] == 255).all()  # the broken one's place stays white


def test_maps_of_a_network_that_looks_everywhere_alike_show_what_little_there_is(monkeypatch):
    even = small_teacher()
    for block in even.vit.blocks:
        block.attn.qkv.weight.mul_(0.02)
    picture, peak = Watch.of([Source("0.png", disk_photo(60, 60)[0])], size=32, batch=4).strip(even)
    tile = np.array(picture)[TILE:]
    assert 1 < peak < 1.1
    assert tile.reshape(-1, 3).std(axis=0).max() > 40  # not one colour


def test_a_network_without_numbers_has_no_map():
    broken = small_teacher()
    broken.vit.blocks[0].norm1.bias.fill_(torch.nan)
    picture, peak = Watch.of([Source("0.png", disk_photo(60, 60)[0])], size=32, batch=4).strip(broken)
    assert (np.array(picture)[TILE:] == 255).all()
    assert np.isnan(peak)
