"""Whether two runs are the same: by the facts that decide their results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from dinoseg.errors import OutputConflict
from dinoseg.strict_json import plain, to_json


def run_id(facts: Mapping[str, Any]) -> str:
    """Hash of everything that determines results; the order of keys does not matter."""
    text = json.dumps(plain(facts), sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def refuse_other_run(place: object, before: Mapping[str, Any], now: Mapping[str, Any], remedy: str) -> None:
    """Raise ``OutputConflict`` when a place was begun with other facts than ``now``, saying in what they differ.

    ``before`` is what was read back. ``remedy`` says what to do.
    """
    facts = plain(now)
    if before != facts:
        other = "; ".join(differences(before, facts))
        raise OutputConflict(f"{place} holds results of other options ({other}); {remedy}")


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """``method: there "attention", now "tokencut"`` for each value that differs; an ``id`` follows from the others."""
    for key in sorted(before.keys() | now.keys() - {"id"}):
        there, here = before.get(key), now.get(key)
        if isinstance(there, dict) and isinstance(here, dict):
            yield from (each if key == "options" else f"{key} {each}" for each in differences(there, here))
        elif key != "id" and there != here:
            yield f"{key}: there {to_json(there)}, now {to_json(here)}"
