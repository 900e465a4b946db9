"""``dinoseg models``: what can be loaded by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from dinoseg.cli.arguments import Json
from dinoseg.cli.console import inform, tell, tell_json, tell_table
from dinoseg.errors import UsageError

if TYPE_CHECKING:
    from dinoseg.backbone.names import ZooEntry

models = App(name="models")


@models.default
def show(*, json: Json = False) -> None:
    """What can be loaded, from where, how large, and whether it is on this machine."""
    from dinoseg.backbone.names import ZOO

    rows = [row(name, entry) for name, entry in ZOO.items()]
    if json:
        tell_json(rows)
        return
    lines = [list(({**values, "here": "yes" if values["here"] else "no"}).values()) for values in rows]
    tell_table([list(rows[0]), *lines])
    inform("A path of a .safetensors or .pth file is a model as well; `dinoseg models fetch NAME` downloads one.")
    inform(
        "DINO's ResNet-50 cannot be fetched by name: give the path of dino_resnet50_pretrain.pth, which the README of "
        "github.com/facebookresearch/dino links to."
    )


def row(name: str, entry: ZooEntry) -> dict[str, Any]:
    """One line of the table."""
    from dinoseg.backbone.names import cached

    return {
        "name": name,
        "patch": entry.patch,
        "MB": entry.megabytes,
        "here": cached(name) is not None,
        "note": entry.note,
        "from": entry.hub or "this package",
        "licence": entry.licence,
    }


@models.command
def fetch(name: Annotated[str, Parameter(help="A name of `dinoseg models`.")], /, *, json: Json = False) -> None:
    """Download a model into the cache and print where it lies."""
    from dinoseg.backbone.names import ZOO, find_weights

    if name not in ZOO:
        raise UsageError(f"{name} is not one of the models that can be fetched: {', '.join(ZOO)}.")
    file = find_weights(name)
    if json:
        tell_json({"name": name, "file": file})
    else:
        tell(file)
