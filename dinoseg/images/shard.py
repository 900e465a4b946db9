"""A part of the photographs, for one of several runs: by their ids alone, whatever else lies beside them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from dinoseg.errors import OptionError
from dinoseg.images.find import Listing

FORM = re.compile(r"(\d{1,6})/(\d{1,6})")


@dataclass(frozen=True, slots=True)
class Shard:
    """Number ``number`` of ``count`` parts, counted from 1. Each id is in exactly one of them."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """The shard that ``I/N`` names. Raises ``OptionError``."""
        found = FORM.fullmatch(text)
        if found and 1 <= int(found[1]) <= int(found[2]):
            return cls(int(found[1]), int(found[2]))
        raise OptionError(f"--shard {text} must be I/N, for instance 3/7, with I in 1..N.")

    def __contains__(self, id_: str) -> bool:
        digest = hashlib.sha256(id_.encode("utf-8", "surrogateescape")).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.number - 1

    def __str__(self) -> str:
        """As it is typed."""
        return f"{self.number}/{self.count}"

    @property
    def folder(self) -> str:
        """Name of the folder of its results."""
        return f"{self.number}-of-{self.count}"

    def of(self, listing: Listing) -> Listing:
        """What of a listing belongs to it."""
        return Listing(item for item in listing.found if item is None or item.id in self)
