"""The page: of this machine alone, keeps nothing, and does in a browser what it says."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from dinoseg.options import AppOptions, ModelOptions
from tests.helpers import disk_photo, encode
from tests.networks import save_teacher

gradio = pytest.importorskip("gradio")
from dinoseg.app.page import HOST, serving  # noqa: E402

PATIENCE = 60
"""Seconds in which a machine, however busy, answers."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelOptions:
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    save_teacher(path)
    return ModelOptions(model=str(path), size=64, device="cpu")


@pytest.fixture(scope="module")
def address(model: ModelOptions) -> Iterator[str]:
    with serving(model, AppOptions()) as address:
        yield address


def status(address: str, **headers: str) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=PATIENCE) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_h114_files_of_the_machine_cannot_be_had(address: str, tmp_path: Path) -> None:
    assert status(address) == 200
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    climbing = Path(os.environ["GRADIO_TEMP_DIR"], "..", secret.relative_to(secret.anchor))
    for path in (secret, "/etc/passwd", climbing, Path(__file__)):
        assert status(f"{address}gradio_api/file={path}") in (403, 404), path


def test_h114_only_this_machine_is_served(address: str) -> None:
    port = int(address.rstrip("/").rpartition(":")[2])
    own = {each[4][0] for each in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {HOST}
    for other in own:
        with pytest.raises(OSError), socket.create_connection((other, port), timeout=5):  # noqa: PT011 (of any kind)
            pass


def test_h114_what_is_set_for_other_pages_does_not_hold(
    model: ModelOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (secret := tmp_path / "secret.txt").write_text("secret")
    monkeypatch.setenv("GRADIO_ALLOWED_PATHS", str(tmp_path))
    monkeypatch.setenv("GRADIO_TEMP_DIR", os.environ.get("GRADIO_TEMP_DIR", str(tmp_path)))  # put back afterwards
    with serving(model, AppOptions()) as other:
        assert status(f"{other}gradio_api/file={secret}") in (403, 404)


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}], ids=["name", "page"])
def test_h114_other_sites_are_refused(address: str, headers: dict[str, str]) -> None:
    assert status(address) == 200
    assert status(address, **headers) == 403
    assert status(address, Origin=address.rstrip("/")) == 200


def command(model: ModelOptions, folder: Path, *words: str) -> subprocess.Popen[str]:
    """`dinoseg app`, with ``folder`` for temporary files."""
    line = [sys.executable, "-m", "dinoseg", "app", "--model", model.model, "--size", "64", *words]
    environment = {**os.environ, "TMPDIR": str(folder)}
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def test_ctrl_c_ends_it_and_nothing_is_kept(model: ModelOptions, tmp_path: Path) -> None:
    process = command(model, tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline().startswith(f"http://{HOST}:")
    (folder,) = tmp_path.glob("dinoseg-app-*")
    assert folder.stat().st_mode & 0o777 == 0o700
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert not folder.exists()


def test_a_port_that_is_taken_is_told(address: str, model: ModelOptions, tmp_path: Path) -> None:
    port = address.rstrip("/").rpartition(":")[2]
    process = command(model, tmp_path, "--port", port)
    _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert f"--port {port} cannot be had" in told
    assert not list(tmp_path.glob("dinoseg-app-*"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver")
    driver, chromium = shutil.which("chromedriver"), shutil.which("chromium")
    if not driver or not chromium:
        pytest.skip("no chromium")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1300,1200"):
        options.add_argument(word)
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield chrome
    finally:
        chrome.quit()


class Visitor:
    """Somebody at the page."""

    def __init__(self, browser: Any, address: str) -> None:
        self.browser = browser
        browser.get(address)
        self.wait(lambda: self.all("input[type=file]"))

    def all(self, selector: str) -> list[Any]:
        return self.browser.find_elements("css selector", selector)

    def wait(self, what: Callable[[], Any]) -> Any:
        from selenium.common.exceptions import StaleElementReferenceException

        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                if found := what():
                    return found
            except StaleElementReferenceException:
                pass
            time.sleep(0.05)
        pytest.fail("the page does not do it")

    def drop(self, path: Path) -> None:
        self.wait(lambda: self.all("#photograph input[type=file]"))[0].send_keys(str(path))

    def source(self, name: str) -> str:
        """Where the picture of that name lies; nothing where there is none."""
        return next((image.get_attribute("src") for image in self.all(f"#{name} img")), "")

    def changed(self, name: str, before: str) -> str:
        return self.wait(lambda: (now := self.source(name)) != before and now)

    def choose(self, name: str, value: str) -> None:
        (field,) = self.all(f"#{name} input")
        field.click()
        self.wait(lambda: [x for x in self.all("[role=option]") if x.text.strip() == value])[0].click()

    def press(self, text: str) -> None:
        next(x for x in self.all("button") if x.text.startswith(text) and x.is_displayed()).click()

    def click(self, name: str, x: int, y: int) -> None:
        """A point of a picture, px from its middle."""
        from selenium.webdriver import ActionChains

        ActionChains(self.browser, duration=0).move_to_element_with_offset(
            self.all(f"#{name} img")[0], x, y
        ).click().perform()


def test_a_photograph_is_looked_at(browser: Any, address: str, tmp_path: Path) -> None:
    path = tmp_path / "disk.png"
    path.write_bytes(encode(disk_photo(240, 360)[0]))
    visitor = Visitor(browser, address)
    visitor.choose("first-method", "kmeans")
    visitor.drop(path)
    first = visitor.changed("first-picture", "")
    visitor.choose("first-method", "attention-cut")
    second = visitor.changed("first-picture", first)
    visitor.choose("second-method", "kmeans")
    visitor.changed("second-picture", "")
    assert visitor.source("first-picture") == second  # the other one is left as it is
    visitor.press("Parameters")
    visitor.wait(lambda: [x for x in visitor.all("label") if x.text.startswith("power")])
    visitor.press("Files")
    links = visitor.wait(
        lambda: (
            [x.get_attribute("href") for x in visitor.all("#first-links a")] if visitor.all("a[href$='.json']") else []
        )
    )
    assert sorted(link.rpartition(".")[2] for link in links) == ["json", *["png"] * 4]
    for link in links:
        with urllib.request.urlopen(link, timeout=PATIENCE) as answer:
            content = answer.read()
        json.loads(content) if link.endswith("json") else PIL.Image.open(io.BytesIO(content)).verify()

    visitor.press("Attention")
    visitor.changed("attended", "")
    visitor.wait(lambda: len(visitor.all("#heads img")) >= 2)
    visitor.click("clickable", 20, 10)
    alike = visitor.changed("alike", "")
    visitor.click("clickable", -60, -40)
    visitor.changed("alike", alike)
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert loaded
    assert not [name for name in loaded if not name.startswith((address, "data:", "blob:"))]  # nothing of elsewhere


def test_what_is_no_photograph_is_told(browser: Any, address: str, tmp_path: Path) -> None:
    path = tmp_path / "letter.jpg"
    path.write_text("no picture")
    visitor = Visitor(browser, address)
    visitor.drop(path)
    told = visitor.wait(lambda: [x.text for x in visitor.all("[data-testid=toast-body]") if x.text])
    assert "letter.jpg" in told[0]
