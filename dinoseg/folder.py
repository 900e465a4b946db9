"""A run over a folder: the road, with what is done already left out and results written behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from dinoseg.backbone.memory import within_memory
from dinoseg.errors import ImageError, OptionError
from dinoseg.images.feed import WORKERS, read_ahead
from dinoseg.images.find import Listing, find
from dinoseg.images.shard import Shard
from dinoseg.images.watch import watch
from dinoseg.methods.described import Described
from dinoseg.options import OutputOptions, SegmentOptions, SelectOptions, identity
from dinoseg.outputs import refuse_formats
from dinoseg.outputs.claim import refuse_results
from dinoseg.outputs.folder import OutputFolder, check_output
from dinoseg.outputs.shards import ending, shard_output
from dinoseg.pipeline import Finished, Segmenter, selected
from dinoseg.runs.done import fingerprint
from dinoseg.runs.summary import Summary
from dinoseg.types import Failure, Source
from dinoseg.version import __version__

KEPT = 100
"""Failures that a summary holds."""
STAGES = ("decode", "backbone", "method", "refine", "write")


def segment_folder(
    inputs: Sequence[str | Path],
    options: SegmentOptions,
    output: OutputOptions,
    *,
    select: SelectOptions | None = None,
    from_file: Path | None = None,
    shard: Shard | None = None,
    watched: bool = False,
    progress: Callable[[Finished | Failure | Source], object] = lambda _: None,
    then: Callable[[OutputFolder], None] = lambda _: None,
) -> Summary:
    """Segment files, folders and globs into ``output.output``; a second run does only what is missing.

    ``select`` says which objects are written.
    ``from_file`` lists photographs in the place of ``inputs``, one path a line. ``shard``: only those of it, into a
    folder of its own below ``output.output``, from which ``merge_shards`` takes them.
    ``progress`` is told each result, and the source of each photograph that was done before. ``then`` gets the folder
    when all results are in it, before the files per folder are made. ``watched``: the inputs are looked at again and
    again, until the run is interrupted; the files per folder are made whenever new photographs are done.
    Raises ``UsageError`` before anything is written; photographs that fail are in the summary and the manifest.
    """
    start = time.perf_counter()
    check_output(output)
    refuse_results(inputs, output.output)
    listing = find(inputs, from_file=from_file, exclude=output.output)
    if shard:
        listing, output = shard.of(listing), shard_output(output, shard)
    segmenter = Segmenter.of(options)
    select = select or SelectOptions()
    facts = run_of(segmenter)  # whether objects are described as well decides nothing about them
    if chosen := identity(select):
        facts["select"] = chosen
    if segmenter.backbone is None:
        refuse_formats(
            output.wanted,
            f"the method {segmenter.options.method_name} has no network; name another --method, or other --formats",
        )
    if "descriptors" in output.wanted or (output.output / "descriptors").is_dir():  # those of an earlier run: kept up
        segmenter = described(segmenter)
    with OutputFolder(output, facts) as folder, ending(folder.root) if shard else nullcontext():
        run = FolderRun(folder, listing, progress)
        for run.listing in watch(inputs, exclude=output.output) if watched else [listing]:
            results = (selected(result, select) for result in segmenter.run(run.missing()))
            for result in read_ahead(results, run.write, workers=1, ahead=WORKERS):
                run.count(result)
                progress(result)
            then(folder)
            folder.finish()
    device = str(segmenter.backbone.device) if segmenter.backbone else "cpu"
    return run.summary(device, time.perf_counter() - start)


class FolderRun:
    """What goes onto the road and what comes off it. ``write`` is for the writer's thread, the rest for one other."""

    def __init__(
        self,
        folder: OutputFolder,
        listing: Listing | None = None,
        progress: Callable[[Source], object] = lambda _: None,
    ) -> None:
        self.folder, self.listing, self.progress = folder, listing, progress
        self.prints: dict[str, Mapping[str, Any] | None] = {}
        """Fingerprints of the files on the road, from before they are decoded."""
        self.done = self.empty = self.skipped = 0
        self.failed = 0
        self.failures: list[Failure] = []
        self.stages = dict.fromkeys(STAGES, 0.0)

    def missing(self) -> Iterator[Source | Failure]:
        """What earlier runs have not done."""
        for source in self.listing or ():
            if isinstance(source, Failure):
                yield source
            elif self.folder.done(source):
                self.skipped += 1
                self.progress(source)
            else:
                self.prints[source.id] = fingerprint(source.content)
                yield source

    def write(self, result: Finished | Failure) -> Finished | Failure:
        """Write one result; how long that took goes into its timings. What does not fit into memory is a failure."""
        start = time.perf_counter()
        if isinstance(result, Failure):
            self.prints.pop(result.id, None)
            self.folder.fail(result)
            return result
        found = result.segmentation
        try:
            with within_memory(unwritable(found.id)):
                self.folder.write(found, result.photo, result.soft, self.prints[found.id])
        except ImageError as error:  # memory, or the photograph is read again and is gone
            return self.write(Failure(found.id, error, found.source))
        self.prints.pop(found.id)
        found.timings["write"] = time.perf_counter() - start
        return result

    def count(self, result: Finished | Failure) -> None:
        """Add one result to the summary."""
        if isinstance(result, Failure):
            self.failed += 1
            self.failures += [result] if len(self.failures) < KEPT else []
            return
        self.done += 1
        self.empty += not result.segmentation.instances
        for stage, seconds in result.segmentation.timings.items():
            self.stages[stage] = self.stages.get(stage, 0.0) + seconds

    def summary(self, device: str, seconds: float) -> Summary:
        """The counts of the run so far, and what they cost."""
        return Summary(
            done=self.done,
            empty=self.empty,
            skipped=self.skipped,
            failed=self.failed,
            failures=tuple(self.failures),
            ignored=self.listing.ignored if self.listing else 0,
            device=device,
            seconds=seconds,
            stages=self.stages,
        )


def unwritable(id_: str) -> str:
    """What is said of a photograph for whose results memory is too small."""
    return f"{id_}: its results do not fit into memory; ask for fewer --formats."


def described(segmenter: Segmenter) -> Segmenter:
    """A segmenter that gives descriptors of its objects. Raises ``OptionError`` where it has no network."""
    if segmenter.backbone is None:
        raise OptionError(
            f"descriptors need a network, --method {segmenter.options.method_name} has none: choose another."
        )
    return segmenter.with_method(Described(segmenter.method))


def run_of(segmenter: Segmenter) -> dict[str, object]:
    """What decides the results of a run, for ``run.json``."""
    spec = segmenter.backbone.spec if segmenter.backbone else None
    return {"options": segmenter.identity(), "weights": spec and spec.sha256, "version": __version__}
