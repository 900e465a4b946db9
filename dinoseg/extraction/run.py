"""Features of folders and videos as files: what is done already is left out, pictures are made in a second pass.

All colours of a folder are of one basis, so they mean the same in all its pictures; it is made anew from the arrays
that lie there, in memory that does not grow with them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dinoseg.backbone.memory import within_memory
from dinoseg.errors import ImageError, OutOfMemory
from dinoseg.extraction.extractor import Extractor, PhotoFeatures
from dinoseg.extraction.photographs import Photographs
from dinoseg.folder import KEPT
from dinoseg.images.decode import decode
from dinoseg.images.feed import WORKERS, read_ahead
from dinoseg.images.fit import fit
from dinoseg.options import FeatureFileOptions, FeatureOptions
from dinoseg.outputs import FEATURES
from dinoseg.outputs.basis import Basis
from dinoseg.outputs.claim import refuse_results
from dinoseg.outputs.features import BASIS, PCA, check_parquet, read_array, read_basis
from dinoseg.outputs.files import existing, free_path, remove_files, write_under
from dinoseg.outputs.folder import OutputFolder, check_output
from dinoseg.outputs.format import png_bytes
from dinoseg.outputs.record import Record
from dinoseg.runs.summary import Summary
from dinoseg.types import Failure, Source
from dinoseg.version import __version__

PICTURES = "pca"


def features_folder(
    inputs: Sequence[str | Path],
    options: FeatureOptions,
    output: FeatureFileOptions,
    *,
    from_file: Path | None = None,
    progress: Callable[[], object] = lambda: None,
) -> Summary:
    """Write the features of files, folders, globs and videos into ``output.output``; a second run does what is missing.

    ``from_file`` lists them in the place of ``inputs``, one path a line. ``progress`` is called once for each
    photograph. Raises ``UsageError`` before anything is written; photographs that fail are in the summary and the
    manifest.
    """
    start = time.perf_counter()
    check_output(output.folder(output.formats), FEATURES)
    if "parquet" in output.formats:
        check_parquet()
    refuse_results(inputs, output.output, FEATURES.keys())
    photographs = Photographs(inputs, from_file, output.output, options.max_pixels)
    extractor = Extractor.of(options, objects=bool({"objects", PICTURES} & set(output.formats)))
    facts = {"options": extractor.identity(), "weights": extractor.spec.sha256, "version": __version__}
    pictures = PICTURES in output.formats
    arrays = tuple(name for name in output.formats if name != PICTURES) + (PCA.needs if pictures else ())
    with OutputFolder(output.folder(arrays), facts, FEATURES) as folder:
        run = Run(folder, photographs, extractor.spec.patch, progress)
        for _ in read_ahead(extractor.run(run.missing()), run.write, workers=1, ahead=WORKERS):
            progress()
        place = existing(folder.root, BASIS)
        before = place.read_bytes() if place else b""
        basis = b"".join(PCA.build(folder, folder.root)) if pictures else b""
        if pictures:
            run.draw(options, read_basis(basis), anew=basis != before)
        if pictures or run.done or run.failed:
            remove_files(folder.root, [BASIS])  # it is there where all pictures are of it
        folder.finish()
        if pictures:
            write_under(folder.root, BASIS, [basis])
    return Summary(
        done=run.done,
        skipped=run.skipped,
        failed=run.failed,
        failures=tuple(run.failures),
        ignored=photographs.ignored,
        device=str(extractor.backbone.device),
        seconds=time.perf_counter() - start,
    )


class Run:
    """What of a folder's photographs is done, now and before."""

    def __init__(
        self, folder: OutputFolder, photographs: Photographs, patch: int, progress: Callable[[], object]
    ) -> None:
        self.folder, self.photographs, self.progress, self.patch = folder, photographs, progress, patch
        self.prints: dict[str, Mapping[str, Any] | None] = {}
        self.done = self.skipped = self.failed = 0
        self.failures: list[Failure] = []

    def missing(self) -> Iterator[Source | Failure]:
        """What earlier runs have not done."""
        for source in self.photographs:
            if isinstance(source, Source):
                if self.folder.done(self.photographs.file(source)):
                    self.skipped += 1
                    self.progress()
                    continue
                self.prints[source.id] = self.photographs.fingerprint(source)
            yield source

    def write(self, result: PhotoFeatures | Failure) -> None:
        """Write the files of one photograph. What does not fit into memory is a failure."""
        if isinstance(result, Failure):
            self.prints.pop(result.id, None)
            self.folder.fail(result)
            self.fail(result)
            return
        record = Record(
            id=result.id,
            status="done",
            source=self.prints[result.id],
            size=result.fit.size,
            notes=result.photo.notes,
            seconds=round(result.seconds, 4),
        )
        try:
            with within_memory(f"{result.id}: its arrays do not fit into memory; use --size."):
                self.folder.put(record, result)
        except OutOfMemory as error:
            self.write(Failure(result.id, error, result.source))
            return
        self.prints.pop(result.id)
        self.done += 1

    def fail(self, failure: Failure) -> None:
        """Count a failure."""
        self.failed += 1
        self.failures += [failure] if len(self.failures) < KEPT else []

    def draw(self, options: FeatureOptions, basis: Basis, *, anew: bool) -> None:
        """The pictures of all photographs that have their arrays; ``anew`` also where there is a picture."""
        for source in self.photographs:
            record = self.folder.known(source.id) if isinstance(source, Source) else None
            if record is None or record.status != "done" or not isinstance(source, Source):
                continue
            if not anew and existing(self.folder.root, record.files.get(PICTURES)):
                continue
            try:
                with within_memory(f"{record.id}: its picture does not fit into memory."):
                    self.folder.amend(self.drawn(source.with_values(options.value_range), record, basis, options))
            except ImageError as error:  # gone or changed since the first pass
                self.fail(Failure(source.id, error, source))

    def drawn(self, source: Source, record: Record, basis: Basis, options: FeatureOptions) -> Record:
        """Draw one photograph; its record with the picture. Raises ``ImageError``."""
        from dinoseg.draw.components import components_picture

        root = self.folder.root
        patches = np.asarray(read_array(root, record, "patches"), np.float64)
        objects = np.asarray(read_array(root, record, "objects"), np.float32)
        photo = decode(source, max_pixels=options.max_pixels)
        pixels, fitted = fit(photo, self.patch, options.size)
        content = png_bytes(components_picture(pixels, basis.colours(patches), objects, fitted))
        path = record.files.get(PICTURES) or free_path(root, PICTURES, record.id, ".png", self.folder.spellings)
        write_under(root, path, [content])
        return replace(record, files={**record.files, PICTURES: path})
