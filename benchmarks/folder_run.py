"""A folder of 500 photographs with ten broken ones: speed, memory, failures, and a run that is killed half-way.

    python benchmarks/folder_run.py PHOTOS [--count 500] [--method attention-cut] [--work DIR] [--json FILE]

Takes `count` photographs of PHOTOS (evenly out of the sorted list), spoils ten of them in ten ways, and runs
`dinoseg segment` on the folder as a user would, in a process of its own: once undisturbed, and once killed with -9
half-way and started again. Prints images/s, the share of the time in the network, peak memory, exit code and the
failures, and whether both folders hold the same files and, times and order aside, the same manifest.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dinoseg.images.find import find
from dinoseg.types import Source

TIMES = ("seconds", "mtime")


def spoil(content: bytes, way: int) -> bytes:
    """Ten kinds of files that are no photographs."""
    half = len(content) // 2
    ways = (
        b"", content[:half], content[:300], b"<!DOCTYPE html><html>404</html>", b"not an image", b"\0" * 4096,
        content[:half] + b"\0", b"\x89PNG\r\n\x1a\n" + b"\0" * 40, b"GIF89a", b"%PDF-1.7",
    )  # fmt: skip
    return ways[way]


def make_folder(photos: Path, folder: Path, count: int) -> list[str]:
    """Copies of the photographs, ten of them spoiled; returns the names of those."""
    sources = [source for source in find([photos]) if isinstance(source, Source)]
    chosen = [sources[i * len(sources) // count] for i in range(count)]
    spoiled = []
    for index, source in enumerate(chosen):
        path = Path(str(source.content))
        target = folder / f"{index // 100:02d}" / f"{index:04d}{path.suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        broken = index % (count // 10) == 7
        target.write_bytes(spoil(path.read_bytes(), len(spoiled)) if broken else path.read_bytes())
        if broken:
            spoiled.append(target.relative_to(folder).as_posix())
    return spoiled


def command(folder: Path, output: Path, arguments: argparse.Namespace) -> list[str]:
    options = ["--method", arguments.method, "--model", arguments.model, "--formats", "masks", "overlays", "coco"]
    return [sys.executable, "-m", "dinoseg", "segment", str(folder), "-o", str(output), "--json", *options]


def undisturbed(call: list[str]) -> tuple[int, dict[str, object], float]:
    """Exit code, summary and peak memory in MiB of a whole run."""
    process = subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout
    summary = json.loads(process.stdout.read())
    _, status, usage = os.wait4(process.pid, 0)
    return os.waitstatus_to_exitcode(status), summary, usage.ru_maxrss / 1024


def killed(call: list[str], output: Path, lines: int) -> int:
    """Kill a run with -9 once its manifest has that many lines, and run it again; returns what was done before."""
    process = subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    manifest = output / "manifest.jsonl"
    while not manifest.exists() or manifest.read_bytes().count(b"\n") < lines:
        if process.poll() is not None:
            raise SystemExit("the run ended before it could be killed")
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    again = subprocess.run(call, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return int(json.loads(again.stdout)["skipped"])


def contents(output: Path) -> dict[str, str]:
    """Hash of every result file but the manifest."""
    files = [
        path for path in output.rglob("*") if path.is_file() and path.name not in ("manifest.jsonl", ".dinoseg.lock")
    ]
    return {
        path.relative_to(output).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files)
    }


def manifest(output: Path) -> list[dict[str, object]]:
    """The manifest without times, in order of ids."""

    def timeless(value: object) -> object:
        if isinstance(value, dict):
            return {key: timeless(inner) for key, inner in value.items() if key not in TIMES}
        return value

    lines = [json.loads(line) for line in (output / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    return sorted((timeless(line) for line in lines), key=lambda line: line["id"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--method", default="attention-cut")
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--work", type=Path, help="scratch folder (default: a temporary one, removed)")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    work = arguments.work or Path(tempfile.mkdtemp())
    folder, one, two = work / "photos", work / "undisturbed", work / "killed"
    spoiled = make_folder(arguments.photos, folder, arguments.count)
    code, summary, peak = undisturbed(command(folder, one, arguments))
    before = killed(command(folder, two, arguments), two, arguments.count // 2)
    failed = {failure["id"]: failure["reason"] for failure in summary["failed"]}
    stages = summary["stages"]
    report = {
        "photographs": arguments.count,
        "exit_code": code,
        "failures": failed,
        "failures_are_the_spoiled": sorted(failed) == sorted(spoiled),
        "seconds": round(summary["seconds"], 1),
        "images_per_second": round(arguments.count / summary["seconds"], 2),
        "seconds_by_stage": {stage: round(seconds, 1) for stage, seconds in stages.items()},
        "network_share_of_wall_time": round(stages["backbone"] / summary["seconds"], 3),
        "peak_memory_mib": round(peak),
        "done_before_the_kill": before,
        "same_files_after_kill": contents(one) == contents(two),
        "same_manifest_after_kill": manifest(one) == manifest(two),
    }
    print(json.dumps(report, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")
    if not arguments.work:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
