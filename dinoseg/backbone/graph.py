"""An exported network (ONNX), run by OpenVINO on the CPU. No torch here: this is what starts in a second.

Each photograph is the work of one thread, whatever the number of threads and photographs: the bytes of a result depend
on neither. Photographs run beside each other, in as many threads as there are cores.
"""

from __future__ import annotations

import ctypes
import json
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dinoseg.backbone.features import Features, concat
from dinoseg.backbone.graph_cache import compiled
from dinoseg.backbone.positions import position_inputs
from dinoseg.backbone.processor import precision
from dinoseg.backbone.spec import RGB, BackboneSpec
from dinoseg.errors import CorruptWeights, OptionError, WeightsMismatch, first_line
from dinoseg.files import open_regular, sha256

if TYPE_CHECKING:
    from dinoseg.options import ModelOptions

KEY = "dinoseg"
"""Of the metadata that our exports carry."""
FORKED = Lock()
"""Held while a process that was forked opens a network again."""
METADATA, NAME, VALUE = 14, 1, 2
"""Fields of ONNX's ``ModelProto`` and ``StringStringEntryProto`` (onnx.proto3)."""


class Graph:
    """A ``Network`` that was exported. It never changes: threads may share it."""

    device = "cpu"

    def __init__(self, path: Path, positions: str | None = None) -> None:
        """``positions``: ``timm`` to resize a table of positions as timm does. Raises ``WeightsError``."""
        facts = graph_facts(path)
        try:
            spec = facts["spec"]
            self.spec = BackboneSpec(**{**spec, "mean": tuple(spec["mean"]), "std": tuple(spec["std"])})
        except (KeyError, TypeError) as error:
            raise WeightsMismatch(f"{path} is of another version of dinoseg ({error}): export it again.") from error
        if positions == "timm" and self.spec.positions != "rope":
            self.spec = replace(self.spec, positions="antialias")
        self.rope_temperature: float = facts["rope_temperature"]
        self.facets: tuple[str, ...] = tuple(facts["facets"])
        self.layers: tuple[int, ...] = tuple(facts["layers"])
        self.path = path
        self.parallel = threads()
        kind = self.open()
        self.runtime = f"openvino {'int8 ' if facts['int8'] else ''}{kind}"

    def open(self) -> str:
        """Compile it for this process and say in which precision; a process that was forked has to do it again."""
        self.compiled, kind = compile_graph(self.path, self.parallel)
        self.outputs = {name: output for output in self.compiled.outputs for name in output.names}
        self.requests: SimpleQueue[Any] = SimpleQueue()
        for _ in range(self.parallel):
            self.requests.put(self.compiled.create_infer_request())
        self.process = os.getpid()
        return kind

    @property
    def graph(self) -> str:
        """See ``Network``."""
        return sha256(self.path)

    def normalising(self, mean: RGB | None, std: RGB | None) -> Graph:
        """The same network with another mean and deviation of pixels, where they are given."""
        if mean is None and std is None:
            return self
        other = Graph.__new__(Graph)
        other.__dict__.update(self.__dict__)
        other.spec = replace(self.spec, mean=mean or self.spec.mean, std=std or self.spec.std)
        return other

    def encode(self, pixels: Sequence[NDArray[np.uint8]], grid: tuple[int, int], facets: Collection[str]) -> Features:
        """See ``Network``. Raises ``OptionError`` for a facet that was not exported."""
        return concat([self.encode_one(each, grid, facets) for each in pixels])

    def encode_one(
        self, pixels: NDArray[np.uint8], grid: tuple[int, int], facets: Collection[str], layer: int | None = None
    ) -> Features:
        """What it gives for one photograph ``(h, w, 3)``; ``layer``: whose CLS attention, of 1..depth."""
        absent = sorted(set(facets) - set(self.facets))
        if absent:
            raise OptionError(
                f"{self.spec.name} was exported without {', '.join(absent)}: export it anew, or use --runtime torch."
            )
        attention = "attention" if layer is None else f"attention_{layer}"
        inputs = {"images": self.prepare(pixels, grid), **self.positions(grid)}
        with self.request() as request:
            request.infer(inputs)  # what an array shares with the request is overwritten by its next photograph
            given = {name: request.get_tensor(self.outputs[name]).data.copy() for name in (attention, *facets, "cls")}
        cls = given.pop("cls")
        return Features(given.pop(attention), self.spec.family, self.spec.patch, given, cls)

    @contextmanager
    def request(self) -> Iterator[Any]:
        """One of the requests, for this thread alone."""
        if self.process != os.getpid():
            with FORKED:
                if self.process != os.getpid():
                    keep_for_ever(self.compiled, self.requests)
                    self.open()
        request = self.requests.get()
        try:
            yield request
        finally:
            self.requests.put(request)

    def prepare(self, pixels: NDArray[np.uint8], grid: tuple[int, int]) -> NDArray[np.float32]:
        """A scaled photograph ``(h, w, 3)``, normalised, zeros right and below it, ``(1, 3, gh p, gw p)``."""
        height, width = pixels.shape[:2]
        images = np.zeros((1, 3, *(length * self.spec.patch for length in grid)), np.float32)
        for channel, (mean, std) in enumerate(zip(self.spec.mean, self.spec.std, strict=True)):
            plane = pixels[..., channel] / np.float32(255)
            images[0, channel, :height, :width] = (plane - np.float32(mean)) / np.float32(std)
        return images

    def positions(self, grid: tuple[int, int]) -> dict[str, NDArray[np.float32]]:
        """The inputs that tell where the patches lie."""
        spec, rotary = self.spec, self.spec.positions == "rope"
        side = 0 if rotary else self.compiled.input("rows").partial_shape[1].get_length()
        return position_inputs(spec.positions, grid, side, spec.width // spec.heads, self.rope_temperature)


def load_graph(path: Path, options: ModelOptions) -> Graph:
    """The exported network of a file; the last two are kept. Raises ``WeightsError``."""
    return kept(path, path.stat().st_mtime_ns, options.positions).normalising(options.mean, options.std)


@lru_cache(maxsize=2)
def kept(path: Path, changed: int, positions: str) -> Graph:  # noqa: ARG001 (the key of the cache)
    """See ``load_graph``."""
    return Graph(path, positions)


def compile_graph(path: Path, streams: int) -> tuple[Any, str]:
    """OpenVINO's compiled network of a file and the precision of what is no integer in it. Raises ``WeightsError``.

    Where the processor's best precision is refused it is float32.
    """
    import openvino

    core = openvino.Core()
    settings = {"NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": streams, "ENABLE_CPU_PINNING": False}
    failures = []
    for kind in dict.fromkeys((precision() or "f32", "f32")):
        try:
            return compiled(core, path, {**settings, "INFERENCE_PRECISION_HINT": kind}), kind
        except RuntimeError as error:
            failures.append(error)
    told = first_line(failures[-1])
    raise CorruptWeights(f"{path} is no network that OpenVINO can run ({told}): export it again.") from failures[-1]


def keep_for_ever(*inherited: object) -> None:
    """Never free what a process was forked with: that would wait for threads which are not here."""
    for each in inherited:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(each))


def threads() -> int:
    """Photographs at once: the cores of this process, or what OMP_NUM_THREADS allows."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(asked)) if asked.isdecimal() and int(asked) else cores


def graph_facts(path: Path) -> dict[str, Any]:
    """What ``dinoseg export`` wrote into a file. Raises ``WeightsMismatch`` for one that it did not write."""
    try:
        with open_regular(path) as file:
            content = file.read()
    except OSError as error:
        raise WeightsMismatch(f"{path} cannot be opened ({error.strerror}).") from error
    try:
        for entry in fields(content, METADATA):
            if next(fields(entry, NAME)).decode() == KEY:
                facts: dict[str, Any] = json.loads(next(fields(entry, VALUE)))
                return facts
    except (ValueError, IndexError, StopIteration) as error:
        raise CorruptWeights(f"{path} is no whole ONNX file: export or fetch it again.") from error
    raise WeightsMismatch(f"{path} was not made by `dinoseg export`: name weights, or export them.")


def fields(message: bytes, wanted: int) -> Iterator[bytes]:
    """The values of one field of strings or messages in a message of Protocol Buffers, in order.

    Other fields are stepped over (protobuf.dev/programming-guides/encoding). Raises ``ValueError`` or ``IndexError``
    for what is no message.
    """
    view, at = memoryview(message), 0
    while at < len(view):
        tag, at = varint(view, at)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            _, at = varint(view, at)
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        elif kind == 2:
            length, at = varint(view, at)
            if at + length > len(view):
                raise ValueError("a field ends behind its message")
            if number == wanted:
                yield bytes(view[at : at + length])
            at += length
        else:
            raise ValueError(f"unknown kind of field {kind}")


def varint(view: memoryview, at: int) -> tuple[int, int]:
    """A number of 7 bits a byte, lowest first, and where it ends."""
    value = shift = 0
    while True:
        byte = view[at]
        at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
        if byte < 128:
            return value, at
