import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from dinoseg.errors import MissingExtra
from dinoseg.outputs.detections import to_detections
from tests.outputs.scenes import box_mask, segmentation

MASKS = [box_mask((20, 30), 3, 2, 17, 11), box_mask((20, 30), 0, 0, 5, 5)]


@dataclass
class Detections:
    """The fields of ``supervision.Detections``."""

    xyxy: Any
    mask: Any
    confidence: Any
    class_id: Any
    data: Any


@pytest.fixture
def supervision(monkeypatch):
    """The package itself where it is installed, else a stand-in for its one class."""
    try:
        import supervision
    except ImportError:
        supervision = ModuleType("supervision")
        supervision.Detections = Detections
        monkeypatch.setitem(sys.modules, "supervision", supervision)
    return supervision


@pytest.mark.parametrize("masks", [MASKS, []])
def test_detections(supervision, masks):
    found = to_detections(segmentation(masks, size=(20, 30)))
    assert isinstance(found, supervision.Detections)
    assert found.xyxy.shape == (len(masks), 4)
    np.testing.assert_array_equal(found.mask, np.array(masks, bool).reshape(-1, 20, 30))
    np.testing.assert_allclose(found.confidence, [0.9, 0.8][: len(masks)])
    assert found.class_id.tolist() == [0] * len(masks)
    assert found.data["class_name"].tolist() == ["object"] * len(masks)
    if masks:
        assert found.xyxy[0].tolist() == [3, 2, 17, 11]


def test_e72_missing_package_says_the_pip_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(MissingExtra, match=r"pip install supervision$"):
        segmentation(MASKS).to_detections()
