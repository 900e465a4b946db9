"""``dinoseg samples``: a few photographs to play with."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, NamedTuple

from cyclopts import Parameter

from dinoseg.atomic import atomic_write
from dinoseg.cli.arguments import Json
from dinoseg.cli.console import inform, tell_json, tell_table
from dinoseg.errors import OutputConflict, UsageError
from dinoseg.places import check_folder


class Sample(NamedTuple):
    """A colour photograph that lies inside the wheel of an installed package."""

    package: str
    name: str
    credit: str

    def file(self) -> Traversable:
        """Where the package keeps it."""
        return files(self.package).joinpath(self.name)


SAMPLES = (
    Sample("skimage.data", "astronaut.png", "NASA, public domain"),
    Sample("skimage.data", "chelsea.png", "Stefan van der Walt, CC0"),
    Sample("skimage.data", "coffee.png", "Rachel Michetti, CC0"),
    Sample("skimage.data", "motorcycle_left.png", "D. Scharstein et al., Middlebury stereo 2014"),
    Sample("skimage.data", "retina.jpg", "Mikael Häggström, CC0"),
    Sample("skimage.data", "rocket.jpg", "SpaceX, public domain"),
    Sample("sklearn.datasets.images", "china.jpg", "danielbuechele on Flickr, CC BY 2.0"),
    Sample("sklearn.datasets.images", "flower.jpg", "vultilion on Flickr, CC BY 2.0"),
)


def samples(
    directory: Annotated[Path, Parameter(help="Folder to write into; created if missing.")], /, *, json: Json = False
) -> None:
    """Write a few photographs to play with.

    They come from the installed scikit-image and scikit-learn; nothing is downloaded, no other file is overwritten.
    """
    check_folder(directory)
    photographs = {sample: sample.file().read_bytes() for sample in SAMPLES if sample.file().is_file()}
    if not photographs:
        raise UsageError("The installed scikit-image and scikit-learn carry no photographs.")
    for sample, content in photographs.items():
        refuse_other_file(directory / sample.name, content)
    directory.mkdir(parents=True, exist_ok=True)
    for sample, content in photographs.items():
        with atomic_write(directory / sample.name) as file:
            file.write(content)
    rows = [(directory / sample.name, sample.credit) for sample in photographs]
    if json:
        tell_json([{"file": file, "credit": credit} for file, credit in rows])
    else:
        tell_table(rows)
    inform(f"{len(photographs)} photographs; next: dinoseg segment {directory} -o masks")


def refuse_other_file(path: Path, content: bytes) -> None:
    """Raise ``OutputConflict`` if something else than ``content`` lies at ``path``."""
    if path.exists() and (not path.is_file() or path.read_bytes() != content):
        raise OutputConflict(f"{path} is there and is another file: name another folder. Nothing was written.")
