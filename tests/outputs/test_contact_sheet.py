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


@pytest.mark.parametrize(
    ("count", "failed", "heading"),
    [
        (0, 0, "0 of 0 images"),
        (1, 0, "1 of 1 image"),
        (3, 2, "3 of 3 images, 2 failed"),
        (60, 0, "48 of 60 images"),
    ],
)
def test_d63_first_images_in_order_and_how_many_there_are(tmp_path, drawn, count, failed, heading):
    failures = [failure_record(Failure(f"f{k}", TruncatedImage("ends early")), "") for k in range(failed)]
    (content,) = contact_sheet.build([*records(tmp_path, count), *failures], tmp_path)
    assert PIL.Image.open(io.BytesIO(content)).format == "PNG"
    assert drawn["heading"] == heading
    assert [tile.name for tile in drawn["tiles"]] == [f"{index:03d}.jpg" for index in range(min(count, 48))]
    assert [tile.picture.getpixel((0, 0))[0] for tile in drawn["tiles"]] == list(range(min(count, 48)))


def test_missing_and_damaged_overlays_are_left_out(tmp_path, drawn):
    found = list(records(tmp_path, 3))
    (tmp_path / "overlays/000.png").unlink()
    (tmp_path / "overlays/001.png").write_bytes((tmp_path / "overlays/002.png").read_bytes()[:60])
    list(contact_sheet.build(found, tmp_path))
    assert drawn["heading"] == "1 of 3 images"
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
