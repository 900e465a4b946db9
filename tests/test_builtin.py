"""The model that ships: small, whole, as its card says, and inside the wheel."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

import dinoseg
from dinoseg.backbone.names import builtin_file
from dinoseg.backbone.zoo import load
from dinoseg.cli.samples import SAMPLES
from dinoseg.files import sha256

ROOT = Path(dinoseg.__file__).parents[1]


def sample(name: str) -> bytes:
    return next(sample for sample in SAMPLES if sample.name == name).file().read_bytes()


def test_it_is_what_the_card_says():
    assert builtin_file().stat().st_size <= 16 * 2**20
    spec = load("builtin", offline=True).spec
    assert (spec.patch, spec.hidden, spec.heads, spec.depth, spec.width, spec.registers) == (10, 384, 6, 12, 384, 0)
    card = builtin_file().with_name("CARD.md").read_text(encoding="utf-8")
    with safe_open(builtin_file(), "pt") as file:
        assert file.metadata()["teacher_sha256"][:12] in card


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [  # y, x as shares of the height and width
        ("flower.jpg", (0.52, 0.5), (0.1, 0.1)),
        ("china.jpg", (0.55, 0.35), (0.2, 0.8)),
        ("coffee.png", (0.4, 0.5), (0.95, 0.05)),
    ],
)
def test_it_finds_what_everybody_sees(name, inside, outside):
    mask = dinoseg.segment(sample(name), device="cpu").mask
    at = lambda point: mask[int(point[0] * mask.shape[0]), int(point[1] * mask.shape[1])]  # noqa: E731
    assert at(inside)
    assert not at(outside)
    assert 0.05 < mask.mean() < 0.6


def test_its_attention_is_not_that_of_random_weights():
    heads = dinoseg.attend(sample("flower.jpg"), device="cpu").heads
    share = heads.reshape(len(heads), -1) / heads.sum(axis=(1, 2))[:, None]
    entropy = -(share * np.log(share)).sum(axis=1) / np.log(share.shape[1])
    assert entropy.min() < 0.93  # some head is concentrated


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / "pyproject.toml").exists(), reason="needs the source tree")
def test_the_wheel_carries_it_and_works_elsewhere(tmp_path):
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "-q",
        str(ROOT),
        "-w",
        str(tmp_path),
    ]
    subprocess.run(build, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    inside = {path.relative_to(tmp_path / "site").as_posix() for path in (tmp_path / "site").rglob("*")}
    assert {f"dinoseg/builtin/{name}" for name in ("model.safetensors", "head.safetensors", "CARD.md", "LICENSE")} | {
        "dinoseg/py.typed"
    } <= inside
    assert not {path for path in inside if path.startswith(("tests", "benchmarks", "notebooks"))}

    code = "import dinoseg; print(dinoseg.__file__, dinoseg.load('builtin').spec.sha256)"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    file, digest = done.stdout.split()
    assert Path(file).is_relative_to(tmp_path)
    assert digest == sha256(builtin_file())
