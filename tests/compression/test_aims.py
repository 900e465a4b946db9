"""What attention learns: the teacher's own, and the object that the teacher attends to."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage.filters import threshold_otsu

from dinoseg.backbone.features import Features
from dinoseg.compression.aims import BINS, as_the_teacher, at_the_object, attended_objects, otsu
from tests.methods.scenes import disk, features_of

OBJECT = disk()


def half_seen() -> Features:
    """A teacher that looks at the left half of the object alone."""
    seen = features_of(OBJECT)
    seen.attention[:, :, :, 8:] = seen.attention.min()
    return seen


def looking(at: np.ndarray, like: Features) -> Features:
    attention = torch.from_numpy(np.where(at, 1.0, 1e-4)).float().expand_as(like.attention)
    return Features(attention / attention.sum((-2, -1), keepdim=True), like.family, like.patch)


def test_attention_is_spread_over_the_object():
    wanted, (trusted,) = attended_objects(half_seen())
    assert trusted
    shares = wanted[0] / wanted[0].sum((-2, -1), keepdim=True)  # (heads, gh, gw)
    inside = shares[:, torch.from_numpy(OBJECT)]
    assert (inside.sum(dim=1) > 0.99).all()
    assert (inside.std(dim=1) < 0.3 * inside.mean(dim=1)).all()


def test_one_aim_rewards_the_object_the_other_what_the_teacher_sees():
    teacher = half_seen()
    whole, part = looking(OBJECT, teacher), teacher
    assert at_the_object(whole, teacher) < at_the_object(part, teacher)
    assert as_the_teacher(part, teacher).item() == pytest.approx(0, abs=1e-6)
    assert as_the_teacher(whole, teacher) > 0.01


def teacher_of(ground: np.ndarray, facets: np.ndarray) -> Features:
    """Attention that lies on ``ground``, and these features ``(gh, gw, d)``."""
    return replace(features_of(ground), facets={"token": torch.from_numpy(facets)[None].float()})


def no_object(case: str) -> Features:
    """Something that is none."""
    if case == "all patches are alike":
        return teacher_of(OBJECT, np.ones((*OBJECT.shape, 8)))
    ground = np.zeros((24, 24) if case == "nearly all stands out" else OBJECT.shape, bool)
    if case == "one patch stands out":
        ground[6, 8] = True
    elif case == "nearly all stands out":
        ground[1:-1, 1:-1] = True
    else:  # the border stands out, and no patch of it is like another
        ground[[0, -1]] = ground[:, [0, -1]] = True
        facets = np.random.default_rng(0).normal(size=(*ground.shape, 512))
        facets[~ground] = facets[6, 8]
        return teacher_of(ground, facets)
    return teacher_of(ground, np.eye(2)[ground.astype(int)])


@pytest.mark.parametrize(
    "case", ["all patches are alike", "one patch stands out", "nearly all stands out", "the border stands out"]
)
def test_where_there_is_no_object_the_teacher_is_followed(case):
    teacher = no_object(case)
    assert not attended_objects(teacher)[1].any()
    student = looking(teacher.attention[0, 0].numpy() < teacher.attention[0, 0].median().item(), teacher)
    assert at_the_object(student, teacher).item() == pytest.approx(as_the_teacher(student, teacher).item())


def test_otsu_is_that_of_scikit_image():
    random = np.random.default_rng(0)
    rows = np.stack([random.beta(a, b, 500) for a, b in ((2, 5), (5, 2), (0.5, 0.5))])
    expected = [threshold_otsu(row) for row in rows]
    found = otsu(torch.from_numpy(rows))[:, 0]
    np.testing.assert_allclose(found, expected, atol=2 / BINS)
