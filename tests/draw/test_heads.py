import io
import sys
from itertools import pairwise

import numpy as np
import PIL.Image
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from dinoseg.draw.heads import attention_overlay, choose_columns, heads_figure, heat
from dinoseg.types import Fit
from tests.helpers import gradient

FIT = Fit(size=(60, 100), scaled=(60, 100), grid=(8, 13), patch=8)


def heads(n, fit=FIT):
    return np.random.default_rng(0).random((n, *fit.grid)).astype(np.float32)


def pictures(figure):
    """The axes of all but the colour bar."""
    *axes, scale = figure.axes
    assert scale.get_label() == "scale"
    return axes


def titles(figure):
    return [ax.get_title() for ax in pictures(figure)]


@pytest.mark.parametrize(
    ("n", "names"),
    [
        (1, ["head 0"]),  # the mean of one head is that head
        (3, ["head 0", "head 1", "head 2", "mean"]),
    ],
)
def test_photograph_every_head_and_mean(n, names):
    figure = heads_figure(gradient(60, 100), heads(n), FIT)
    assert [title.partition(",")[0] for title in titles(figure)] == ["photograph", *names]
    assert {ax.images[0].get_array().shape for ax in pictures(figure)} == {(60, 100, 3)}
    assert figure.axes[0].images[0].get_array().tolist() == gradient(60, 100).tolist()


def test_titles():
    maps = np.stack([np.full(FIT.grid, value, np.float32) for value in (0.004, 0.0123)])
    figure = heads_figure(gradient(60, 100), maps, FIT, titles=["left", "right"])
    assert titles(figure) == ["photograph", "left, up to 0.4 %", "right, up to 1.2 %", "mean, up to 0.82 %"]


def test_mean_is_of_the_heads_as_they_are():
    maps = np.stack([heads(1)[0], 100 * np.eye(8, 13, dtype=np.float32)])
    figure = heads_figure(gradient(60, 100), maps, FIT)
    np.testing.assert_array_equal(pictures(figure)[-1].images[0].get_array(), heat(maps.mean(axis=0), FIT))


@pytest.mark.parametrize(("share", "lines"), [(0, 0), (1, 0), (0.5, 2)])  # nothing, everything, the left half
def test_a_double_outline_on_photograph_and_mean(share, lines):
    mask = np.zeros((60, 100), bool)
    mask[:, : int(100 * share)] = True
    figure = heads_figure(gradient(60, 100), heads(3), FIT, mask=mask)
    assert [len(ax.collections) for ax in pictures(figure)] == [lines, 0, 0, 0, lines]
    colours = [drawn.get_edgecolor()[0][:3].tolist() for drawn in figure.axes[0].collections]
    assert colours == [[0, 0, 0], [1, 1, 1]][:lines]  # dark below light: one of them is seen on any picture


def test_what_is_shown_stands_below_in_lines_that_fit():
    note = "Outline: the patches that hold 60 % of the mean."
    figure = heads_figure(np.zeros((100, 20, 3), np.uint8), heads(1), Fit((100, 20), (100, 20), (12, 2), 8), note=note)
    lines = [text.get_text() for text in figure.texts]
    assert " ".join(reversed(lines)).endswith(note)
    assert "number in each title" in " ".join(reversed(lines))
    renderer = FigureCanvasAgg(figure).get_renderer()
    assert all(text.get_window_extent(renderer).x1 <= figure.bbox.x1 for text in figure.texts)
    boxes = [text.get_window_extent(renderer) for text in figure.texts]
    assert max(box.y1 for box in boxes) < figure.axes[0].get_window_extent(renderer).y0


def test_titles_of_narrow_pictures_do_not_meet():
    fit = Fit((400, 180), (400, 180), (50, 23), 8)
    figure = heads_figure(
        np.zeros((400, 180, 3), np.uint8), heads(6, fit), fit, heading="patch at 60, 200, layer 12 of 12"
    )
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [ax.title.get_window_extent(renderer) for ax in pictures(figure)]
    assert not any(box.overlaps(other) for box, other in pairwise(boxes))


def test_more_dots_show_more_of_the_photograph():
    fit = Fit(size=(2000, 4000), scaled=(64, 128), grid=(8, 16), patch=8)
    figure = heads_figure(np.zeros((2000, 4000, 3), np.uint8), heads(1, fit), fit, dpi=400)
    assert figure.axes[0].images[0].get_array().shape == (520, 1040, 3)
    assert figure.dpi == 400


def test_mark_is_on_every_picture_at_its_place():
    figure = heads_figure(gradient(60, 100), heads(2), FIT, mark=(70, 20))
    for ax in pictures(figure):
        assert [line.get_xydata()[0].tolist() for line in ax.lines] == [[70, 20], [70, 20]]


def test_large_photographs_are_reduced_and_the_mark_with_them():
    fit = Fit(size=(2000, 4000), scaled=(64, 128), grid=(8, 16), patch=8)
    figure = heads_figure(np.zeros((250, 500, 3), np.uint8), heads(1, fit), fit, mark=(3999, 1999))
    assert {ax.images[0].get_array().shape for ax in pictures(figure)} == {(256, 512, 3)}
    assert figure.axes[0].lines[0].get_xydata()[0] == pytest.approx([511.4, 255.4], abs=0.1)


@pytest.mark.parametrize("value", [0, 0.3])
def test_constant_maps(value):
    drawn = heat(np.full(FIT.grid, value, np.float32), FIT)
    assert (drawn == drawn[0, 0]).all()


def test_bright_patch_stays_at_its_place():
    head = np.zeros(FIT.grid, np.float32)
    head[2, 5] = 7
    drawn = heat(head, FIT).astype(int).sum(axis=2)
    y, x = np.unravel_index(drawn.argmax(), drawn.shape)
    assert (y // 8, x // 8) == (2, 5)


@pytest.mark.parametrize(
    ("n", "aspect", "columns"),
    [
        (2, 1.5, 2),
        (8, 1.5, 4),  # six heads
        (14, 1.5, 5),  # twelve heads
        (14, 0.6, 7),
        (8, 4.0, 2),
        (8, 100.0, 1),  # strips lie under each other
        (8, 0.01, 8),
        (1, 1.0, 1),
    ],
)
def test_columns(n, aspect, columns):
    assert choose_columns(n, aspect) == columns


def test_pictures_do_not_overlap_and_lie_in_the_figure():
    boxes = [ax.get_position() for ax in heads_figure(gradient(60, 100), heads(12), FIT).axes]
    assert len(boxes) == 14 + 1  # the colour bar
    for index, box in enumerate(boxes):
        assert 0 <= box.x0 < box.x1 <= 1
        assert 0 <= box.y0 < box.y1 <= 1
        assert not any(box.overlaps(other) for other in boxes[:index])


def test_e73_the_figure_needs_no_display_and_no_pyplot(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # importing it would fail
    png = heads_figure(gradient(60, 100), heads(2), FIT, mask=np.ones((60, 100), bool))._repr_png_()
    with PIL.Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        assert image.width > image.height > 100


@pytest.mark.parametrize("shape", [(60, 100), (30, 50)])  # also a photo decoded at reduced scale
def test_attention_overlay(shape):
    head = np.zeros(FIT.grid, np.float32)
    head[:, :6] = 1
    image = attention_overlay(np.full((*shape, 3), 100, np.uint8), head, FIT)
    pixels = np.asarray(image).astype(int)
    assert image.mode == "RGB"
    assert pixels.shape == (*shape, 3)
    assert pixels[5, 5].sum() > 300 > pixels[5, -5].sum()  # brighter where it looks, darker elsewhere
