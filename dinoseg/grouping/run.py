"""Two passes over a folder: every photograph's objects with their descriptors, then the clusters drawn into each.

The first pass is a run of ``segment`` with the format ``descriptors``, so it goes on where an earlier one stopped. The
clusters are computed anew from all descriptors in each run; the second pass writes what they change. A stop during it
leaves whole files, and no ``clusters.json``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from dinoseg.backbone.memory import within_memory
from dinoseg.errors import DinosegError, ResultLost
from dinoseg.folder import KEPT, segment_folder
from dinoseg.grouping import files
from dinoseg.grouping.clusters import Clusters, cluster
from dinoseg.grouping.store import Store, shuffled
from dinoseg.grouping.summary import Group, summarise
from dinoseg.images.decode import decode
from dinoseg.images.feed import WORKERS, read_ahead
from dinoseg.images.find import find
from dinoseg.options import GroupOptions, OutputOptions
from dinoseg.outputs.claim import refuse_results
from dinoseg.outputs.descriptors import read_descriptors
from dinoseg.outputs.files import existing, remove_files, write_under
from dinoseg.outputs.folder import OutputFolder
from dinoseg.outputs.record import Record
from dinoseg.strict_json import to_json
from dinoseg.types import Failure, Source

Job: TypeAlias = tuple[Record, list[int]]
"""A photograph and the cluster of each of its objects."""


@dataclass(frozen=True, slots=True, eq=False)
class GroupReport:
    """The groups of a folder, and the photographs that are in none."""

    groups: tuple[Group, ...]
    """Largest first; group k has the value k in the label maps."""
    tried: dict[int, float]
    """BIC by number of groups, lower is better, where that was looked for."""
    photographs: int
    """With a label map now, those without an object included."""
    failed: int
    failures: tuple[Failure, ...]
    """The first of those that failed; the manifest has all."""
    ignored: int = 0
    """Files beside the photographs that are no images."""

    def facts(self) -> dict[str, Any]:
        """The report as ``clusters.json`` holds it."""
        return {
            "photographs": self.photographs,
            "regions": sum(group.regions for group in self.groups),
            "bic_by_count": self.tried,
            "groups": [asdict(group) for group in self.groups],
        }


def group_folder(
    inputs: Sequence[str | Path],
    options: GroupOptions,
    *,
    from_file: Path | None = None,
    progress: Callable[[], object] = lambda: None,
) -> GroupReport:
    """Give the objects of files, folders and globs labels that mean the same in every photograph.

    ``progress`` is called twice for each photograph: once in each pass, or at once for one that fails. Raises
    ``UsageError`` before anything is written; photographs that fail are in the report and the manifest, and in no
    group.
    """
    refuse_results(inputs, options.output, files.FOLDERS)
    output = OutputOptions(output=options.output, formats=("descriptors",), overwrite=options.overwrite)
    reports: list[GroupReport] = []

    def then(folder: OutputFolder) -> None:
        listing = find(inputs, from_file=from_file, exclude=options.output)
        sources = {
            source.id: source.with_values(options.value_range) for source in listing if isinstance(source, Source)
        }
        reports.append(SecondPass(folder, sources, options.max_pixels, progress).run(options.clusters))

    def described(result: object) -> None:
        for _ in range(1 + isinstance(result, Failure)):
            progress()

    summary = segment_folder(inputs, options, output, from_file=from_file, progress=described, then=then)
    (report,) = reports
    return replace(
        report,
        failed=summary.failed + report.failed,
        failures=(*summary.failures, *report.failures)[:KEPT],
        ignored=summary.ignored,
    )


class SecondPass:
    """From the descriptors in a folder to clusters, and to files that show them."""

    def __init__(
        self, folder: OutputFolder, sources: Mapping[str, Source], max_pixels: int, progress: Callable[[], object]
    ) -> None:
        self.folder, self.sources, self.max_pixels, self.progress = folder, sources, max_pixels, progress
        self.counts: dict[str, int] = {}
        """How many objects each photograph has, in the order of their rows."""
        self.failed: list[Failure] = []

    def run(self, count: int | None) -> GroupReport:
        """Cluster the objects of all sources, and draw them; photographs that are none of them lose their labels."""
        root = self.folder.root
        clusters = self.clustered(count)
        remove_files(root, [files.CLUSTERS, files.SHEET])  # from here on they would tell of other clusters
        self.forget_others()
        photographs = self.draw_all(clusters)
        groups = summarise(clusters, list(self.counts), list(self.counts.values()))
        report = GroupReport(tuple(groups), clusters.tried, photographs, len(self.failed), tuple(self.failed))
        write_under(root, files.SHEET, [files.sheet(self.folder, groups, photographs)])
        write_under(root, files.CLUSTERS, [to_json(report.facts(), indent=1).encode() + b"\n"])
        return report

    def clustered(self, count: int | None) -> Clusters:
        """The clusters of all descriptors, whose photographs are then in ``counts``."""
        with Store(self.folder.root) as store:
            for id_ in shuffled(self.sources):
                record = self.folder.known(id_)
                if record is not None and record.status != "failed":
                    self.add(record, store)
            return cluster(store, count)

    def add(self, record: Record, store: Store) -> None:
        """Put the descriptors of a photograph into the store."""
        try:
            if record.objects:
                place = str(record.files.get("descriptors"))
                path = existing(self.folder.root, place)
                if path is None:
                    raise ResultLost(f"{self.folder.root / place} is not there; the next run makes it again.")
                store.add(read_descriptors(path, len(record.objects)))
            self.counts[record.id] = len(record.objects)
        except DinosegError as error:
            self.progress()
            self.fail(record.id, error)

    def fail(self, id_: str, error: DinosegError) -> None:
        """Note a photograph that cannot be drawn; the next run does all of it again."""
        failure = Failure(id_, error, self.sources[id_])
        self.folder.fail(failure)
        self.failed.append(failure)

    def forget_others(self) -> None:
        """Remove the labels of photographs that an earlier run was asked for."""
        for record in self.folder:
            if record.id not in self.sources and any(name in record.files for name in files.FOLDERS):
                files.forget(self.folder, record)

    def draw_all(self, clusters: Clusters) -> int:
        """Write what is not there yet, or tells of other clusters; how many photographs have their labels now."""
        count = 0
        for (record, numbers), drawn in read_ahead(self.jobs(clusters), self.drawn, workers=WORKERS, ahead=WORKERS):
            self.progress()
            if isinstance(drawn, DinosegError):
                self.fail(record.id, drawn)
                continue
            if drawn:
                files.write(self.folder, record, drawn, numbers)
            count += 1
        return count

    def jobs(self, clusters: Clusters) -> Iterator[Job]:
        """Each photograph with the cluster of each of its objects."""
        start = 0
        for id_, count in self.counts.items():
            record = self.folder.known(id_)
            assert record is not None
            yield record, clusters.labels[start : start + count].tolist()
            start += count

    def drawn(self, job: Job) -> tuple[Job, dict[str, bytes] | DinosegError]:
        """The files of a photograph, none where they are there already; or why it cannot be drawn."""
        record, numbers = job
        if files.up_to_date(self.folder.root, record, numbers):
            return job, {}
        try:
            with within_memory(f"{record.id}: its labels do not fit into memory."):
                return job, files.draw(record, decode(self.sources[record.id], max_pixels=self.max_pixels), numbers)
        except DinosegError as error:
            return job, error
