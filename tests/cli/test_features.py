"""`features` on a small random network: arrays, Parquet, pictures, videos, second runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from dinoseg.cli import run
from tests.extraction.test_photographs import write_video
from tests.helpers import write_images
from tests.networks import save_teacher

ALL = ("--formats", "patches", "embedding", "parquet", "pca")


@pytest.fixture
def features(tmp_path: Path):
    """The command on two photographs and a video of two frames, with more arguments."""
    save_teacher(tmp_path / "small.safetensors")
    write_images(tmp_path / "photos" / "sub", 2)
    write_video(tmp_path / "clip.mp4", 2)
    inputs = [str(tmp_path / "photos"), str(tmp_path / "clip.mp4")]
    network = ["--model", str(tmp_path / "small.safetensors"), "--size", "64", "--device", "cpu"]

    def call(*arguments: str) -> int:
        return run(["features", *inputs, "-o", str(tmp_path / "out"), *network, *arguments])

    return call


def files(folder: Path) -> dict[str, int]:
    """Files of results and when they were written."""
    return {
        path.relative_to(folder).as_posix(): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and path.suffix in (".npy", ".png", ".parquet")
    }


IDS = ["clip.mp4/frame-000000", "clip.mp4/frame-000001", "photos/sub/photo_000.jpg", "photos/sub/photo_001.jpg"]


def test_arrays_of_photographs_and_frames(features, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert features() == 0
    out, err = capsys.readouterr()
    assert err.startswith("4 done; ")
    assert [line.split()[0] for line in out.splitlines()] == ["patches", "embedding"]
    folder = tmp_path / "out"
    assert sorted(files(folder)) == sorted(f"{kind}/{id_}.npy" for kind in ("patches", "embedding") for id_ in IDS)
    patches = np.load(folder / "patches" / f"{IDS[2]}.npy", allow_pickle=False)
    assert (patches.dtype, patches.shape) == (np.float16, (6, 8, 32))
    assert np.load(folder / "embedding" / f"{IDS[0]}.npy", allow_pickle=False).shape == (32,)
    lines = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == IDS
    assert {line["status"] for line in lines} == {"done"}


def test_a_second_run_does_what_is_missing(features, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert features(*ALL) == 0
    folder = tmp_path / "out"
    before = files(folder)
    (folder / "patches" / f"{IDS[1]}.npy").unlink()
    (folder / "pca" / f"{IDS[2]}.png").unlink()
    capsys.readouterr()
    assert features(*ALL) == 0
    assert "1 done, 3 done before" in capsys.readouterr().err
    after = files(folder)
    assert after.keys() == before.keys()
    same = {name for name in before if before[name] == after[name]}
    assert f"patches/{IDS[0]}.npy" in same
    assert f"pca/{IDS[0]}.png" in same  # the basis is what it was
    assert f"pca/{IDS[2]}.png" not in same
    assert features(*ALL, "--layer", "1") == 2
    assert "layer: there null, now 1" in capsys.readouterr().err
    assert features("--layer", "1", "--overwrite") == 0
    assert not (folder / "embeddings.parquet").exists()


def test_one_file_of_all_embeddings(features, tmp_path: Path) -> None:
    assert features(*ALL) == 0
    table = pq.read_table(tmp_path / "out" / "embeddings.parquet").to_pydict()
    assert list(table) == ["id", "vector", "model", "model_sha256", "sha256"]
    assert table["id"] == IDS
    for id_, vector in zip(IDS, table["vector"], strict=True):
        np.testing.assert_array_equal(np.float32(vector), np.load(tmp_path / "out" / "embedding" / f"{id_}.npy"))
    assert len(set(table["model_sha256"])) == 1
    assert len(table["model_sha256"][0]) == 64
    assert len(set(table["sha256"])) == 3  # both frames are of one file


def test_parquet_without_pyarrow_names_what_to_install(
    features, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("dinoseg.outputs.features.importlib.util.find_spec", lambda _: None)
    assert features("--formats", "parquet") == 2
    assert "pip install 'pyarrow" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_pictures_are_of_one_basis(features, tmp_path: Path) -> None:
    assert features("--formats", "pca", "--json") == 0
    with np.load(tmp_path / "out" / "pca.npz", allow_pickle=False) as arrays:
        assert arrays["components"].shape == (3, 32)
    for id_ in IDS:
        with Image.open(tmp_path / "out" / "pca" / f"{id_}.png") as picture:
            assert picture.size == (2 * 128 + 8, 96)


def test_pictures_are_drawn_anew_when_their_basis_changes(features, tmp_path: Path) -> None:
    assert features("--formats", "pca") == 0
    folder = tmp_path / "out"
    before, basis = files(folder / "pca"), (folder / "pca.npz").read_bytes()
    write_images(tmp_path / "photos" / "more", 1, height=60)
    assert features("--formats", "patches", "objects") == 0
    assert not (folder / "pca.npz").exists()  # the pictures are of another one
    assert files(folder / "pca") == before
    assert features("--formats", "pca") == 0
    after = files(folder / "pca")
    assert all(after[name] != before[name] for name in before)
    assert len(after) == 5
    assert (folder / "pca.npz").read_bytes() != basis


def test_a_run_that_is_stopped_while_it_draws_ends_as_an_undisturbed_one(
    features, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert features(*ALL) == 0
    folder = tmp_path / "out"
    undisturbed = {name: (folder / name).read_bytes() for name in files(folder)}
    assert features(*ALL[:-1], "--overwrite") == 0
    drawn: list[object] = []

    def stop_at_the_second(*arguments: object) -> Image.Image:
        drawn.append(arguments)
        if len(drawn) == 2:
            raise KeyboardInterrupt
        return Image.new("RGB", (1, 1))

    with monkeypatch.context() as patched:
        patched.setattr("dinoseg.draw.components.components_picture", stop_at_the_second)
        assert features(*ALL) == 130
    assert features(*ALL) == 0
    assert {name: (folder / name).read_bytes() for name in files(folder)} == undisturbed


def test_bad_files_cost_those_files_only(features, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "photos" / "bad.jpg").write_bytes(b"no image")
    (tmp_path / "clip.mp4").write_bytes(b"no video")
    assert features("--json") == 3
    summary = json.loads(capsys.readouterr().out)
    assert summary["done"] == 2
    failed = {failure["id"]: failure["reason"] for failure in summary["failed"]}
    assert failed == {"photos/bad.jpg": "not_an_image", "clip.mp4": "unreadable_video"}


def test_a_damaged_array_is_told(features, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert features("--formats", "embedding") == 0
    (tmp_path / "out" / "embedding" / f"{IDS[0]}.npy").write_bytes(b"no array")
    assert features("--formats", "parquet") == 4
    assert "its embedding cannot be read" in capsys.readouterr().err
    assert features("--formats", "parquet") == 0
    assert capsys.readouterr().err.startswith("1 done, 3 done before")
