"""Which photographs there are, and that it is one to a step where they wait."""

from pathlib import Path

import pytest
import torch

from dinoseg.errors import TrainingError
from dinoseg.training import feeds
from dinoseg.training.cache import DeviceCache, PhotoCache, Photographs
from dinoseg.training.feeds import choose, estimate, free_memory, open_photographs
from dinoseg.training.stream import PhotoStream
from dinoseg.training.team import Team
from tests.helpers import broken_images, write_images
from tests.training.tiny import options

CPU, ALONE = torch.device("cpu"), Team()


def opened(folder: Path, *images: Path, **changes: object) -> Photographs:
    return open_photographs(images or [folder], options(folder / "run", **changes), 24, CPU, ALONE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Twenty photographs, some in a nested folder, and a broken one."""
    folder = tmp_path_factory.mktemp("photos")
    write_images(folder, 12)
    write_images(folder / "more" / "still", 8, height=60, width=44)
    (folder / "photo_005x.jpg").write_bytes(broken_images()["half.jpg"])
    return folder


@pytest.mark.parametrize(("cache", "kind"), [("device", DeviceCache), ("memory", PhotoCache), ("disk", PhotoStream)])
def test_all_feeds_give_the_same_photographs_bit_for_bit(cache, kind, folder):
    reference, photographs = opened(folder, cache="memory"), opened(folder, cache=cache)
    assert type(photographs) is kind
    assert photographs.digest == reference.digest
    steps = range(3, 9)
    chosen = [torch.randperm(20, generator=torch.Generator().manual_seed(step))[:6] for step in range(9)]
    pairs = [feed.batches(steps, chosen.__getitem__) for feed in (photographs, reference)]
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(*pairs, strict=True))


@pytest.mark.parametrize("cache", ["memory", "disk"])
def test_f83_broken_photographs_are_left_out_and_listed(cache, folder):
    photographs = opened(folder, cache=cache)
    nested = [f"more/still/photo_{index:03d}.jpg" for index in range(8)]
    assert photographs.ids == [*nested, *(f"photo_{index:03d}.jpg" for index in range(12))]
    assert [(failure.id, failure.reason) for failure in photographs.failed] == [("photo_005x.jpg", "truncated")]


@pytest.mark.parametrize("cache", ["memory", "disk"])
def test_f83_too_many_broken_photographs_abort(cache, folder):
    with pytest.raises(TrainingError, match=r"1 of 21 photographs .*photo_005x.jpg: truncated.*--max-broken 0.04"):
        opened(folder, cache=cache, max_broken=0.04)


def test_photographs_may_be_named_by_a_list_or_a_glob(folder):
    (folder / "list.txt").write_text("photo_003.jpg\nmore/still/photo_001.jpg\n")
    listed = open_photographs([], options(from_file=folder / "list.txt"), 24, CPU, ALONE)
    assert listed.ids == ["photo_003.jpg", "more/still/photo_001.jpg"]
    assert len(opened(folder, folder / "**" / "photo_00[12].jpg")) == 4


def test_what_the_run_writes_is_not_learned(tmp_path):
    write_images(tmp_path, 3)
    write_images(tmp_path / "run", 3)
    assert len(opened(tmp_path)) == 3


@pytest.mark.parametrize(("free", "kind"), [(1e9, PhotoCache), (1e3, PhotoStream)])
def test_auto_goes_by_what_is_free(free, kind, folder, monkeypatch):
    monkeypatch.setattr(feeds, "free_memory", lambda: free)
    assert type(opened(folder, cache="auto")) is kind


def test_the_size_of_all_is_estimated_from_some(folder, monkeypatch):
    listing = list(feeds.find([folder]))
    truth = opened(folder, cache="memory").nbytes
    assert estimate(listing, 24) == pytest.approx(truth, rel=0.1)
    monkeypatch.setattr(feeds, "SAMPLE", 5)
    assert estimate(listing, 24) == pytest.approx(truth, rel=0.3)
    assert estimate([], 24) == 0


@pytest.mark.parametrize(
    ("gpu", "neighbours", "expected"),
    [
        (200, 1, "device"),
        (199, 1, "memory"),  # not half of the GPU's
        (199, 3, "memory"),  # three processes hold it three times
        (199, 4, "disk"),
        (None, 1, "memory"),  # no GPU: memory is the device's
    ],
)
def test_the_nearest_place_that_half_of_is_enough(gpu, neighbours, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (gpu, 1000))
    monkeypatch.setattr(feeds, "free_memory", lambda: 600)
    assert choose(100, torch.device("cpu" if gpu is None else "cuda"), neighbours) == expected


@pytest.mark.parametrize(("limit", "expected"), [("max\n", 3072), ("2000\n", 1500), ("9000\n", 3072), (None, 3072)])
def test_free_memory_is_the_machines_or_the_containers(limit, expected, tmp_path, monkeypatch):
    (tmp_path / "meminfo").write_text("MemTotal:    9 kB\nMemAvailable:    3 kB\n")
    if limit is not None:
        (tmp_path / "memory.max").write_text(limit)
        (tmp_path / "memory.current").write_text("500\n")
    monkeypatch.setattr(feeds, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(feeds, "CGROUP", tmp_path)
    assert free_memory() == expected
    monkeypatch.setattr(feeds, "MEMINFO", tmp_path / "not there")
    monkeypatch.setattr(feeds, "CGROUP", tmp_path / "not there")
    assert free_memory() == float("inf")
