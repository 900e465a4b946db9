"""Exported networks: equal to torch's, complete in one file, and run without torch."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dinoseg.backbone import processor, runtime
from dinoseg.backbone.features import FACETS
from dinoseg.backbone.graph_export import export_graph, save_graph
from dinoseg.backbone.names import builtin_file, builtin_graph
from dinoseg.cli import run
from dinoseg.errors import CorruptWeights, DeviceError, OptionError, WeightsMismatch, WeightsNotFound
from dinoseg.exporting import export
from dinoseg.files import sha256
from dinoseg.options import ModelOptions
from dinoseg.pipeline import Segmenter
from tests.helpers import write_images
from tests.networks import save_teacher, small_teacher

pytest.importorskip("openvino")
onnx = pytest.importorskip("onnx")
from dinoseg.backbone.graph import Graph, graph_facts  # noqa: E402

GRIDS = [(1, 1), (2, 3), (3, 2), (5, 5), (7, 4), (4, 9), (12, 16), (28, 28), (9, 1), (20, 11)]


@pytest.fixture
def float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the processor has."""
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")


def saved(path: Path, family: str = "dinov2", **what: object) -> Path:
    save_graph(export_graph(small_teacher(family), **what), path)
    return path


@pytest.mark.parametrize("family", ["dino", "dinov2", "dinov2-registers", "dinov3"])
def test_an_exported_network_is_the_network(family: str, tmp_path: Path, float32: None) -> None:
    backbone = small_teacher(family)
    graph = Graph(saved(tmp_path / "small.onnx", family))
    assert graph.spec == backbone.spec
    draw = np.random.default_rng(0)
    for index, grid in enumerate(GRIDS):
        height, width = (length * 8 - index % 3 for length in grid)  # some are padded
        pixels = [draw.integers(0, 256, (height, width, 3), np.uint8) for _ in range((1, 4)[index % 2])]
        ours, torchs = (network.encode(pixels, grid, FACETS) for network in (graph, backbone))
        np.testing.assert_allclose(ours.attention, torchs.attention, atol=1e-5)
        for name in FACETS:
            scale = float(torchs.facets[name].abs().max())
            np.testing.assert_allclose(ours.facets[name], torchs.facets[name], atol=1e-3 * scale)


def test_any_batch_in_one_pass_and_any_layer(tmp_path: Path, float32: None) -> None:
    backbone = small_teacher()
    graph = Graph(saved(tmp_path / "small.onnx", facets=("key",), layers=(1, 2)))
    assert (graph.facets, graph.layers) == (("key",), (1,))  # the last is there anyway
    pixels = np.random.default_rng(1).integers(0, 256, (24, 40, 3), np.uint8)
    ours = graph.encode_one(pixels, (3, 5), (), layer=1)
    query, key = backbone.attention_inputs(backbone.prepare(pixels, (3, 5)), 1)
    row = (query[:, :, :1] @ key.mT * query.shape[-1] ** -0.5).softmax(dim=-1)[0, :, 0, 1:]
    np.testing.assert_allclose(ours.attention[0].reshape(2, -1), row, atol=1e-5)
    images = np.concatenate([graph.prepare(pixels, (3, 5)), graph.prepare(pixels[::-1], (3, 5))])
    with graph.request() as request:
        request.infer({"images": images, **graph.positions((3, 5))})
        together = request.get_tensor(graph.outputs["attention"]).data.copy()
    np.testing.assert_allclose(together, graph.encode([pixels, pixels[::-1]], (3, 5), ()).attention, atol=1e-6)
    with pytest.raises(OptionError, match="exported without token"):
        graph.encode([pixels], (3, 5), ("token",))
    with pytest.raises(OptionError, match=r"--layers 3 is out of range: small has 1\.\.2"):
        export_graph(backbone, layers=(3,))


def test_files_that_are_no_export(tmp_path: Path) -> None:
    path = saved(tmp_path / "small.onnx")
    whole = path.read_bytes()
    foreign = onnx.load_from_string(whole)
    del foreign.metadata_props[:]
    path.write_bytes(foreign.SerializeToString())
    with pytest.raises(WeightsMismatch, match="not made by `dinoseg export`"):
        Graph(path)
    foreign.metadata_props.add(key="dinoseg", value='{"spec": {"name": "later"}}')
    path.write_bytes(foreign.SerializeToString())
    with pytest.raises(WeightsMismatch, match="another version of dinoseg"):
        Graph(path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises((CorruptWeights, WeightsMismatch), match=r"small\.onnx"):
        Graph(path)
    path.write_bytes(b"no graph")
    with pytest.raises(CorruptWeights, match="no whole ONNX file"):
        Graph(path)


def test_nothing_of_the_exporting_machine_is_in_a_file(tmp_path: Path) -> None:
    content = saved(tmp_path / "small.onnx").read_bytes()
    assert b".py" not in content
    assert content == saved(tmp_path / "again.onnx").read_bytes()


def test_the_built_in_graph_is_of_the_built_in_weights() -> None:
    facts = graph_facts(builtin_graph())
    assert facts["spec"]["sha256"] == sha256(builtin_file())
    assert facts["int8"]
    assert set(facts["facets"]) == set(FACETS)
    assert builtin_graph().stat().st_size < 14 * 2**20


def test_masks_do_not_hang_on_order_threads_or_company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = list(map(str, write_images(tmp_path / "photos", 5, height=40, width=56)))
    found = {}
    for threads, order in ((1, 1), (3, -1)):
        monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
        runtime_graph = Graph(builtin_graph())
        assert runtime_graph.parallel <= threads
        segmenter = Segmenter.of(Segmenter(runtime="openvino").options, runtime_graph)
        for path, result in zip(paths[::order], segmenter.stream(paths[::order]), strict=True):
            softs = [] if not result.instances else [each.soft.tobytes() for each in result.instances]
            found.setdefault(path, []).append((softs, result.attention.tobytes()))
    assert all(first == second for first, second in found.values())


WITHOUT = """
import sys, dinoseg
from dinoseg.cli import run
assert run(["segment", "photos", "-o", "out", "--runtime", "openvino"]) == 0
dinoseg.segment("photos/photo_000.jpg", runtime="openvino")
assert run(["segment", "photos", "-o", "head", "--method", "head", "--runtime", "openvino"]) == 0
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_a_photograph_is_segmented_without_torch(tmp_path: Path) -> None:
    write_images(tmp_path / "photos", 2, height=40, width=56)
    done = subprocess.run([sys.executable, "-c", WITHOUT], cwd=tmp_path, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"torch", "torchvision", "timm", "matplotlib", "sklearn", "pandas", "onnx", "nncf"}, loaded


@pytest.mark.parametrize(
    ("flags", "cap", "best"),
    [
        ("avx2 avx512f avx512_vnni amx_bf16", "", "bf16"),
        ("avx2 avx512f avx512_vnni amx_bf16", "AVX512_CORE_BF16", "f32"),
        ("avx2 avx512f avx512_vnni amx_bf16", "AVX2", None),
        ("avx2 avx_vnni", "", "f32"),
        ("avx2 avx512f", "", "f32"),
        ("avx2", "", None),
        ("", "", None),
    ],
)
def test_what_the_processor_has(flags: str, cap: str, best: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "flags", lambda: frozenset(flags.split()))
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", cap)
    assert processor.precision() == best


def test_auto_takes_what_is_fast_and_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ModelOptions()
    monkeypatch.setattr(runtime, "gpu", lambda: False)
    monkeypatch.setattr(runtime, "precision", lambda: "f32")
    assert runtime.graph_of(options) == builtin_graph()
    assert runtime.graph_of(replace(options, model=str(saved(tmp_path / "small.onnx")))) == tmp_path / "small.onnx"
    for other in ({"device": "cuda"}, {"heads": 6}, {"model": "dinov2-small"}, {"runtime": "torch"}):
        assert runtime.graph_of(replace(options, **other)) is None
    for name, answer in (("gpu", True), ("precision", None), ("installed", False)):
        with monkeypatch.context() as patch:
            patch.setattr(runtime, name, lambda answer=answer: answer)
            assert runtime.graph_of(options) is None


def test_a_package_without_its_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "builtin_graph", lambda: tmp_path / "model.onnx")
    assert runtime.graph_of(ModelOptions()) is None
    with pytest.raises(WeightsNotFound, match="install dinoseg again"):
        runtime.graph_of(ModelOptions(runtime="openvino"))


def test_what_openvino_cannot_do_is_refused(tmp_path: Path) -> None:
    save_teacher(tmp_path / "small.safetensors")
    weights, path = str(tmp_path / "small.safetensors"), str(saved(tmp_path / "small.onnx"))
    with pytest.raises(OptionError, match=r"is not exported; `dinoseg export"):
        Segmenter(model=weights, runtime="openvino")
    with pytest.raises(OptionError, match="name its weights"):
        Segmenter(model=path, runtime="torch")
    with pytest.raises(OptionError, match="says it itself"):
        Segmenter(model=path, heads=2)
    with pytest.raises(DeviceError, match="runs on the CPU"):
        Segmenter(model=path, device="cuda")


def test_results_of_two_runtimes_are_not_mixed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_images(tmp_path / "photos", 2, height=40, width=56)
    line = ["segment", str(tmp_path / "photos"), "-o", str(tmp_path / "out"), "--runtime"]
    assert run([*line, "openvino"]) == 0
    assert run([*line, "torch"]) == 2
    assert 'runtime: there "openvino int8' in capsys.readouterr().err


DEAF = """
import socket, sys
def refuse(*_, **__):
    raise AssertionError("a socket was opened")
socket.socket.connect = socket.socket.connect_ex = socket.create_connection = socket.getaddrinfo = refuse
from dinoseg.cli import run
assert run(["export", "small.safetensors", "-o", "small.onnx", "--int8", "photos"]) == 0
assert run(["segment", "photos", "-o", "out", "--model", "small.onnx"]) == 3
"""


@pytest.mark.slow
def test_integers_are_made_and_run_without_a_network(tmp_path: Path) -> None:
    pytest.importorskip("nncf")
    pytest.importorskip("onnxruntime")
    save_teacher(tmp_path / "small.safetensors")
    write_images(tmp_path / "photos", 9, height=64, width=96)
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"no picture")
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    code = DEAF.replace('"out",', '"out", "--size", "64",')
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert graph_facts(tmp_path / "small.onnx")["int8"]


def test_export_refuses_what_it_cannot_do(tmp_path: Path) -> None:
    save_teacher(tmp_path / "small.safetensors")
    photos = tmp_path / "photos"
    write_images(photos, 3, height=64, width=96)
    model = str(tmp_path / "small.safetensors")
    with pytest.raises(OptionError, match=r"ends with \.onnx"):
        export(model, output=tmp_path / "small.pt")
    with pytest.raises(OptionError, match="3 photographs could be read, and 8 or more are needed"):
        export(model, output=tmp_path / "small.onnx", int8=(str(photos),))
    assert not (tmp_path / "small.onnx").exists()
    report = export(model, output=tmp_path / "small.onnx", facets=("token",))
    assert (report.photographs, report.failed) == (0, ())
    with pytest.raises(OptionError, match="is an exported network already"):
        export(str(tmp_path / "small.onnx"), output=tmp_path / "twice.onnx")
