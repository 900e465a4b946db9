"""Nought at the teacher, and what each part of the distance does not see."""

import pytest
import torch

from dinoseg.learning.distance import attention_divergence, distance, look, mean_cosine, statistics
from tests.networks import damaged, small_teacher


def images(count=4):
    return torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))


def test_distance_is_nought_only_at_the_teacher():
    teacher = small_teacher()
    seen = look(teacher, images())
    known = statistics(seen)
    assert distance(seen, seen, known).item() == pytest.approx(0, abs=1e-6)
    assert distance(look(damaged(teacher), images()), seen, known).item() > 0.05
    assert mean_cosine(seen, seen, known).item() == pytest.approx(1)


def test_divergence_is_kl_over_the_patches_whatever_the_prefix_takes():
    torch.manual_seed(0)
    p, q = torch.rand(2, 3, 4, 5), torch.rand(2, 3, 4, 5)
    expected = torch.distributions.kl_divergence(
        torch.distributions.Categorical(probs=q.flatten(2)), torch.distributions.Categorical(probs=p.flatten(2))
    ).mean(dim=1)
    torch.testing.assert_close(attention_divergence(p, q), expected, rtol=1e-4, atol=0)
    torch.testing.assert_close(attention_divergence(p * 0.3, q), expected, rtol=1e-4, atol=0)
