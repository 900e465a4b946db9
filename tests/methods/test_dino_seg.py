"""``dino-seg`` against the reference's boxes, with its defect and without."""

import numpy as np
import pytest

from dinoseg.errors import OptionError
from dinoseg.methods.dino_seg import DinoSeg
from tests.helpers import GOLDEN
from tests.methods.scenes import CASES, disk, features, found, golden_box, golden_features, spec_of

LAST_IS_LARGEST = [("net14", 2)]  # where the defect of the published program shows


@pytest.mark.parametrize("head", range(3))
@pytest.mark.parametrize("case", CASES)
def test_golden_box(case, head):
    golden = np.load(GOLDEN / "methods.npz")
    given = golden_features(golden, case)
    box = golden[f"{case}/dinoseg_boxes"][head].tolist()
    for published in (True, False):
        (proposal,) = found(DinoSeg(head=head, published=published), given).objects
        same = golden_box(golden, case, proposal.soft > 0.5) == box
        assert same == (published or (case, head) not in LAST_IS_LARGEST)


@pytest.mark.parametrize("quirk", ["one", "last"])
def test_golden_defect_alone(quirk):
    golden = np.load(GOLDEN / "methods.npz")
    mask, (x0, y0, x1, y1) = golden[f"quirk_dinoseg_{quirk}/mask"], golden[f"quirk_dinoseg_{quirk}/box"]
    attention = np.where(mask, 1.0, 1e-4)[None] / 65  # without the ties of the golden row
    given = features(attention, np.ones((*mask.shape, 2)))
    (proposal,) = found(DinoSeg(head=0, mass=0.99, published=True), given).objects
    y, x = np.nonzero(proposal.soft)
    assert [x.min() * 16, y.min() * 16, (x.max() + 1) * 16, (y.max() + 1) * 16] == [x0, y0, x1, y1]
    (proposal,) = found(DinoSeg(head=0, mass=0.99), given).objects
    assert proposal.soft.sum() == {"one": 9, "last": 16}[quirk]


def test_only_the_largest_piece_of_the_one_head():
    large, small = disk(centre=(6, 11)), disk(centre=(3, 3), radius=1.5)
    attention = np.stack([np.ones(large.shape), np.where(large | small, 1.0, 0.001)])
    given = features(attention / attention.sum(axis=(1, 2), keepdims=True), np.ones((*large.shape, 2)))
    (proposal,) = found(DinoSeg(head=1, mass=0.95), given).objects
    mask = proposal.soft > 0.5
    assert mask.sum() > 0.8 * large.sum()
    assert not (mask & ~large).any()


def test_a_network_of_too_few_heads():
    with pytest.raises(OptionError, match=r"--param head 4 is out of range: the network has 0\.\.2"):
        DinoSeg().check(spec_of(3))
    DinoSeg().check(spec_of(5))
    DinoSeg(head=2).check(spec_of(3))


def test_a18_attention_that_sums_to_nothing():
    nowhere = features(np.zeros((5, 4, 4)), np.ones((4, 4, 2)))
    assert found("dino-seg", nowhere).reason == "no_object"
    assert found(DinoSeg(published=True), nowhere).reason == "no_object"
