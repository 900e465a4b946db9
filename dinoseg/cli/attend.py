"""``dinoseg attend``: what the heads of a network look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from dinoseg import __version__
from dinoseg.cli.arguments import IMAGES, INPUT, MODEL, OUTPUT
from dinoseg.cli.console import as_json, progress_bar, say_counts, say_failures, say_nothing_found, tell, tell_json
from dinoseg.cli.exits import of_counts
from dinoseg.options import FIGURE_DPI, AttendOptions, Flag, InputOptions, Options, Whole, deciding, require
from dinoseg.places import claimed

if TYPE_CHECKING:
    from dinoseg.attention import Attender
    from dinoseg.outputs.heads import HeadsFolder
    from dinoseg.types import Failure, Source


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class FigureOptions(Options):
    """Where figures go."""

    output: Annotated[Path, Parameter(alias="-o")]
    """Folder of the results; created if missing."""
    format: Literal["png", "pdf"] = "png"
    """Of the figures; letters and outlines of a PDF are lines."""
    dpi: Whole = FIGURE_DPI
    """Pixels an inch of the pictures, 30..1200: a figure is about 10 inches wide."""
    arrays: Annotated[bool, Flag] = False
    """Write the maps as .npz beside each figure."""
    overwrite: Annotated[bool, Flag] = False
    """Replace the figures that are in the folder."""
    json: Annotated[bool, Flag] = False
    """Print one machine-readable summary on stdout."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(30 <= self.dpi <= 1200, "--dpi", self.dpi, "30..1200")


@dataclass(slots=True)
class Tally:
    """How a run over many photographs went."""

    done: int = 0
    skipped: int = 0
    failed: list[Failure] = field(default_factory=list)


def attend(
    *images: Annotated[str, IMAGES],
    output: Annotated[FigureOptions, OUTPUT],
    inputs: Annotated[InputOptions | None, INPUT] = None,
    options: Annotated[AttendOptions | None, MODEL] = None,
) -> int:
    """A figure of every attention head for each photograph: from CLS or any patch, any layer, or rolled out.

    A second run of the same command does only what is missing.
    """
    inputs, options = inputs or InputOptions(), options or AttendOptions()
    from dinoseg.cli.before import before_attend, count_images

    before_attend(images, inputs, options, output.output)
    from dinoseg.attention import Attender
    from dinoseg.images.find import find
    from dinoseg.outputs.heads import HeadsFolder

    listing = find(images, inputs, exclude=output.output)
    attender = Attender(**asdict(options))
    attender.max_pixels = inputs.max_pixels
    with claimed(output.output) as root, progress_bar(count=lambda: count_images(images, inputs, root)) as bar:
        folder = HeadsFolder(
            root,
            {**run_of(attender), "dpi": output.dpi},
            arrays=output.arrays,
            overwrite=output.overwrite,
            suffix=f".{output.format}",
            dpi=output.dpi,
        )
        tally = draw_all(listing, attender, folder, bar.update)
    if not (tally.done or tally.skipped or tally.failed):
        say_nothing_found(images or [inputs.from_file], listing.ignored)
    report(tally, listing.ignored, output)
    return of_counts(tally.done + tally.skipped, len(tally.failed))


def run_of(attender: Attender) -> dict[str, object]:
    """What determines figures and maps."""
    spec = attender.backbone.spec
    asked = {**deciding(attender.options), "mean": spec.mean, "std": spec.std}
    return {"options": asked, "weights": spec.sha256, "version": __version__}


def draw_all(
    sources: Iterable[Source | Failure], attender: Attender, folder: HeadsFolder, progress: Callable[[], object]
) -> Tally:
    """Make the figures that are missing."""
    from dinoseg.backbone.memory import within_memory
    from dinoseg.errors import ImageError
    from dinoseg.outputs.record import fingerprint
    from dinoseg.types import Failure

    tally = Tally()
    for source in sources:
        progress()
        if isinstance(source, Failure):
            tally.failed.append(source)
        elif folder.done(source):
            tally.skipped += 1
        else:
            known = fingerprint(source.content)
            try:
                with within_memory(f"{source.id}: its figure does not fit into memory."):
                    folder.write(attender(source), known)
                tally.done += 1
            except ImageError as error:
                tally.failed.append(Failure(source.id, error, source))
    return tally


def report(tally: Tally, ignored: int, output: FigureOptions) -> None:
    """Where the figures are, on stdout; what went wrong, on stderr."""
    from dinoseg.outputs.claim import HEADS

    folder = output.output / HEADS
    say_failures(tally.failed, len(tally.failed), "--json lists all of them")
    if tally.done or tally.skipped or tally.failed:
        say_counts({"done": tally.done, "done before": tally.skipped, "failed": len(tally.failed)})
    if output.json:
        counts = {"done": tally.done, "skipped": tally.skipped, "ignored": ignored}
        tell_json(counts | {"failed": as_json(tally.failed), "results": {HEADS: folder}})
    elif tally.done or tally.skipped:
        tell(folder)
