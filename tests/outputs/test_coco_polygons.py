import json

import PIL.Image
import pytest
from pycocotools.coco import COCO

from dinoseg.outputs.coco_polygons import build
from dinoseg.outputs.record import record_of
from dinoseg.segmentation import Segmentation
from tests.outputs.scenes import segmentation
from tests.outputs.shapes import MASKS, SIZE, iou

NAMES = ["a hole", "two parts"]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "coco_polygons.json"
    records = [record_of(segmentation([MASKS[name] for name in NAMES]))]
    path.write_bytes(b"".join(build(records, tmp_path)))
    return path


def test_pycocotools_reads_the_masks(path):
    coco = COCO(str(path))
    annotations = coco.loadAnns(coco.getAnnIds(imgIds=1))
    for annotation, name in zip(annotations, NAMES, strict=True):
        assert iou(coco.annToMask(annotation).astype(bool), MASKS[name]) >= 0.98
    assert [(each["parts"], each["holes"]) for each in annotations] == [(1, 1), (2, 0)]
    assert "hole" in json.loads(path.read_text())["info"]["description"]


def test_it_is_read_back(path):
    for mask, name in zip(Segmentation.from_coco(path).masks, NAMES, strict=True):
        assert iou(mask, MASKS[name]) >= 0.98


def test_supervision_reads_it(path, tmp_path):
    supervision = pytest.importorskip("supervision")
    data = supervision.DetectionDataset.from_coco(str(tmp_path), str(path), force_masks=True)
    assert data.classes == ["object"]


def test_datumaro_reads_it(path, tmp_path):
    datumaro = pytest.importorskip("datumaro")
    for folder in ("annotations", "images"):
        (tmp_path / folder).mkdir()
    path.rename(tmp_path / "annotations" / "instances_default.json")
    PIL.Image.new("RGB", SIZE[::-1]).save(tmp_path / "images" / "a.jpg")
    (item,) = datumaro.Dataset.import_from(str(tmp_path), "coco_instances")
    assert len(item.annotations) >= len(NAMES)
