"""Streams of random numbers: a run's seed and a key decide all of them, so that a resumed run needs no history."""

from __future__ import annotations

import numpy as np

WEIGHTS, ORDER, VIEWS, DROP_PATH, FIXED_CROPS = range(5)


def seed_of(*key: int) -> int:
    """A 64-bit seed for a key; different keys give independent streams (NumPy's ``SeedSequence``)."""
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0])
