"""The folder of a run: results appear whole, what is done is known, and a run can be killed and started again.

The protocol, and what a stop at any point leaves behind:

1. lock, ``run.json``: nothing else is there yet; the next start finds an empty folder or its own run.
2. for each image its files, each by temporary file and rename, then its line in the manifest. A stop before the line
   leaves files that the next start writes again; a torn line is cut off and its image done again.
3. ``finish``: the manifest with one line per input, and the files per folder, all made from what lies there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dinoseg.options import OutputOptions
from dinoseg.outputs import FORMATS, split_formats
from dinoseg.outputs.backdrop import describe_cutouts, make_backdrop
from dinoseg.outputs.claim import RUN, read_run, refuse_foreign
from dinoseg.outputs.files import Spellings, existing, remove_files, write_under
from dinoseg.outputs.format import Scene
from dinoseg.outputs.manifest import Manifest
from dinoseg.outputs.record import Record, failure_record, record_of
from dinoseg.outputs.render import write_files
from dinoseg.places import check_folder, claimed, refusing
from dinoseg.registry import Registry
from dinoseg.runs.done import fingerprint, unchanged
from dinoseg.runs.identity import refuse_other_run, run_id
from dinoseg.strict_json import plain, to_json
from dinoseg.types import Failure, Photo, Source

if TYPE_CHECKING:
    from dinoseg.segmentation import Segmentation

MANIFEST = "manifest.jsonl"


def check_output(options: OutputOptions, registry: Registry = FORMATS) -> None:
    """Refuse what ``OutputFolder`` would refuse whatever its run: to be asked before a network is loaded for it.

    Raises ``OptionError`` for unknown formats and for a background that is unknown or cannot be read, and
    ``OutputConflict`` for a folder that is not writable or not ours. Nothing is created.
    """
    split_formats(options.wanted, registry)
    make_backdrop(options.background)
    check_folder(options.output)
    if options.output.exists() and not options.overwrite:
        refuse_foreign(options.output)


class OutputFolder:
    """Results of one run under ``options.output``; use it in a ``with`` block.

    ``run`` is everything that determines results (method options, hash of the weights, version), but neither the
    formats nor the place. ``write`` and ``fail`` belong to one thread, ``done`` may be asked from another.

    Results of inputs that a later run is not asked for stay, in the manifest and in ``coco.json`` too: several runs of
    the same options may fill one folder one after the other. An id that comes again with other content replaces its
    results.

    Raises ``OptionError`` for unknown formats and backgrounds (when made), and ``OutputConflict`` on entering: the
    folder is in use, not writable, not ours, or holds results of another run and ``options.overwrite`` is not set.
    Afterwards ``OSError`` with the file's name when the disk is full or fails.
    """

    def __init__(self, options: OutputOptions, run: Mapping[str, Any], registry: Registry = FORMATS) -> None:
        """``registry``: the formats that there are for what is written here."""
        self.options = options
        self.per_image, self.per_folder = split_formats(options.wanted, registry)
        self._formats, self._folder_formats = split_formats(registry, registry)  # all that there may be
        self._backdrop = make_backdrop(options.background)
        self._stems = options.names == "stem"
        facts = {**run, "names": "stem"} if self._stems else run
        self.id = run_id(facts)
        """Hash of ``run``; results of another id are never mixed in."""
        self._run = {"id": self.id, **facts}
        self.spellings = Spellings()

    def __enter__(self) -> OutputFolder:
        output = self.options.output
        with ExitStack() as stack, refusing(output):
            if output.is_dir() and not self.options.overwrite:
                refuse_foreign(output)
            self.root = stack.enter_context(claimed(output))
            self._claim()
            self._manifest = stack.enter_context(closing(Manifest(self.root / MANIFEST)))
            self._held = stack.pop_all()
        if self._stems or any(format_.stem for format_ in self.per_image.values()):
            owners = ((path, record.id) for record in self._manifest for path in record.files.values() if path)
            self.spellings.owners.update(owners)
        return self

    def _claim(self) -> None:
        """Make the folder this run's: go on with what it holds, or start with nothing of ours in it.

        How cut-outs look is part of the run from the first of them on: without them it decides nothing.
        """
        known = read_run(self.root)
        if self.options.overwrite:
            if known is not None:
                self._clear()
                known = None
            write_under(self.root, MANIFEST, [])
        cutouts = describe_cutouts(self.options)
        if known is not None:
            remedy = "name another folder, or --overwrite to replace them."
            before = known if "background" in known else cutouts | known
            refuse_other_run(self.root, before, self._run | cutouts, remedy)
        run = (known or {}) | self._run | (cutouts if "cutouts" in self.per_image else {})
        if known != plain(run):
            write_under(self.root, RUN, [to_json(run, indent=2).encode() + b"\n"])

    def _clear(self) -> None:
        """Remove what the folder's run wrote, by its manifest, which stays until all is gone."""
        manifest = Manifest(self.root / MANIFEST)
        for record in manifest:
            remove_files(self.root, record.files.values())
        manifest.close()
        remove_files(self.root, [format_.file for format_ in self._folder_formats.values()])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    def done(self, source: Source) -> bool:
        """Whether this run's results for this content are here, in every format that is wanted now.

        Earlier failures and what is not a file are never done.
        """
        record = self._manifest.get(source.id)
        return (
            record is not None
            and record.run == self.id
            and record.status != "failed"
            and all(self._present(record, name) for name in self.per_image)
            and unchanged(source.content, record.source)
        )

    def _present(self, record: Record, name: str) -> bool:
        if name not in record.files:
            return False
        return record.files[name] is None or existing(self.root, record.files[name]) is not None

    def write(
        self,
        segmentation: Segmentation,
        photo: Photo,
        soft: NDArray[np.float32] | None = None,
        source: Mapping[str, Any] | None = None,
    ) -> None:
        """Write one image's files and its line; ``soft`` ``(n, H, W)`` is made again when a format needs it.

        ``source`` is the ``fingerprint`` of the file from *before* it was decoded: if the file changes in between,
        the next run sees that and does it again.

        Formats that earlier runs wrote for this image are written too, so that none of them is left stale; what else
        was added to it is removed.
        """
        source = source or fingerprint(segmentation.source.content)
        self.put(record_of(segmentation, source=source), Scene(segmentation, photo, soft, self._backdrop, self.options))

    def put(self, record: Record, scene: Any) -> None:
        """Write the files of one image, which formats make of a ``scene`` with an ``id``, and its line."""
        earlier = self._manifest.get(record.id)
        had = {} if earlier is None else earlier.files
        known = {name: path for name, path in had.items() if name in self._formats}
        remove_files(self.root, [path for name, path in had.items() if name not in self._formats])
        formats = {name: self._formats[name] for name in dict.fromkeys((*self.per_image, *known))}
        files = write_files(self.root, scene, formats, known, self.spellings, stems=self._stems)
        self._manifest.append(replace(record, run=self.id, files=files))

    def known(self, id_: str) -> Record | None:
        """What the folder holds of an input, by this run or an earlier one."""
        return self._manifest.get(id_)

    def __iter__(self) -> Iterator[Record]:
        """What the folder holds, in order of ids."""
        return iter(self._manifest)

    def amend(self, record: Record) -> None:
        """Put a record in the place of the one with its id: files were added to it, or facts about its objects."""
        self._manifest.append(record)

    def fail(self, failure: Failure) -> None:
        """Note an input that failed; what an earlier content of it had left is removed."""
        earlier = self._manifest.get(failure.id)
        if earlier is not None:
            remove_files(self.root, earlier.files.values())
        self._manifest.append(failure_record(failure, self.id))

    def finish(self) -> None:
        """Bring the manifest in order and make the files per folder, also those that earlier runs had made."""
        self._manifest.compact()
        for name, format_ in self._folder_formats.items():
            if name in self.per_folder or existing(self.root, format_.file):
                write_under(self.root, format_.file, format_.build(self._manifest, self.root))
