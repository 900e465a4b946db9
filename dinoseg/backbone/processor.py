"""What this processor multiplies in hardware, and so what OpenVINO is fast at here."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Literal

CAPS = {
    "AVX2": (),
    "AVX2_VNNI": ("avx_vnni",),
    "AVX512_CORE": ("avx512f",),
    "AVX512_CORE_VNNI": ("avx512f", "avx512_vnni"),
    "AVX512_CORE_BF16": ("avx512f", "avx512_vnni"),
}
"""What of the flags below is left under the values of ONEDNN_MAX_CPU_ISA that take something away."""


def precision() -> Literal["bf16", "f32"] | None:
    """In which precision an exported network runs fastest here; None where PyTorch is as fast (benchmarks/speed.py).

    bf16 pays with AMX only: with AVX-512's own bf16, or emulated, it is slower than integers with float32.
    """
    if has("amx_bf16"):
        return "bf16"
    return "f32" if has("avx512f") or has("avx512_vnni") or has("avx_vnni") else None


def has(flag: str) -> bool:
    """Whether Linux names a flag of the processor, and oneDNN was not told to do without it."""
    cap = CAPS.get(os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper())
    return flag in flags() and (cap is None or flag in cap)


@lru_cache(maxsize=1)
def flags() -> frozenset[str]:
    """The flags of the processor; none where the system does not tell."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    line = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return frozenset(line.partition(":")[2].split())
