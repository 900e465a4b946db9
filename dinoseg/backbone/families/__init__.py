"""Families of networks: one file each, one line each in ``FAMILIES``. Whatever depends on the family is asked of it."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from dinoseg.backbone.families.family import Family

FAMILIES: dict[str, str] = {
    "dinov3": "dinoseg.backbone.families.dinov3:DINOV3",
    "dinov2-registers": "dinoseg.backbone.families.dinov2_registers:DINOV2_REGISTERS",
    "dinov2": "dinoseg.backbone.families.dinov2:DINOV2",
    "dino": "dinoseg.backbone.families.dino:DINO",
    "convolutional": "dinoseg.backbone.families.convolutional:CONVOLUTIONAL",
}
"""The first that recognises a file has it, so what is special comes before what is plain."""


@cache
def family_of(name: str) -> Family:
    """The family of that name. Raises ``KeyError`` for one that does not exist."""
    module, _, attribute = FAMILIES[name].partition(":")
    family: Family = getattr(import_module(module), attribute)
    return family


def families() -> list[Family]:
    """All of them, in the order in which they are tried."""
    return [family_of(name) for name in FAMILIES]
