"""Figures of a folder's photographs: attention, with what is done already left out and figures written behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from dinoseg.attention import Attender
from dinoseg.backbone.memory import within_memory
from dinoseg.errors import ImageError
from dinoseg.images.find import find
from dinoseg.options import AttendOptions, FigureOptions
from dinoseg.outputs.heads import HeadsFolder
from dinoseg.places import claimed
from dinoseg.runs.done import fingerprint
from dinoseg.runs.summary import Summary
from dinoseg.types import Failure, Source
from dinoseg.version import __version__


def attend_folder(
    inputs: Sequence[str | Path],
    options: AttendOptions,
    output: FigureOptions,
    *,
    from_file: Path | None = None,
    progress: Callable[[], object] = lambda: None,
) -> Summary:
    """A figure of each photograph of files, folders and globs in ``output.output``; a second run does what is missing.

    ``from_file`` lists photographs in the place of ``inputs``. ``progress`` is called once for each photograph. Raises
    ``UsageError`` before anything is written; photographs that fail are in the summary.
    """
    start = time.perf_counter()
    listing = find(inputs, from_file=from_file, exclude=output.output)
    attender = Attender.of(options)
    facts = {"options": attender.identity(), "weights": attender.backbone.spec.sha256, "version": __version__}
    done = skipped = 0
    failures = []
    with claimed(output.output) as root:
        folder = HeadsFolder(root, {**facts, "dpi": output.dpi}, output)
        for source in listing:
            progress()
            if isinstance(source, Failure):
                failures.append(source)
            elif folder.done(source):
                skipped += 1
            elif failure := draw(source, attender, folder):
                failures.append(failure)
            else:
                done += 1
    return Summary(
        done=done,
        skipped=skipped,
        failed=len(failures),
        failures=tuple(failures),
        ignored=listing.ignored,
        device=str(attender.backbone.device),
        seconds=time.perf_counter() - start,
    )


def draw(source: Source, attender: Attender, folder: HeadsFolder) -> Failure | None:
    """Make the figure of one photograph; why it could not be made."""
    before = fingerprint(source.content)
    try:
        with within_memory(f"{source.id}: its figure does not fit into memory."):
            folder.write(attender(source), before)
    except ImageError as error:
        return Failure(source.id, error, source)
    return None
