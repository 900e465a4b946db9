import numpy as np

from dinoseg.draw.matches import GAP, HEIGHT, draw_matches
from dinoseg.types import Photo


def test_photographs_at_one_height_with_a_line_for_each_pair():
    sizes = (60, 90), (300, 200)
    photos = [Photo("a", np.full((*size, 3), 100, np.uint8), size) for size in sizes]
    masks = [np.ones(size, bool) for size in sizes]
    masks[0][:, :45] = False
    page = np.asarray(draw_matches(photos, masks, [((80, 30), (100, 150))]))
    assert page.shape == (HEIGHT, 900 + GAP + 400, 3)
    assert (page[10, 10] == 72).all()  # dimmed
    assert (page[10, 890] == 100).all()
    line = np.abs(page[:, 900 + GAP + 50].astype(int) - 100).sum(axis=-1) > 100
    assert 1 <= line.sum() <= 6
    assert abs(int(np.flatnonzero(line).mean()) - 303) <= 4
