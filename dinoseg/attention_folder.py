"""Figures of a folder's photographs: attention and similarity, with what is done already left out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dinoseg.attention import Attender
from dinoseg.backbone.memory import within_memory
from dinoseg.correspondence.similarity import Comparer, Similarity
from dinoseg.errors import ImageError
from dinoseg.images.decode import as_source
from dinoseg.images.find import Listing, find, only_one
from dinoseg.options import AttendOptions, FigureOptions, ModelOptions
from dinoseg.outputs.claim import HEADS, SIMILARITY
from dinoseg.outputs.figures import Drawable, FigureFolder
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
    listing = find(inputs, from_file=from_file, exclude=output.output)
    attender = Attender.of(options)
    facts = {"options": attender.identity(), "weights": attender.backbone.spec.sha256}
    return draw_all(listing, attender, HEADS, facts, output, attender.backbone.device, progress)


def similarity_folder(
    inputs: Sequence[str | Path],
    point: tuple[int, int],
    others: Sequence[str | Path],
    options: ModelOptions,
    output: FigureOptions,
    *,
    from_file: Path | None = None,
    progress: Callable[[], object] = lambda: None,
) -> Summary:
    """A figure of each photograph: how like its patches are to the one under the pixel ``point`` ``(x, y)`` of it.

    With ``others`` the point is in the one photograph that is named, and there are figures of the others too. Raises as
    ``attend_folder`` does, and ``ImageError`` if that one photograph cannot be read or does not hold the point.
    """
    only = only_one(inputs, from_file) if others else None
    named = [only, *others] if only else inputs
    listing = find(named, from_file=None if only else from_file, exclude=output.output)
    comparer = Comparer(options)
    facts: dict[str, object] = {
        "options": {**comparer.identity(), "like": point},
        "weights": comparer.network.spec.sha256,
    }
    encoded = example = None
    if only:
        facts["example"] = (fingerprint(only) or {}).get("sha256")
        encoded = comparer.encode(as_source(only))
        example = comparer.example(encoded, point)

    def look(source: Source) -> Similarity:
        here = encoded if encoded and source.content == only else comparer.encode(source)
        return comparer.compare(here, example or comparer.example(here, point))

    return draw_all(listing, look, SIMILARITY, facts, output, comparer.network.device, progress)


def draw_all(
    listing: Listing,
    look: Callable[[Source], Drawable],
    name: str,
    facts: Mapping[str, object],
    output: FigureOptions,
    device: object,
    progress: Callable[[], object],
) -> Summary:
    """Write what ``look`` gives of each photograph into the folder ``name``; ``facts`` are what decides it."""
    start = time.perf_counter()
    done = skipped = 0
    failures = []
    with claimed(output.output) as root:
        folder = FigureFolder(root, name, {**facts, "version": __version__, "dpi": output.dpi}, output)
        for source in listing:
            progress()
            if isinstance(source, Failure):
                failures.append(source)
            elif folder.done(source):
                skipped += 1
            elif failure := draw(source, look, folder):
                failures.append(failure)
            else:
                done += 1
    return Summary(
        done=done,
        skipped=skipped,
        failed=len(failures),
        failures=tuple(failures),
        ignored=listing.ignored,
        device=str(device),
        seconds=time.perf_counter() - start,
    )


def draw(source: Source, look: Callable[[Source], Drawable], folder: FigureFolder) -> Failure | None:
    """Make the figure of one photograph; why it could not be made."""
    before = fingerprint(source.content)
    try:
        with within_memory(f"{source.id}: its figure does not fit into memory."):
            folder.write(look(source), before)
    except ImageError as error:
        return Failure(source.id, error, source)
    return None
