"""Photographs that crops are taken from."""

from dinoseg.types import Source
from tests.helpers import disk_photo


def sources(count=6):
    return [Source(f"{i}", disk_photo(48, 60, (24, 30), 14, seed=i)[0]) for i in range(count)]
