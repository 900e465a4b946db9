"""What CLS attention costs: ours against timm's fused forward pass and the official program's way.

    python benchmarks/attention_cost.py [--patch 16] [--size 480] [--rounds 15] [--json FILE]

Three ways on the same random weights and the same image, interleaved in one process:

ours      `Backbone.__call__`: all blocks but the last, there one softmax row per head
fused     `timm ... .forward_features`: the whole network, fused attention, no attention to see
official  the way of facebookresearch/dino: softmax(q k^T) written out in every block, N x N kept in the last;
          restated here from its description and checked against ours before anything is timed

Times are medians of paired ratios over the rounds (one thread unless --threads says otherwise, nothing else should
run). Memory is the peak above the loaded network, each way in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import timm
import torch
from harness import command_line, in_turn, paired_ratios, peak_memory, vit_small
from torch import Tensor

from dinoseg.backbone.base import Backbone

WAYS = ("ours", "fused", "official")


def official(backbone: Backbone, image: Tensor) -> Tensor:
    """CLS attention as the official program takes it: whole attention matrices, an explicit softmax in every block."""
    x, _ = backbone.embed(image)
    for index, block in enumerate(backbone.vit.blocks):
        batch, tokens, width = x.shape
        qkv = block.attn.qkv(block.norm1(x)).reshape(batch, tokens, 3, 6, width // 6).permute(2, 0, 3, 1, 4)
        attention = (qkv[0] @ qkv[1].transpose(-2, -1) * (width // 6) ** -0.5).softmax(dim=-1)  # (B, heads, T, T)
        if index == len(backbone.vit.blocks) - 1:
            return attention[:, :, 0, 1:]
        x = x + block.attn.proj((attention @ qkv[2]).transpose(1, 2).reshape(batch, tokens, width))
        x = x + block.mlp(block.norm2(x))
    raise AssertionError("a network has a last block")


def ways(backbone: Backbone) -> dict[str, Callable[[Tensor], Tensor]]:
    plain = timm.create_model(f"vit_small_patch{backbone.spec.patch}_224.dino", num_classes=0, dynamic_img_size=True)
    plain.load_state_dict(backbone.vit.state_dict())
    plain.eval()
    return {
        "ours": lambda image: backbone(image).attention,
        "fused": plain.forward_features,
        "official": lambda image: official(backbone, image),
    }


@torch.inference_mode()
def measure_times(patch: int, size: int, rounds: int) -> dict[str, list[float]]:
    backbone, image = vit_small(patch), torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(1))
    functions = ways(backbone)
    difference = (functions["ours"](image).flatten(2) - functions["official"](image)).abs().max().item()
    if difference > 1e-6:
        raise SystemExit(f"ours and the official way differ by {difference}: nothing is timed")
    calls = {way: partial(function, image) for way, function in functions.items()}
    in_turn(calls, 1)  # warms up
    return in_turn(calls, rounds, time.perf_counter)


@torch.inference_mode()
def measure_memory(way: str, patch: int, size: int) -> float:
    """Peak MiB above the loaded network, in this process."""
    backbone, image = vit_small(patch), torch.randn(1, 3, size, size)
    function = ways(backbone)[way]
    function(image[:, :, : 4 * patch, : 4 * patch])  # libraries set themselves up
    return peak_memory(lambda: function(image))


def main() -> None:
    parser = command_line(__doc__, output=False)
    parser.add_argument("--patch", type=int, default=16, choices=(8, 16))
    parser.add_argument("--size", type=int, default=480)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--memory-of", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.memory_of:
        print(measure_memory(arguments.memory_of, arguments.patch, arguments.size))
        return
    times = measure_times(arguments.patch, arguments.size, arguments.rounds)
    shape = ["--patch", str(arguments.patch), "--size", str(arguments.size), "--threads", str(arguments.threads)]
    memory = {
        way: float(subprocess.check_output([sys.executable, __file__, *shape, "--memory-of", way], text=True))
        for way in WAYS
    }
    report = {
        "patch": arguments.patch,
        "size": arguments.size,
        "rounds": arguments.rounds,
        "threads": arguments.threads,
    }
    print(f"ViT-S/{arguments.patch}, {arguments.size} px, {arguments.rounds} rounds, {arguments.threads} thread(s)")
    print("| way | median s | time against fused (range) | peak MiB above the network |\n|---|---|---|---|")
    for way in WAYS:
        middle, low, high = paired_ratios(times[way], times["fused"])
        print(
            f"| {way} | {statistics.median(times[way]):.3f} | {middle:.3f} ({low:.3f}-{high:.3f}) | {memory[way]:.0f} |"
        )
        report[way] = {"times": times[way], "against_fused": [middle, low, high], "peak_mib": memory[way]}
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
