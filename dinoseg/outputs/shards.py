"""The results of shards (``--shard``): each in a folder of its own, then all in one, as a single run would leave them.

``OUT/shards/3-of-7`` is the folder of a run that does the third of seven parts. When such a run ends it leaves the
file ``ENDED`` there, and takes it away when it starts again: what a killed run left is told from what is whole.
"""

from __future__ import annotations

import os
import posixpath
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from heapq import merge
from pathlib import Path

from dinoseg.atomic import atomic_write
from dinoseg.errors import InputNotFound, OutputConflict
from dinoseg.images.shard import Shard
from dinoseg.options import OutputOptions
from dinoseg.outputs import FORMATS, split_formats
from dinoseg.outputs.claim import RUN, SHARDS, read_run, refuse_foreign
from dinoseg.outputs.files import Spellings, existing, free_path, remove_files, write_under
from dinoseg.outputs.folder import MANIFEST
from dinoseg.outputs.manifest import Manifest
from dinoseg.outputs.record import Record
from dinoseg.places import claimed, refusing
from dinoseg.runs.identity import refuse_other_run

ENDED = "ended"
NAME = re.compile(r"(\d+)-of-(\d+)")
TOLD = 20
"""Numbers of shards that a message names."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What one folder now holds."""

    done: int
    empty: int
    """Of those done: without an object."""
    failed: int
    shards: int
    results: dict[str, Path]
    """The folder or file of each format, and the manifest."""


def shard_output(output: OutputOptions, shard: Shard) -> OutputOptions:
    """The options of one shard's run: its folder lies in that of all."""
    return replace(output, output=output.output / SHARDS / shard.folder)


@contextmanager
def ending(root: Path) -> Iterator[None]:
    """A shard's run, which has ended when the block does without an error."""
    (root / ENDED).unlink(missing_ok=True)
    yield
    write_under(root, ENDED, [])


def merge_shards(output: Path) -> Merged:
    """Bring the results of ``output/shards`` together in ``output``: files, manifest and the files per folder.

    Files are linked, not copied, where the system can. A merge that was stopped goes on; one that is done again takes
    what shards have done since. Raises ``InputNotFound`` where there are no shards, ``OutputConflict`` where one is
    missing, has not ended, is in use or is of other options, or ``output`` holds something else.
    """
    folders = shard_folders(output)
    with ExitStack() as stack, refusing(output):
        roots = [stack.enter_context(claimed(folder)) for folder in folders]  # none is at work
        refuse_foreign(output)
        root = stack.enter_context(claimed(output))
        take_over_run(root, roots)
        target = stack.enter_context(closing(Manifest(root / MANIFEST)))
        sources = [stack.enter_context(closing(Manifest(each / MANIFEST))) for each in roots]
        adopt_all(root, target, list(zip(roots, sources, strict=True)))
        target.compact()
        per_image, per_folder = split_formats(FORMATS)
        wanted = {name: x for name, x in per_folder.items() if any(existing(each, x.file) for each in roots)}
        for format_ in wanted.values():
            write_under(root, format_.file, format_.build(target, root))
        counts = dict.fromkeys(("done", "empty", "failed"), 0)
        for record in target:
            counts[record.status] += 1
    places = {name: output / name for name in per_image if (output / name).is_dir()}
    places |= {name: output / format_.file for name, format_ in wanted.items()}
    return Merged(
        counts["done"] + counts["empty"],
        counts["empty"],
        counts["failed"],
        len(folders),
        places | {"manifest": output / MANIFEST},
    )


def shard_folders(output: Path) -> list[Path]:
    """The folders of all shards, each ended. See ``merge_shards`` for what is raised."""
    place = output / SHARDS
    found = {each: NAME.fullmatch(each.name) for each in sorted(place.iterdir())} if place.is_dir() else {}
    numbered = {(int(name[2]), int(name[1])): each for each, name in found.items() if name}
    if not numbered:
        raise InputNotFound(
            f"{output} holds no shards: make them with `dinoseg segment PHOTOS -o {output} --shard 1/N`."
        )
    counts = sorted({count for count, _ in numbered})
    if len(counts) > 1:
        raise OutputConflict(
            f"{place} holds shards of {' and of '.join(map(str, counts))}: remove those of one of them."
        )
    (count,) = counts
    missing = [number for number in range(1, count + 1) if (count, number) not in numbered]
    stopped = [number for (_, number), each in sorted(numbered.items()) if not (each / ENDED).is_file()]
    for numbers, what in (missing, "is missing"), (stopped, "has not ended"):
        if numbers:
            told = ", ".join(f"{number}/{count}" for number in numbers[:TOLD]) + (" ..." if len(numbers) > TOLD else "")
            raise OutputConflict(f"{place}: of {count} shards {len(numbers)} {what}: run --shard {told} (again).")
    return [numbered[count, number] for number in range(1, count + 1)]


def take_over_run(root: Path, shards: Sequence[Path]) -> None:
    """Make ``root`` a folder of the run that all shards are of. Raises ``OutputConflict`` where they differ."""
    runs = [read_run(shard) or {} for shard in shards]
    for shard, run in zip(shards[1:], runs[1:], strict=True):
        refuse_other_run(shard, run, runs[0], f"those of {shards[0]} are meant: do the shard again with its options.")
    known = read_run(root)
    if known is None:
        with (shards[0] / RUN).open("rb") as file:
            write_under(root, RUN, [file.read()])
    else:
        refuse_other_run(root, known, runs[0], "name another folder for the shards.")


def adopt_all(root: Path, target: Manifest, shards: Sequence[tuple[Path, Manifest]]) -> None:
    """Take over every record, in order of ids, with its files at the places that a single run would give them."""
    formats, _ = split_formats(FORMATS)
    stems = (read_run(root) or {}).get("names") == "stem"
    spellings = Spellings()
    spellings.owners.update((path, record.id) for record in target for path in record.files.values() if path)

    def from_shard(shard: Path, manifest: Manifest) -> Iterator[tuple[str, Path, Record]]:
        for record in manifest:
            yield record.id, shard, record

    for id_, shard, record in merge(*(from_shard(*each) for each in shards), key=lambda each: each[0]):
        earlier = target.get(id_)
        files: dict[str, str | None] = {}
        for name, path in record.files.items():
            source, files[name] = existing(shard, path), None
            if source is not None:
                place = None if earlier is None else earlier.files.get(name)
                folder = posixpath.join(name, formats[name].below).rstrip("/")
                stem = stems or formats[name].stem
                place = place or free_path(root, folder, id_, source.suffix, spellings, stem=stem)
                adopt(source, root, place)
                files[name] = place
        taken = replace(record, files=files)
        if taken != earlier:
            if earlier is not None:  # what it was, and is no more: it failed since, or has fewer formats
                remove_files(root, set(earlier.files.values()) - set(files.values()))
            target.append(taken)


def adopt(source: Path, root: Path, relative: str) -> None:
    """Link a file of a shard into the folder; whatever lies in its place is no link to elsewhere."""
    target = root / relative
    if os.path.realpath(target.parent) != str(target.parent):
        raise OutputConflict(f"{target} leads out of {root}, perhaps through a symbolic link; remove the link.")
    if target.exists() and target.samefile(source):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:  # another disk, or a file system without links
        with source.open("rb") as content, atomic_write(target) as file:
            shutil.copyfileobj(content, file)
