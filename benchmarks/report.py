"""The page of a folder of 5,000 photographs: how large it is, and how long a browser takes to open it.

    python benchmarks/report.py PHOTOS [--count 5000] [--method prior] [--work DIR] [--json FILE]

Takes the photographs of PHOTOS again and again until there are `count`, one in fifty of them broken, and runs `dinoseg
segment --formats report` on them, with a method that needs no network: only the page counts here. Then Chromium opens
the page from the disk, without a window, and tells when it and its first picture are there, and how long filters take.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from harness import command_line, photographs

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
PROBE = """
<script>
function clock(work) {
  const start = performance.now();
  work();
  document.body.offsetHeight;
  return performance.now() - start;
}
addEventListener("load", async () => {
  const ready = performance.getEntriesByType("navigation")[0].domInteractive;
  await cards.querySelector("img").decode();
  const picture = performance.now();
  const filtered = clock(() => { at("score-from").value = 0.2; choose(); });
  const turned = clock(() => turn(1));
  const heap = performance.memory ? performance.memory.usedJSHeapSize : 0;
  fetch("http://127.0.0.1:PORT/?" + new URLSearchParams({ ready, picture, filtered, turned, heap, rows: rows.length }));
});
</script>
"""
"""What is put into a copy of the page, which may speak to this program."""


def make_folder(photos: Path, folder: Path, count: int) -> None:
    """``count`` names for the photographs, 500 in a folder; one in fifty holds words."""
    paths = [Path(str(source.content)) for source in photographs(photos)]
    for index in range(count):
        path = paths[index % len(paths)]
        target = folder / f"{index // 500:03d}" / f"{index:05d}{path.suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        if index % 50 == 7:
            target.write_text("not a photograph")
        else:
            target.symlink_to(path.resolve())


def opened(page: Path, work: Path) -> dict[str, float]:
    """What the page tells of itself in a browser, in ms and bytes."""
    told: dict[str, float] = {}

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.update({name: float(values[0]) for name, values in parse_qs(urlsplit(self.path).query).items()})
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise SystemExit(f"There is no browser: install one of {', '.join(BROWSERS)}.")
    with HTTPServer(("127.0.0.1", 0), Listener) as server:
        server.timeout = 120
        text = page.read_text(encoding="utf-8").replace("default-src 'none';", "default-src 'none'; connect-src http:;")
        copy = page.with_name("probe.html")
        copy.write_text(text.replace("</body>", PROBE.replace("PORT", str(server.server_port)) + "</body>"), "utf-8")
        command = [browser, *FLAGS, f"--user-data-dir={work / 'browser'}", "--remote-debugging-port=0", copy.as_uri()]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            server.handle_request()
            process.terminate()
        copy.unlink()
    return told


def measured(photos: Path, work: Path, count: int, method: str) -> dict[str, object]:
    make_folder(photos, work / "photos", count)
    command = [
        sys.executable,
        "-m",
        "dinoseg",
        "segment",
        str(work / "photos"),
        "-o",
        str(work / "out"),
        "-q",
        "--json",
    ]
    options = ["--formats", "report", "--method", method, *(("--refine", "none") if method == "prior" else ())]
    seconds = []
    for _ in range(2):  # the second run does nothing but the page
        start = time.perf_counter()
        subprocess.run([*command, *options], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        seconds.append(round(time.perf_counter() - start, 1))
    report = work / "out" / "report"
    thumbnails = [path.stat().st_size for path in report.rglob("*.jpg")]
    told = [opened(report / "index.html", work) for _ in range(3)]
    middle = {name: sorted(each[name] for each in told)[1] for name in told[0]}
    return {
        "photographs": int(middle["rows"]),
        "index.html, MB": round((report / "index.html").stat().st_size / 1e6, 2),
        "thumbnails": len(thumbnails),
        "thumbnails, MB": round(sum(thumbnails) / 1e6, 1),
        "run, s": seconds[0],
        "again, s": seconds[1],
        "page parsed, ms": round(middle["ready"]),
        "first picture, ms": round(middle["picture"]),
        "filter, ms": round(middle["filtered"]),
        "next page, ms": round(middle["turned"]),
        "heap, MB": round(middle["heap"] / 1e6, 1),
    }


def main(arguments: list[str] | None = None) -> None:
    parser = command_line(__doc__, output=False)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--method", default="prior")
    parser.add_argument("--work", type=Path, help="where the folder is made (default: a temporary place)")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.work) as work:
        figures = measured(options.photos, Path(work), options.count, options.method)
    for name, value in figures.items():
        print(f"{name:20} {value}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
