"""Classes as a tree: which of them the network takes for alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from numpy.typing import NDArray
from PIL import Image
from scipy.cluster.hierarchy import dendrogram, linkage, optimal_leaf_ordering
from scipy.spatial.distance import pdist

from dinoseg.draw.feature_map import shown, square
from dinoseg.draw.heads import NotebookFigure

ROW, TALLEST = 0.5, 300.0  # inches per class, and of all of them together
WIDTH = 10.0  # inches
THUMBNAIL = 96  # px
HEAD, FOOT = 0.6, 0.7  # inches above and below the tree
FAMILIES = 0.7  # of the greatest height: branches that join below it are of one colour


def join(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """The tree of classes from their mean features ``(classes, d)``, as scipy's linkage ``(classes - 1, 4)``.

    What all classes have in common is taken out first (the mean over classes), then average linkage of cosine
    distances; the order of the leaves puts neighbours that are alike side by side (Bar-Joseph et al. 2001).
    """
    distances = pdist(means - means.mean(axis=0), "cosine")
    distances = np.nan_to_num(distances, nan=0.0).clip(0)  # classes that are the common mean itself
    return optimal_leaf_ordering(linkage(distances, "average"), distances)


def class_tree(
    means: NDArray[np.float64], classes: Sequence[str], pictures: Sequence[Image.Image | None], heading: str
) -> NotebookFigure:
    """A dendrogram of two or more classes with their names and one picture of each (None where there is none)."""
    row = min(ROW, TALLEST / len(classes))
    height = row * len(classes) + HEAD + FOOT
    figure = NotebookFigure(figsize=(WIDTH, height), dpi=100, facecolor="white")
    ax = figure.add_axes((0.03, FOOT / height, 0.6, row * len(classes) / height))
    tree = join(means)
    limit = FAMILIES * float(tree[-1, 2])
    drawn = dendrogram(
        tree, ax=ax, orientation="left", no_labels=True, color_threshold=limit, above_threshold_color="0.5"
    )
    for position, leaf in enumerate(drawn["leaves"]):
        put_leaf(ax, (position + 0.5) / len(classes), row, classes[leaf], pictures[leaf])
    ax.set_xlabel("cosine distance of mean features, the mean over classes taken out", fontsize=9)
    ax.spines[["top", "left", "right"]].set_visible(False)
    figure.text(0.03, 1 - HEAD / 2 / height, heading, fontsize=12, va="center")
    return figure


def put_leaf(ax: Axes, height: float, row: float, name: str, picture: Image.Image | None) -> None:
    """Picture and name right of the tree, at a share of its height; ``row`` in inches."""
    if picture is not None:
        image = OffsetImage(np.asarray(square(picture, THUMBNAIL)), zoom=row * 0.92 * 72 / THUMBNAIL)
        box = AnnotationBbox(image, (1.05, height), xycoords="axes fraction", frameon=False, pad=0)
        ax.add_artist(box)
    ax.text(1.1, height, shown(name), transform=ax.transAxes, fontsize=min(11, 36 * row), va="center")
