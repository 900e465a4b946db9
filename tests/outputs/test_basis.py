import io

import numpy as np

from dinoseg.outputs.basis import SPREAD, Basis, Moments


def test_parts_give_what_all_at_once_give():
    random = np.random.default_rng(0)
    points = random.normal(size=(500, 6)) * [9, 5, 3, 1, 1, 1] + random.normal(size=6) * 100
    moments = Moments()
    for part in np.split(points, [1, 1, 40, 300]):  # one of them empty
        moments.add(part)
    basis = moments.basis()
    centred = points - points.mean(axis=0)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(basis.mean, points.mean(axis=0))
    np.testing.assert_allclose(basis.std, sizes[:3] / np.sqrt(500))
    np.testing.assert_allclose(np.abs(np.sum(basis.components * directions[:3], axis=1)), 1)
    largest = basis.components[np.arange(3), np.abs(basis.components).argmax(axis=1)]
    assert (largest > 0).all()


def test_colours_are_grey_at_the_mean_and_full_at_the_ends():
    basis = Basis(np.zeros(4), np.eye(3, 4), np.array([2.0, 1, 0.5]))
    np.testing.assert_allclose(basis.colours(np.zeros(4)), [0.5, 0.5, 0.5])
    np.testing.assert_allclose(basis.colours(np.array([2 * SPREAD, -SPREAD, 0, 9])), [1, 0, 0.5])


def test_a_basis_of_nothing_and_of_one_vector():
    assert Moments().basis().components.shape == (3, 0)
    moments = Moments()
    moments.add(np.ones((1, 5)))
    with np.load(io.BytesIO(moments.basis().content())) as arrays:
        assert arrays["components"].shape == (3, 5)
        assert (arrays["std"] == 0).all()
