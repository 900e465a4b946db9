import io

import PIL.Image
import pytest

from dinoseg.errors import TruncatedImage
from dinoseg.outputs import contact_sheet
from dinoseg.outputs.record import failure_record, record_of
from dinoseg.types import Failure
from tests.outputs.scenes import box_mask, segmentation

MASK = box_mask((24, 32), 4, 4, 20, 20)


@pytest.fixture
def drawn(monkeypatch):
    """What is handed to the sheet."""
    handed = {}

    def note(tiles, heading):
        handed.update(tiles=tiles, heading=heading)
        return PIL.Image.new("RGB", (8, 8))

    monkeypatch.setattr(contact_sheet, "contact_sheet", note)
    return handed


def records(root, count):
    (root / "overlays").mkdir()
    for index in range(count):
        path = f"overlays/{index:03d}.png"
        PIL.Image.new("RGB", (32, 24), (index, 0, 0)).save(root / path)
        yield record_of(segmentation([MASK], id_=f"{index:03d}.jpg"), files={"overlays": path})


def empties(root, count):
    for index in range(count):
        path = f"overlays/e{index:03d}.png"
        PIL.Image.new("RGB", (32, 24), (0, index, 0)).save(root / path)
        yield record_of(segmentation([], id_=f"e{index:03d}.jpg"), files={"overlays": path})


@pytest.mark.parametrize(
    ("counts", "heading", "shown"),
    [
        ((0, 0, 0), "0 images", (0, 0, 0)),
        ((1, 0, 0), "1 image: 1 with objects", (1, 0, 0)),
        ((3, 1, 2), "6 images: 3 with objects, 1 without, 2 failed", (3, 1, 2)),
        ((0, 0, 2), "2 images: 2 failed", (0, 0, 2)),
        ((60, 0, 0), "60 images: 60 with objects; shown: 48 with objects", (48, 0, 0)),
        (
            (60, 20, 2),
            "82 images: 60 with objects, 20 without, 2 failed; shown: 38 with objects, 8 without, 2 failed",
            (38, 8, 2),
        ),
    ],
)
def test_d63_first_images_of_each_kind_in_order_and_how_many_there_are(tmp_path, drawn, counts, heading, shown):
    done, empty, failed = counts
    failures = [failure_record(Failure(f"f{k}", TruncatedImage("ends early")), "") for k in range(failed)]
    everything = [*failures, *records(tmp_path, done), *empties(tmp_path, empty)]
    (content,) = contact_sheet.build(everything, tmp_path)
    assert PIL.Image.open(io.BytesIO(content)).format == "PNG"
    assert drawn["heading"] == heading
    done, empty, failed = shown
    assert [tile.name for tile in drawn["tiles"]] == [
        *(f"{index:03d}.jpg" for index in range(done)),
        *(f"e{index:03d}.jpg" for index in range(empty)),
        *(f"f{index}" for index in range(failed)),
    ]
    assert [tile.picture.getpixel((0, 0))[0] for tile in drawn["tiles"][:done]] == list(range(done))
    assert [tile.picture for tile in drawn["tiles"][done + empty :]] == [None] * failed
    assert {tile.caption for tile in drawn["tiles"][done + empty :]} <= {"failed: truncated"}


def test_missing_and_damaged_overlays_are_left_out(tmp_path, drawn):
    found = list(records(tmp_path, 3))
    (tmp_path / "overlays/000.png").unlink()
    (tmp_path / "overlays/001.png").write_bytes((tmp_path / "overlays/002.png").read_bytes()[:60])
    list(contact_sheet.build(found, tmp_path))
    assert drawn["heading"] == "3 images: 3 with objects; shown: 1 with objects"
    assert [tile.name for tile in drawn["tiles"]] == ["002.jpg"]


@pytest.mark.parametrize(
    ("masks", "caption"),
    [
        ([], "no object"),
        ([MASK], "1 object, score 0.90"),
        ([MASK, MASK], "2 objects, score 0.90"),
    ],
)
def test_caption(masks, caption):
    assert contact_sheet.caption(record_of(segmentation(masks))) == caption
