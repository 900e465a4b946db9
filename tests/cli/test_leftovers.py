"""A command that is refused (exit 2) leaves nothing behind, whatever the reason and wherever it is seen."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dinoseg.cli import run
from tests.evaluation.sets import write_pairs
from tests.helpers import write_images
from tests.networks import save_teacher, small_teacher

NO_MODEL, BROKEN, LEARNED = "no-such-model", "broken.safetensors", "small.safetensors"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with photographs, a data set, a network, a file that is none, and classes."""
    write_images(tmp_path / "photos", 24, height=24, width=32)
    write_images(tmp_path / "classes" / "a", 3, height=24, width=32)
    write_images(tmp_path / "classes" / "b", 3, height=24, width=32)
    write_pairs(tmp_path / "data")
    save_teacher(tmp_path / LEARNED)
    (tmp_path / BROKEN).write_bytes(b"\x08" + bytes(40))
    torch.save(small_teacher().vit.state_dict(), tmp_path / "other.pth")
    monkeypatch.chdir(tmp_path)
    return tmp_path


VERBS = {
    "segment": "segment photos -o out --size 64 --model MODEL",
    "segment --video": "segment photos -o out --size 64 --video --model MODEL",
    "attend": "attend photos -o out --size 64 --model MODEL",
    "attend --like": "attend photos -o out --size 64 --like 3 3 --model MODEL",
    "match": "match photos/photo_000.jpg photos/photo_001.jpg -o out.png --size 64 --model MODEL",
    "features": "features photos -o out --size 64 --model MODEL",
    "track": "track photos -o out --size 64 --model MODEL",
    "group": "group photos -o out --size 64 --model MODEL",
    "train": "train photos -o out --epochs 1 --batch 4 --global-size 16 --local-size 8 --init MODEL",
    "distil": "train photos -o out --epochs 1 --batch 4 --patch 8 --global-size 16 --local-size 8 --distil-from MODEL",
    "compress": "compress MODEL photos -o out.safetensors --heal-crops 0",
    "train-head": "train-head photos -o out.safetensors --size 64 --model MODEL",
    "foreground": "evaluate foreground data -o out --size 64 --model MODEL",
    "knn": "evaluate knn classes -o out --size 64 --model MODEL",
}


@pytest.mark.parametrize("model", [NO_MODEL, BROKEN])
@pytest.mark.parametrize("verb", VERBS)
def test_weights_that_cannot_be_used(place: Path, verb: str, model: str) -> None:
    refused(place, VERBS[verb].replace("MODEL", model))


@pytest.mark.parametrize(
    "line",
    [
        "segment photos -o out --method tokencut --param tau=7 --model small.safetensors",
        "segment photos -o out --method prior --min-presence 0.5",
        "segment photos -o out --formats masks mask",
        "segment photos -o out --background no-such-colour",
        "segment photos -o out --method prior --formats descriptors",
        "segment nothing-here -o out",
        "attend photos -o out --layer 99 --model small.safetensors",
        "attend photos -o out --like 3 3 --layer 1",
        "attend photos -o out --in photos",
        "attend photos -o out --like 3 3 --in photos --model small.safetensors",
        "attend photos/photo_000.jpg -o out --like 3 3 --in nothing-here --model small.safetensors",
        "match photos/photo_000.jpg photos/photo_001.jpg -o out.jpg",
        "match photos/photo_000.jpg nothing-here -o out.png",
        "match photos photos/photo_001.jpg -o out.png",
        "match photos/photo_000.jpg photos/photo_001.jpg -o photos/photo_002.png --method prior",
        "match photos/photo_000.jpg photos/photo_001.jpg -o out.png --method tokencut --param tau=7",
        "features photos -o out --formats patch",
        "features photos -o out --layer 99 --model small.safetensors",
        "features photos -o out --runtime openvino",
        "features nothing-here -o out",
        "track photos -o out --mask nothing.png",
        "group photos -o out --method prior",
        "train photos -o out --epochs 1 --batch 64",
        "train photos -o out --init small.safetensors --width 48",
        "train photos -o out --resume",
        "compress small.safetensors photos -o out.safetensors --neurons 100000",
        "compress small.safetensors classes -o out.safetensors",
        "compress small.safetensors photos -o out.safetensors --resume --overwrite",
        "train-head photos -o out.safetensors --labels classes",
        "evaluate foreground photos -o out",
        "evaluate foreground data -o out --predictions classes --method tokencut",
        "evaluate ap data -o out --smooth 2",
        "evaluate knn classes -o out --shots 99 --model small.safetensors",
        "evaluate copies classes -o out --model small.safetensors",
        "compare data classes",
        "samples photos/photo_000.jpg",
    ],
)
def test_wrong_use(place: Path, line: str) -> None:
    refused(place, line)


def refused(place: Path, line: str) -> None:
    before = everything(place)
    assert run([*line.split(), *(["--device", "cpu"] if "-o" in line else [])]) == 2
    assert everything(place) == before


def everything(place: Path) -> dict[str, bytes]:
    """All that lies in a folder, links and hidden files too."""
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in place.rglob("*")}
