import json

import numpy as np
import pytest

from dinoseg.errors import TruncatedImage
from dinoseg.outputs.label_studio import brush, build
from dinoseg.outputs.record import failure_record, record_of
from dinoseg.types import Failure
from tests.outputs.scenes import segmentation
from tests.outputs.shapes import MASKS

LARGE = np.zeros((300, 400), bool)
LARGE[20:280, 30:] = True  # runs of more than 2**16 values


def unpacked(data: bytes) -> np.ndarray:
    """A reader of the whole layout, written from its description: runs and single values, any length."""
    bits = "".join(f"{byte:08b}" for byte in data)
    place = 0

    def take(count: int) -> int:
        nonlocal place
        place += count
        return int(bits[place - count : place], 2)

    total, word = take(32), take(5) + 1
    sizes = [take(4) + 1 for _ in range(4)]
    values: list[int] = []
    while len(values) < total:
        run, count = take(1), take(sizes[take(2)]) + 1
        values += [take(word)] * count if run else [take(word) for _ in range(count)]
    return np.array(values, np.uint8)


@pytest.mark.parametrize("mask", [*MASKS.values(), LARGE, ~LARGE], ids=[*MASKS, "large", "large background"])
def test_brush_is_the_mask_in_four_channels(mask):
    values = unpacked(brush(mask).tobytes()).reshape(*mask.shape, 4)
    np.testing.assert_array_equal(values, np.where(mask, 255, 0)[..., None].repeat(4, axis=2))


@pytest.mark.parametrize("mask", [MASKS["a hole"], LARGE])
def test_its_converter_reads_the_brush(mask):
    converter = pytest.importorskip("label_studio_sdk.converter.brush")
    values = converter.decode_rle(brush(mask).tolist())
    np.testing.assert_array_equal(np.reshape(values, (*mask.shape, 4))[..., 3] > 0, mask)


def test_tasks():
    failed = failure_record(Failure("0.jpg", TruncatedImage("0.jpg ends early")), "run")
    done = record_of(segmentation([MASKS["a hole"]], id_="b/a c.jpg"))
    empty = record_of(segmentation(id_="z\udce9.jpg"))
    first, second = json.loads(b"".join(build([failed, done, empty], None)))
    assert first["data"] == {"image": "/data/local-files/?d=photos/b/a%20c.jpg"}
    assert second["data"]["image"].endswith("z%E9.jpg")
    assert second["predictions"][0]["result"] == []
    (region,) = first["predictions"][0]["result"]
    assert (region["original_width"], region["original_height"], region["type"]) == (60, 40, "brushlabels")
    np.testing.assert_array_equal(
        unpacked(bytes(region["value"]["rle"]))[::4].reshape(40, 60) > 0,
        MASKS["a hole"],
    )


def test_its_sdk_takes_the_prediction():
    objects = pytest.importorskip("label_studio_sdk.label_interface.objects")
    (task,) = json.loads(b"".join(build([record_of(segmentation([MASKS["a hole"]]))], None)))
    interface = pytest.importorskip("label_studio_sdk.label_interface").LabelInterface(
        '<View><Image name="image" value="$image"/><BrushLabels name="brush" toName="image">'
        '<Label value="object"/></BrushLabels></View>'
    )
    assert interface.validate_prediction(task["predictions"][0])
    assert objects.PredictionValue(**task["predictions"][0]).result
