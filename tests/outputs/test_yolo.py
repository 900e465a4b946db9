import cv2
import numpy as np
import PIL.Image
import pytest

from dinoseg.outputs.format import Scene
from dinoseg.outputs.yolo import DATA, encode
from tests.outputs.scenes import disk as disk_on
from tests.outputs.scenes import folder, segmentation, write_disk
from tests.outputs.shapes import MASKS, drawn, iou

NAMES = ["a hole", "two parts"]


def test_a_line_for_each_object():
    result = segmentation([MASKS[name] for name in NAMES])
    height, width = result.size
    for line, name in zip(encode(Scene(result)).decode().splitlines(), NAMES, strict=True):
        number, *shares = line.split(" ")
        points = np.array(shares, float).reshape(-1, 2) * [width, height]  # (n, 2)
        assert number == "0"
        assert iou(drawn([points], result.size), MASKS[name]) >= 0.98


def test_no_object_is_an_empty_file():
    assert encode(Scene(segmentation())) == b""


def test_files_have_the_stems_of_photographs(tmp_path):
    """YOLO looks for labels/b/a.txt beside images/b/a.png; where two photographs share a stem one of them has it."""
    for id_ in ("a.png", "b/a.png"):
        write_disk(tmp_path / "photos" / id_)
    write_disk(tmp_path / "photos" / "a.webp")
    for _ in range(2):  # a second run writes the same
        with folder(tmp_path / "out", "yolo") as run:
            for id_ in ("a.png", "a.webp", "b/a.png"):
                run.write(*disk_on(tmp_path / "photos" / id_, id_))
            run.finish()
        labels = tmp_path / "out" / "yolo" / "labels"
        names = sorted(path.relative_to(labels).as_posix() for path in labels.rglob("*.txt"))
        assert names == ["a.txt", "a.webp.txt", "b/a.txt"]
        assert (tmp_path / "out" / "yolo" / "data.yaml").read_bytes() == DATA


def test_supervision_reads_it(tmp_path):
    supervision = pytest.importorskip("supervision")
    mask = cv2.resize(MASKS["two parts"].astype(np.uint8), (600, 400), interpolation=cv2.INTER_NEAREST) > 0
    result = segmentation([mask])
    for place in ("images", "labels"):
        (tmp_path / place).mkdir()
    PIL.Image.new("RGB", (600, 400)).save(tmp_path / "images" / "a.jpg")
    (tmp_path / "labels" / "a.txt").write_bytes(encode(Scene(result)))
    (tmp_path / "data.yaml").write_bytes(DATA)
    places = [str(tmp_path / name) for name in ("images", "labels", "data.yaml")]
    data = supervision.DetectionDataset.from_yolo(*places, force_masks=True)
    ((_, _, detections),) = list(data)
    assert iou(detections.mask[0], mask) >= 0.98
