"""Which photographs there are, and where they wait for their step: on the device, in memory, or on disk.

All three give a step the same pixels. Every photograph is decoded once before the first step, so that what is broken is
known by then: it is left out everywhere alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from dinoseg.errors import ImageError
from dinoseg.images.feed import read_ahead
from dinoseg.images.find import find
from dinoseg.options import TrainOptions
from dinoseg.runs.progress import progress_bar
from dinoseg.training.cache import DeviceCache, PhotoCache, Photographs, small_photo
from dinoseg.training.stream import WORKERS, PhotoStream, check_share
from dinoseg.training.team import Team
from dinoseg.types import Failure, Source

T = TypeVar("T")
FREE_SHARE = 0.5
"""Of the free memory, the device's or the machine's, that the photographs may take."""
SAMPLE = 32
"""Photographs from which the size of all is estimated."""
MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")


def open_photographs(
    images: Sequence[str | Path], options: TrainOptions, short_side: int, device: torch.device, team: Team
) -> Photographs:
    """All photographs in the order of ``find``, the output folder left out, kept where ``options.cache`` says.

    Raises ``TrainingError`` if more than ``options.max_broken`` of them are broken.
    """
    listing = list(find(images, from_file=options.from_file, exclude=options.output))
    where: str = options.cache
    if where == "auto":
        where = team.from_first(lambda: choose(estimate(listing, short_side), device, team.neighbours))
    if where == "disk":
        photographs: Photographs = stream(listing, short_side, options.max_broken, team)
    else:
        cache = hold(listing, short_side, bar=team.first)
        photographs = DeviceCache(cache, device) if where == "device" and len(cache) else cache
    check_share(photographs.failed, len(listing), options.max_broken)
    return photographs


def hold(listing: Sequence[Source | Failure], short_side: int, *, bar: bool) -> PhotoCache:
    """All of them, in memory."""
    done, failed = parted(decode_all(listing, short_side, lambda photo: photo, bar=bar))
    return PhotoCache([source.id for source, _ in done], [photo for _, photo in done], failed)


def stream(listing: Sequence[Source | Failure], short_side: int, max_broken: float, team: Team) -> PhotoStream:
    """All of them, on disk; the processes share the work of looking at each."""
    share = listing[team.rank :: team.size]
    mine = decode_all(share, short_side, lambda photo: (photo.shape[1], photo.shape[2]), bar=team.first)
    results: list[tuple[Source, tuple[int, int]] | Failure] = [*listing]  # type: ignore[list-item]
    for rank, part in enumerate(team.gather(mine)):
        results[rank :: team.size] = part
    done, failed = parted(results)
    return PhotoStream([source for source, _ in done], [size for _, size in done], short_side, failed, max_broken)


def decode_all(
    listing: Sequence[Source | Failure], short_side: int, keep: Callable[[Tensor], T], *, bar: bool
) -> list[tuple[Source, T] | Failure]:
    """What is kept of each photograph, in order."""

    def load(found: Source | Failure) -> tuple[Source, T] | Failure:
        if isinstance(found, Failure):
            return found
        try:
            return found, keep(small_photo(found, short_side))
        except ImageError as error:
            return Failure(found.id, error, found)

    results = read_ahead(listing, load, workers=WORKERS, ahead=4 * WORKERS)
    decoded = []
    with progress_bar("decode", unit="photo", total=len(listing), here=bar) as shown:
        for result in results:
            decoded.append(result)
            shown.update()
    return decoded


def parted(results: Sequence[tuple[Source, T] | Failure]) -> tuple[list[tuple[Source, T]], list[Failure]]:
    """What succeeded, and what failed."""
    failed = [result for result in results if isinstance(result, Failure)]
    return [result for result in results if not isinstance(result, Failure)], failed


def estimate(listing: Sequence[Source | Failure], short_side: int) -> float:
    """Bytes of all photographs, from an even sample of them."""
    sources = [found for found in listing if isinstance(found, Source)]
    count = min(SAMPLE, len(sources))
    sample = hold([sources[index * len(sources) // count] for index in range(count)], short_side, bar=False)
    return sample.nbytes / max(len(sample), 1) * len(sources)


def choose(nbytes: float, device: torch.device, neighbours: int) -> str:
    """The nearest place that half of its free memory suffices for; ``neighbours`` processes share the machine's."""
    if device.type == "cuda" and nbytes <= FREE_SHARE * torch.cuda.mem_get_info(device)[0]:
        return "device"
    return "memory" if nbytes * neighbours <= FREE_SHARE * free_memory() else "disk"


def free_memory() -> float:
    """Bytes that this machine, or this process's container, may still use; infinity where the system does not say."""
    free = [float("inf")]
    if MEMINFO.exists():
        facts = dict(line.split(":") for line in MEMINFO.read_text().splitlines())
        free.append(1024 * int(facts["MemAvailable"].split()[0]))
    limit, used = CGROUP / "memory.max", CGROUP / "memory.current"
    if limit.exists() and used.exists() and limit.read_text().strip() != "max":
        free.append(int(limit.read_text()) - int(used.read_text()))
    return min(free)
