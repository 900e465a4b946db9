"""Families of networks: one file each, one line each in ``FAMILIES``. Whatever depends on the family is asked of it."""

from __future__ import annotations

from functools import cache

from dinoseg.backbone.families.family import Family
from dinoseg.registry import Registry

FAMILIES = Registry(
    "family",
    {
        "convolutional": "dinoseg.backbone.families.convolutional:CONVOLUTIONAL",
        "dino": "dinoseg.backbone.families.dino:DINO",
        "dinov2": "dinoseg.backbone.families.dinov2:DINOV2",
        "dinov2-registers": "dinoseg.backbone.families.dinov2_registers:DINOV2_REGISTERS",
        "dinov3": "dinoseg.backbone.families.dinov3:DINOV3",
    },
)
"""From what is plain to what is special: a later family is asked before an earlier one whether a file is of it."""


@cache
def family_of(name: str) -> Family:
    """The family of that name. Raises ``OptionError`` for one that does not exist."""
    family: Family = FAMILIES.load(name)
    return family


def families() -> list[Family]:
    """All of them, in the order in which they are asked."""
    return [family_of(name) for name in reversed(FAMILIES)]
