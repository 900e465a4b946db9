import xml.etree.ElementTree as ElementTree

import numpy as np
import PIL.Image
import pytest

from dinoseg.outputs.cvat import build
from dinoseg.outputs.record import record_of
from tests.outputs.scenes import segmentation
from tests.outputs.shapes import MASKS

NAMES = list(MASKS)[:9]


def document(id_: str = "b/a.jpg") -> bytes:
    records = [record_of(segmentation([MASKS[name] for name in NAMES], [0.5] * 9, id_=id_))]
    return b"".join(build([*records, record_of(segmentation(id_="c.jpg"))], None))


def test_masks_are_the_same():
    first, second = ElementTree.fromstring(document()).findall("image")
    assert first.attrib == {"id": "0", "name": "b/a.jpg", "width": "60", "height": "40"}
    assert second.attrib["id"] == "1"
    assert len(second) == 0
    for element, name in zip(first, NAMES, strict=True):
        left, top, width, height = (int(element.attrib[key]) for key in ("left", "top", "width", "height"))
        runs = [int(word) for word in element.attrib["rle"].split(", ")]
        mask = np.zeros((40, 60), bool)
        box = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)
        mask[top : top + height, left : left + width] = box
        np.testing.assert_array_equal(mask, MASKS[name])


@pytest.mark.parametrize("name", ['a<b>&"c".jpg', "bell\x07.jpg", "z\udce9.jpg"])
def test_any_name_is_xml(name):
    first = ElementTree.fromstring(document(name))[2]
    assert len(first) == len(NAMES)


def test_datumaro_reads_the_masks(tmp_path):
    datumaro = pytest.importorskip("datumaro")
    (tmp_path / "images" / "b").mkdir(parents=True)
    for name, size in (("b/a.jpg", (60, 40)), ("c.jpg", (32, 24))):
        PIL.Image.new("RGB", size).save(tmp_path / "images" / name)
    (tmp_path / "annotations.xml").write_bytes(document())
    items = list(datumaro.Dataset.import_from(str(tmp_path), "cvat"))
    read = [each.image for item in items for each in item.annotations]
    for mask, name in zip(read, NAMES, strict=True):
        np.testing.assert_array_equal(mask > 0, MASKS[name])
