import io

import numpy as np

from dinoseg.outputs.attention import encode
from dinoseg.outputs.format import Scene
from tests.outputs.scenes import segmentation


def test_h105_arrays_load_without_pickle():
    result = segmentation(size=(20, 30))
    with np.load(io.BytesIO(encode(Scene(result))), allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["attention"], result.attention)
        assert arrays["attention"].dtype == np.float32
        assert arrays["grid"].tolist() == [3, 4]
        assert arrays["patch"] == 8
        assert arrays["size"].tolist() == arrays["scaled"].tolist() == [20, 30]


def test_same_attention_gives_the_same_bytes():
    assert encode(Scene(segmentation())) == encode(Scene(segmentation()))


def test_nothing_to_write_when_the_method_did_not_look():
    assert encode(Scene(segmentation(attention=False))) is None
