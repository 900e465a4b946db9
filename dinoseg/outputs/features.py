"""The files of features: arrays of each photograph, all embeddings in one Parquet file, the basis of the pictures."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
from numpy.typing import NDArray

from dinoseg.errors import MissingExtra, ResultLost
from dinoseg.files import open_regular
from dinoseg.outputs.basis import Basis, Moments
from dinoseg.outputs.claim import read_run
from dinoseg.outputs.files import existing, remove_files
from dinoseg.outputs.format import FolderFormat, ImageFormat
from dinoseg.outputs.record import Record

ROWS = 1024
"""Photographs of a row group of the Parquet file."""
CHUNK = 2**20
"""Bytes of a file that are copied at once."""
PARQUET = "embeddings.parquet"
BASIS = "pca.npz"


def npy(array: NDArray[np.generic]) -> bytes:
    """An array as ``numpy.load`` reads it, without pickle."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def read_array(root: Path, record: Record, name: str) -> NDArray[np.generic]:
    """An array of a photograph. Raises ``ResultLost`` for a file that is gone or damaged, which is then removed."""
    path = existing(root, record.files.get(name))
    try:
        if path is None:
            raise FileNotFoundError(record.files.get(name))  # noqa: TRY301
        with open_regular(path) as file:
            content = file.read()
        array: NDArray[np.generic] = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    except Exception as error:  # a changed byte can make each of a dozen types of it
        remove_files(root, [record.files.get(name)])
        raise ResultLost(f"{record.id}: its {name} cannot be read ({error}); the next run makes it again.") from error
    return array


def check_parquet() -> None:
    """Raise ``MissingExtra`` where there is no pyarrow."""
    if importlib.util.find_spec("pyarrow") is None:
        raise MissingExtra("--formats parquet needs pyarrow: pip install 'pyarrow>=17', or name other --formats.")


def parquet(records: Iterable[Record], root: Path) -> Iterator[bytes]:
    """Columns ``id``, ``vector`` (float32), ``model``, ``model_sha256`` (of its weights), ``sha256`` (of the file)."""
    check_parquet()
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    run = read_run(root) or {}
    model, weights = run.get("options", {}).get("model"), run.get("weights")
    strings = {name: pa.string() for name in ("id", "model", "model_sha256", "sha256")}
    schema = pa.schema({"id": strings.pop("id"), "vector": pa.list_(pa.float32()), **strings})
    with TemporaryFile(dir=root) as file:
        with pq.ParquetWriter(file, schema) as writer:
            for group in grouped(record for record in records if record.files.get("embedding")):
                rows = [
                    {
                        "id": record.id.encode(errors="replace").decode(),  # Parquet has no undecodable bytes
                        "vector": read_array(root, record, "embedding"),
                        "model": model,
                        "model_sha256": weights,
                        "sha256": (record.source or {}).get("sha256"),
                    }
                    for record in group
                ]
                writer.write_table(pa.Table.from_pylist(rows, schema))
        file.seek(0)
        while chunk := file.read(CHUNK):
            yield chunk


def grouped(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Records, up to ``ROWS`` at a time."""
    group: list[Record] = []
    for record in records:
        group.append(record)
        if len(group) == ROWS:
            yield group
            group = []
    if group:
        yield group


def basis(records: Iterable[Record], root: Path) -> Iterator[bytes]:
    """The basis of all objects' patches (``Basis``), from the arrays that lie in the folder."""
    moments = Moments()
    for record in records:
        if record.files.get("patches") and record.files.get("objects"):
            on = np.asarray(read_array(root, record, "objects"), np.float32) > 0.5  # (gh, gw)
            moments.add(np.asarray(read_array(root, record, "patches"), np.float64)[on])
    yield moments.basis().content()


def read_basis(content: bytes) -> Basis:
    """The basis of a file's content."""
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return Basis(arrays["mean"], arrays["components"], arrays["std"])


PATCHES = ImageFormat(".npy", lambda features: npy(features.patches))
EMBEDDING = ImageFormat(".npy", lambda features: npy(features.embedding))
OBJECTS = ImageFormat(".npy", lambda features: None if features.objects is None else npy(features.objects))
EMBEDDINGS = FolderFormat(PARQUET, parquet, needs=("embedding",))
PCA = FolderFormat(BASIS, basis, needs=("patches", "objects"))
