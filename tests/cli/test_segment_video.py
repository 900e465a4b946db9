"""`segment` on a video, with a small random network: results, exit codes, second runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from dinoseg.backbone.export import save_backbone
from dinoseg.cli import run
from tests.images.test_video import write_video
from tests.networks import small_teacher


def test_a_video_is_one_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = write_video(tmp_path / "clip.avi", 4)
    model = tmp_path / "small.safetensors"
    save_backbone(small_teacher(), model, store="float32")
    line = [
        "segment",
        str(clip),
        "-o",
        str(tmp_path / "out"),
        "--method",
        "kmeans",
        "--model",
        str(model),
        "--size",
        "96",
    ]
    assert run([*line, "--formats", "labels", "--reach", "2"]) == 0
    out, err = capsys.readouterr()
    assert err.startswith("4 done; ")
    assert [row.split()[0] for row in out.splitlines()] == ["labels", "manifest"]
    assert len(list((tmp_path / "out" / "labels").iterdir())) == 4
    assert run([*line, "--formats", "labels", "--reach", "2"]) == 0
    assert capsys.readouterr().err.startswith("4 done before; ")
    assert run([*line, str(clip)]) == 2
    assert "a video is a run of its own" in capsys.readouterr().err
