import html
import io
import json
import re
import shutil
import subprocess

import numpy as np
import PIL.Image
import pytest

from dinoseg.errors import TruncatedImage
from dinoseg.outputs.format import Scene
from dinoseg.outputs.record import failure_record, record_of
from dinoseg.outputs.report import SIDE, TEMPLATE, build, encode
from dinoseg.types import Failure
from tests.helpers import gradient
from tests.outputs.scenes import RUN, box_mask, disk, folder, segmentation, write_disk

MASK = box_mask((24, 32), 8, 4, 24, 20)
EVIL = '</script><img src=x onerror=alert(1)>&"{{ 7 * 7 }}.jpg'
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def rows_of(page: str) -> list:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])


def page_of(records, root) -> str:
    return b"".join(build(records, root)).decode()


def some_records(count: int) -> list:
    """Scores 0, 0.01 ..., every third without an object."""
    made = []
    for index in range(count):
        masks = [] if index % 3 == 2 else [MASK] * (1 + index % 3)
        made.append(record_of(segmentation(masks, [index / 100] * len(masks) or None, id_=f"{index:04d}.jpg")))
    return made


def test_a_thumbnail_is_photograph_overlay_and_mask():
    result = segmentation([MASK], content=PIL.Image.fromarray(gradient(24, 32)))
    with PIL.Image.open(io.BytesIO(encode(Scene(result)))) as image:
        pixels = np.asarray(image).astype(int)
    assert pixels.shape == (24, 96, 3)
    assert abs(pixels[:, :32] - gradient(24, 32)).mean() < 8
    assert ((pixels[:, 64:].mean(axis=2) > 127) == MASK).all()


def test_large_photographs_are_reduced():
    result = segmentation([box_mask((800, 1600), 10, 10, 700, 700)])
    with PIL.Image.open(io.BytesIO(encode(Scene(result)))) as image:
        assert image.size == (3 * SIDE, SIDE // 2)


def test_a_folder_run_writes_it_and_keeps_it_up(tmp_path):
    for id_ in ("a.png", "b/c d#1.png"):
        write_disk(tmp_path / "photos" / id_)
    for ids in (["a.png"], ["a.png", "b/c d#1.png"]):
        with folder(tmp_path / "out", "report") as run:
            for id_ in ids:
                run.write(*disk(tmp_path / "photos" / id_, id_))
            run.finish()
        rows = rows_of((tmp_path / "out" / "report" / "index.html").read_text("utf-8"))
        assert [row["id"] for row in rows] == ids
    assert rows[1]["image"] == "thumbnails/b/c%20d%231.png.jpg"
    assert (tmp_path / "out" / "report" / "thumbnails" / "b" / "c d#1.png.jpg").is_file()
    with folder(tmp_path / "out", "masks", run={**RUN, "version": "2"}, overwrite=True):
        assert not (tmp_path / "out" / "report").exists()  # it goes with the run


def test_rows(tmp_path):
    failed = failure_record(Failure("c.jpg", TruncatedImage("c.jpg ends early")), "run")
    done, empty = record_of(segmentation([MASK], id_="a.jpg")), record_of(segmentation(id_="b.jpg"))
    page = page_of([done, empty, failed], tmp_path / "holiday")
    first, second, third = rows_of(page)
    assert (first["status"], first["objects"], first["score"], first["ratio"]) == ("done", 1, 0.9, 1.3333)
    assert (second["status"], second["objects"], second["reason"]) == ("empty", 0, "no object")
    assert (third["status"], third["score"], third["reason"]) == ("failed", None, "truncated")
    assert third["message"] == "c.jpg ends early"
    assert "1 with objects, 1 without an object, 1 failed" in page


def test_h111_names_and_errors_are_escaped(tmp_path):
    evil = record_of(segmentation([MASK], id_=EVIL))
    failed = failure_record(Failure("z\udce9.jpg", TruncatedImage(f"{EVIL} ends early")), "run")
    page = page_of([evil, failed], tmp_path / "<b>holiday")
    assert page.count("<script") == 2
    assert "<img" not in page
    assert "<b>holiday" not in page
    rows = rows_of(page)
    assert rows[0]["id"] == EVIL
    assert rows[1]["message"].startswith(EVIL)


def test_nothing_is_loaded_from_elsewhere():
    text = TEMPLATE.read_text("utf-8")
    assert "default-src 'none'" in text
    assert not re.search(r"https?:|//[a-z]|@import|url\(", text)


def test_h117_thumbnails_have_no_metadata(tmp_path):
    image = PIL.Image.fromarray(gradient(24, 32))
    exif = PIL.Image.Exif()
    exif[0x013B] = "somebody"
    image.save(tmp_path / "a.jpg", exif=exif)
    assert b"somebody" not in encode(Scene(segmentation([MASK], content=tmp_path / "a.jpg")))


def test_d63_the_page_is_written_a_photograph_at_a_time(tmp_path):
    chunks = list(build(some_records(50), tmp_path))
    assert len(chunks) > 50
    assert max(map(len, chunks)) < 20_000  # the page without its rows


STEPS = """
const out = {};
const set = (id, value) => { at(id).value = value; at(id).dispatchEvent(new Event("input", { bubbles: true })); };
const press = key => (document.activeElement || document.body).dispatchEvent(
  new KeyboardEvent("keydown", { key, bubbles: true }));
const ids = () => [...cards.children].map(figure => figure.row.id);
out.cards = ids().length;
out.pages = at("pages").textContent;
press("n");
out.second = ids()[0];
press("p");
press("3");
out.mask = view;
press(" ");
out.photograph = view;
press("ArrowRight");
press("k");
press("r");
press("ArrowRight");
out.focus = document.activeElement.row.id;
at("list").value = "keep";
out.kept = listed();
at("list").value = "reject";
out.rejected = listed();
set("marked", "reject");
out.marked = ids();
set("marked", "");
set("status", "empty");
out.empty = shown.length;
set("status", "failed");
out.failed = [ids()[0], cards.textContent.includes("onerror")];
set("reason", "truncated");
out.truncated = ids().length;
set("status", "");
set("reason", "");
set("objects-from", "2");
out.two = shown.length;
set("objects-from", "");
set("score-from", "0.03");
set("score-to", "0.07");
set("sort", "-score");
out.scores = ids();
set("score-from", "");
set("score-to", "");
set("name", "ZZZ");
out.nothing = at("none").hidden;
out.images = document.images.length;
document.title = JSON.stringify(out);
"""


@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium")
def test_in_a_browser(tmp_path):
    failed = failure_record(Failure(EVIL, TruncatedImage(f"{EVIL} ends early")), "run")
    page = page_of([*some_records(600), failed], tmp_path)
    (tmp_path / "index.html").write_text(page.replace("</body>", f"<script>{STEPS}</script></body>"), "utf-8")
    words = [
        BROWSER,
        *FLAGS,
        f"--user-data-dir={tmp_path / 'browser'}",
        "--dump-dom",
        (tmp_path / "index.html").as_uri(),
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    told = json.loads(html.unescape(re.search("<title>(.*?)</title>", done.stdout, re.DOTALL)[1]))
    assert told == {
        "cards": 500,
        "pages": "601 shown, page 1 of 2",
        "second": "0500.jpg",
        "mask": 2,
        "photograph": 0,
        "focus": "0003.jpg",
        "kept": "0000.jpg\n",
        "rejected": "0001.jpg\n",
        "marked": ["0001.jpg"],
        "empty": 200,
        "failed": [EVIL, True],  # as words
        "truncated": 1,
        "two": 200,
        "scores": ["0007.jpg", "0006.jpg", "0004.jpg", "0003.jpg"],
        "nothing": False,
        "images": 0,
    }
