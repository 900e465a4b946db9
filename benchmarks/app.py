"""`dinoseg app`: seconds from a click on a patch to the picture of what is like it, in a real browser.

    python benchmarks/app.py PHOTOGRAPH [--clicks N] [--picture PAGE.png] -o benchmarks/results/app

It needs the extra app, selenium and Chromium (Debian's chromium and chromium-driver). A click is timed from the moment
that the mouse button is released until the new picture is in the page, which is looked for every 5 ms. Writes FILE.md
and FILE.json; --picture keeps what the page looks like.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import PIL.Image
from harness import command_line, quoted
from selenium import webdriver
from selenium.webdriver import ActionChains, ChromeOptions, ChromeService

from dinoseg.app.page import serving
from dinoseg.evaluation.report import versions
from dinoseg.options import AppOptions, ModelOptions

PATIENCE = 60
STEP = 0.005


class Page:
    """The page in a browser without a window."""

    def __init__(self, address: str) -> None:
        options = ChromeOptions()
        options.binary_location = shutil.which("chromium") or ""
        for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1300,1150"):
            options.add_argument(word)
        self.browser = webdriver.Chrome(options=options, service=ChromeService(shutil.which("chromedriver")))
        self.browser.get(address)
        self.wait(lambda: self.all("#photograph input[type=file]"))

    def all(self, selector: str) -> list[Any]:
        """What a CSS selector finds."""
        return self.browser.find_elements("css selector", selector)

    def wait(self, what: Callable[[], Any]) -> Any:
        """What is there at last. Raises ``TimeoutError``."""
        end = time.perf_counter() + PATIENCE
        while time.perf_counter() < end:
            if found := what():
                return found
            time.sleep(STEP)
        raise TimeoutError("the page does not answer")

    def source(self, name: str) -> str:
        """Where the picture of that name lies, nothing where there is none yet."""
        script = f"const i = document.querySelector('#{name} img'); return i && i.complete ? i.src : ''"
        return self.browser.execute_script(script)

    def click(self, x: float, y: float) -> float:
        """Seconds until the answer to a click at a share of the picture is there."""
        (image,) = self.all("#clickable img")
        before, size = self.source("alike"), image.size
        place = (int((x - 0.5) * size["width"]), int((y - 0.5) * size["height"]))
        ActionChains(self.browser, duration=0).move_to_element_with_offset(image, *place).click().perform()
        start = time.perf_counter()
        self.wait(lambda: (now := self.source("alike")) and now != before)
        return time.perf_counter() - start


def measured(photograph: Path, clicks: int, picture: Path | None) -> dict[str, list[float]]:
    """Seconds of each click."""
    found: dict[str, list[float]] = {"click": []}
    grid = np.stack(np.meshgrid(*(np.linspace(0.2, 0.8, 8),) * 2), axis=-1).reshape(-1, 2)  # each of another patch
    places = np.random.default_rng(0).permutation(grid)[:clicks]
    with serving(ModelOptions(), AppOptions()) as address:
        page = Page(address)
        try:
            start = time.perf_counter()
            page.all("#photograph input[type=file]")[0].send_keys(str(photograph.resolve()))
            page.wait(lambda: page.source("first-picture"))
            found["photograph dropped to its mask"] = [time.perf_counter() - start]
            next(each for each in page.all("button[role=tab]") if each.text == "Attention").click()
            page.wait(lambda: page.source("attended") and page.source("clickable"))
            page.click(0.5, 0.5)
            for x, y in places:
                time.sleep(0.5)  # every head is drawn behind it
                found["click"].append(page.click(x, y))
            if picture:
                time.sleep(2)
                save(page.browser.get_screenshot_as_png(), picture)
        finally:
            page.browser.quit()
    return found


def save(screenshot: bytes, path: Path) -> None:
    """A picture of the page for a README: smaller, of few colours."""
    page = PIL.Image.open(io.BytesIO(screenshot)).convert("RGB")
    page.thumbnail((1040, 1040))
    page.quantize(128).save(path, optimize=True)


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("photograph", type=Path)
    parser.add_argument("--clicks", type=int, default=20)
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    found = measured(arguments.photograph, arguments.clicks, arguments.picture)
    lines = [
        "# The page in a browser\n",
        f"`{quoted('app.py', sys.argv[1:])}`, {os.cpu_count()} cores.\n",
        "| | seconds, median (least, most) | times |",
        "| --- | --- | --- |",
        *(f"| {name} | {median(x):.3f} ({min(x):.3f}, {max(x):.3f}) | {len(x)} |" for name, x in found.items()),
    ]
    arguments.output.with_suffix(".md").write_text("\n".join(lines) + "\n")
    content = {"command": quoted("app.py", sys.argv[1:]), "seconds": found, "versions": versions()}
    arguments.output.with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
