"""Photographs that are spoiled before a method sees them, and how a report says so."""

from __future__ import annotations

from dataclasses import replace

from dinoseg.backbone.memory import within_memory
from dinoseg.errors import DinosegError
from dinoseg.evaluation.report import Subject
from dinoseg.images.corruptions import Condition, corrupted
from dinoseg.images.decode import decode
from dinoseg.types import Failure, Source


def corrupted_source(source: Source, condition: Condition | None, id_: str, max_pixels: int) -> Source | Failure:
    """A photograph under a condition, or why it cannot be read; ``id_`` as in ``corrupted``.

    ``max_pixels``: larger photographs are refused.
    """
    if condition is None:
        return source
    try:
        pixels = decode(source, max_pixels=max_pixels).pixels
        with within_memory(f"{source.id}: does not fit into memory."):
            return Source(source.id, corrupted(pixels, condition, id_))
    except DinosegError as error:
        return Failure(source.id, error, source)


def under(subject: Subject, condition: Condition | None) -> Subject:
    """What is scored, with the condition of the photographs."""
    if condition is None:
        return subject
    options = subject.options | {"corrupt": str(condition)}
    return replace(subject, options=options, lines=(*subject.lines, condition.line))
