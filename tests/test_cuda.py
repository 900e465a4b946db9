"""A GPU gives what a CPU gives: networks, methods, views, training, compression. Skipped where there is none."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dinoseg.backbone.features import FACETS
from dinoseg.backbone.weights import load_file
from dinoseg.backbone.zoo import load
from dinoseg.compression import run_compression
from dinoseg.heads import train_head
from dinoseg.options import CompressOptions
from dinoseg.pipeline import Segmenter
from dinoseg.segmentation import Segmentation
from dinoseg.training.cache import DeviceCache, PhotoCache
from dinoseg.training.learner import Batch
from dinoseg.training.loop import run_training
from dinoseg.training.recipe import DINO
from dinoseg.training.schedules import Settings
from dinoseg.training.views import draw_views, multi_crop
from tests.helpers import disk_photo, write_images
from tests.networks import save_teacher
from tests.training.test_loop import STEPS, learned, metrics, run_until
from tests.training.tiny import options, small_head

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
CUDA, CPU = torch.device("cuda"), torch.device("cpu")
METHODS = (
    *("attention", "attention-cut", "kmeans", "tokencut", "maskcut"),
    *("spectral", "lost", "dino-seg", "found", "head"),
)
SAMPLES = ("astronaut.png", "coffee.png", "rocket.jpg")
SETTINGS = Settings(lr=0.01, weight_decay=0.1, momentum=0.9, teacher_temp=0.04, frozen=False)


@pytest.fixture(autouse=True)
def _whole_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Convolutions are otherwise made of products with 10 bits of mantissa."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


@pytest.fixture(scope="module")
def photos() -> list[np.ndarray]:
    """Two of one shape, which share a batch, and real ones."""
    real = [Image.open(files("skimage.data").joinpath(name).open("rb")).convert("RGB") for name in SAMPLES]
    return [disk_photo(seed=0)[0], disk_photo(centre=(40, 110), seed=1)[0], *map(np.array, real)]


@pytest.fixture
def folder(tmp_path: Path) -> list[Path]:
    """Ten small photographs: two steps an epoch."""
    write_images(tmp_path / "photos", 10, height=24, width=32)
    return [tmp_path / "photos"]


@pytest.mark.parametrize("method", METHODS)
def test_masks_are_those_of_the_cpu(method, photos):
    ours, theirs = (list(Segmenter(method=method, device=device.type).stream(photos)) for device in (CUDA, CPU))
    for one, other in zip(ours, theirs, strict=True):
        assert isinstance(one, Segmentation)
        assert isinstance(other, Segmentation)
        assert len(one.instances) == len(other.instances)
        assert one.reason == other.reason
        assert one.presence == pytest.approx(other.presence, abs=1e-3)
        if other.instances:
            assert (one.mask & other.mask).sum() / (one.mask | other.mask).sum() >= 0.99


def test_features_are_those_of_the_cpu():
    images = torch.randn(2, 3, 160, 200, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        ours, theirs = (load("builtin").to(device)(images.to(device), FACETS, True) for device in (CUDA, CPU))
    assert ours.attention.device.type == "cuda"
    pairs = [(ours.attention, theirs.attention), (ours.cls, theirs.cls)]
    pairs += [(ours.facets[name], theirs.facets[name]) for name in FACETS]
    for one, other in pairs:
        assert (one.cpu() - other).abs().max() <= 1e-4 * other.abs().max()


@pytest.mark.parametrize("size", [(90, 130), (200, 150)])
def test_views_are_those_of_the_cpu(size):
    pixels = torch.stack([torch.from_numpy(disk_photo(*size, seed=seed)[0]).permute(2, 0, 1) for seed in range(6)])
    asked = options(global_size=96, local_size=48, local_crops=4)
    drawn = draw_views(torch.tensor([size] * 6), asked, torch.Generator().manual_seed(0))
    ours, theirs = (multi_crop(pixels.to(device), drawn, asked) for device in (CUDA, CPU))
    for one, other in zip(ours, theirs, strict=True):
        levels = 255 * (one.cpu() - other).abs()
        assert levels.mean() < 0.5  # the CPU rounds each crop to grey levels
        assert (levels > 3).float().mean() < 0.01  # where Pillow's hue of 8 bits takes another step


def test_batches_are_those_of_memory():
    photos = [torch.from_numpy(disk_photo(*size)[0]).permute(2, 0, 1) for size in ((20, 30), (40, 16), (8, 8))]
    cache, indices = PhotoCache(["a", "b", "c"], photos), torch.tensor([2, 0])
    assert torch.equal(DeviceCache(cache, CUDA).batch(indices).cpu(), cache.batch(indices))


def test_a_step_is_in_bfloat16_and_waits_for_nothing(monkeypatch):
    small_head(monkeypatch)
    learner = DINO(options(device="cuda"), CUDA)
    photos = DeviceCache(PhotoCache([*"abcd"], [torch.randint(256, (3, 24, 32)).byte() for _ in "abcd"]), CUDA)
    dtypes = set()
    learner.student.backbone.vit.blocks[0].mlp.register_forward_hook(lambda _, __, out: dtypes.add(out.dtype))

    def step(seed: int) -> float:
        indices = torch.arange(4)
        batch = Batch(photos.batch(indices), photos.sizes, indices, 0, slice(4))
        shown = learner.step(SETTINGS, *learner.prepare(batch, torch.Generator().manual_seed(seed)))
        torch.cuda.set_sync_debug_mode("default")
        return shown.loss

    step(0)  # states are made
    torch.cuda.set_sync_debug_mode("error")
    try:
        assert np.isfinite(step(1))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert dtypes == {torch.bfloat16}
    assert {p.dtype for p in learner.student.parameters()} == {torch.float32}


@pytest.mark.parametrize("cache", ["device", "memory", "disk"])
def test_a_run_ends_as_on_the_cpu(cache, folder, tmp_path, monkeypatch):
    small_head(monkeypatch)
    asked = {"drop_path": 0.0, "watch_every": 1}  # another generator would drop other paths
    run_training(folder, options(tmp_path / "cpu", **asked))
    report = run_training(folder, options(tmp_path / "cuda", device="cuda", cache=cache, amp="off", **asked))
    assert report.steps == STEPS
    assert load_file(report.model).spec.width == 12
    assert (tmp_path / "cuda" / "report.html").exists()
    losses = [[line["loss"] for line in metrics(tmp_path / name)] for name in ("cuda", "cpu")]
    assert losses[0] == pytest.approx(losses[1], rel=0.01)


@pytest.mark.parametrize(("before", "after"), [("cuda", "cuda"), ("cuda", "cpu"), ("cpu", "cuda")])
def test_a_run_is_resumed_on_any_device(before, after, folder, tmp_path, monkeypatch):
    small_head(monkeypatch)
    run_until(3, folder, options(tmp_path / "run", device=before, save_every=1), monkeypatch)
    run_training(folder, options(tmp_path / "run", device=after, save_every=1, resume=True))
    assert [line["step"] for line in metrics(tmp_path / "run")] == list(range(STEPS))
    assert all(tensor.isfinite().all() for tensor in learned(tmp_path / "run").values())


@pytest.mark.parametrize("teacher_cache", [0.0, 0.01])
def test_distillation_runs(teacher_cache, folder, tmp_path):
    save_teacher(tmp_path / "teacher.safetensors")
    asked = {"width": 24, "global_size": 32, "distil_from": str(tmp_path / "teacher.safetensors"), "lr": 0.1}
    run_training(folder, options(tmp_path / "run", device="cuda", teacher_cache=teacher_cache, **asked))
    losses = [line["loss"] for line in metrics(tmp_path / "run")]
    assert np.isfinite(losses).all()
    assert len(losses) == STEPS


def test_compression_runs(tmp_path):
    save_teacher(tmp_path / "teacher.safetensors")
    write_images(tmp_path / "photos", 24)
    asked = {"patch": 6, "neurons": 24, "calibration_crops": 48, "heal_crops": 24, "batch": 8, "grid": 4}
    output = tmp_path / "student.safetensors"
    asked = CompressOptions(output=output, device="cuda", **asked)
    report = run_compression(str(tmp_path / "teacher.safetensors"), [tmp_path / "photos"], asked)
    assert load_file(output).spec.hidden == 24
    assert 0 < report.cosine_pruned <= 1
    assert abs(report.cosine_stored - report.cosine_healed) < 0.02
    curve = output.with_name(output.name + ".work") / "heal-object.jsonl"
    assert json.loads(curve.read_text().splitlines()[-1])["crops"]


def test_a_head_is_trained_and_used(tmp_path, photos):
    write_images(tmp_path / "photos", 12)
    train_head(tmp_path / "photos", output=tmp_path / "head.safetensors", device="cuda", epochs=2)
    segment = Segmenter(method="head", param=[f"weights={tmp_path / 'head.safetensors'}"], device="cuda")
    assert all(isinstance(result, Segmentation) for result in segment.stream(photos[:2]))
