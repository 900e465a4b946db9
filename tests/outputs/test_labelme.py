import json

import cv2
import numpy as np
import PIL.Image
import pytest

from dinoseg.outputs.format import Scene
from dinoseg.outputs.labelme import encode
from tests.outputs.scenes import segmentation
from tests.outputs.shapes import MASKS, drawn, iou

NAMES = ["a hole", "two parts"]


def test_polygons_of_an_object_share_a_group():
    result = segmentation([MASKS[name] for name in NAMES], id_="b/a.jpg")
    content = json.loads(encode(Scene(result)))
    assert (content["imagePath"], content["imageHeight"], content["imageWidth"]) == ("a.jpg", 40, 60)
    for number, name in enumerate(NAMES, 1):
        polygons = [np.array(each["points"]) for each in content["shapes"] if each["group_id"] == number]
        assert iou(drawn(polygons, result.size), MASKS[name]) >= 0.98


def test_labelme_reads_it(tmp_path):
    """Its own reader, and its own drawing, which takes a pixel more along the right and the lower edge."""
    labelme = pytest.importorskip("labelme")
    mask = cv2.resize(MASKS["two parts"].astype(np.uint8), (1800, 1200), interpolation=cv2.INTER_NEAREST) > 0
    PIL.Image.new("RGB", (1800, 1200)).save(tmp_path / "a.jpg")
    (tmp_path / "a.json").write_bytes(encode(Scene(segmentation([mask]))))
    file = json.loads((tmp_path / "a.json").read_text())
    shapes = [labelme.utils.shape_to_mask((1200, 1800), each["points"], "polygon") for each in file["shapes"]]
    assert iou(np.any(shapes, axis=0), mask) >= 0.98
