"""Numbers that decide results, written out: published ones by their papers, chosen ones by what chose them.

Tests of what a number does let a tenth more or less through; who changes one of these is to know that masks, scores or
trained weights change with it.
"""

import numpy as np
import pytest
import torch

from dinoseg import propagate
from dinoseg.backbone.families import FAMILIES, family_of
from dinoseg.evaluation.metrics import neighbours
from dinoseg.images import fit
from dinoseg.methods import cut, lanczos, laplacian, prior
from dinoseg.methods.attention_cut import AttentionCut
from dinoseg.methods.found import Found
from dinoseg.methods.kmeans import PatchClusters
from dinoseg.methods.lost import Lost
from dinoseg.methods.maskcut import MaskCut
from dinoseg.methods.tokencut import TokenCut
from dinoseg.options import PropagateOptions, SegmentOptions
from dinoseg.refine import bilateral, crf, guided, pieces
from dinoseg.training import loss, schedules

VIDEO = PropagateOptions()
NUMBERS = {
    "working size, patches": (fit.BUDGET, 32),
    # Chosen on the even halves of DUTS and VOC 2012:
    "guided filter, radius in patches": (guided.RADIUS, 1.0),
    "guided filter, eps": (guided.EPS, 1e-4),
    "crumbs": ((pieces.CRUMB, pieces.PINHOLE), (0.01, 0.003)),
    "attention-cut": ((AttentionCut().power, AttentionCut().reach), (7.0, 0.3)),
    "kmeans": (PatchClusters().clusters, 3),
    "presence": (
        {name: family_of(name).presence for name in FAMILIES if family_of(name).presence},
        {"dinov2": (-15.365, 1.686, 14.587)},
    ),
    # Published:
    "bilateral solver (TokenCut)": (
        (bilateral.SIGMAS, bilateral.SMOOTHNESS, bilateral.CONFIDENCE),
        ((16, 16, 8), 256, 0.999),
    ),
    "dense CRF (MaskCut)": ((crf.ITERATIONS, crf.CONFIDENCE), (10, 3)),
    "TokenCut": ((TokenCut().tau, cut.EPS), (0.2, 1e-5)),
    "MaskCut": ((MaskCut().tau, MaskCut().objects), (0.15, 3)),
    "LOST": (Lost().k, 100),
    "FOUND": (Found().tau, 0.3),
    "deep spectral, neighbours by colour": (laplacian.NEIGHBOURS, ((20, 2.0), (10, 0.1))),
    "saliency of Zhu et al.": ((prior.GEODESIC, prior.NEAR, prior.SMOOTH), (10.0, 0.25, 7.0)),
    "k-NN temperature (DINO)": (neighbours.TEMPERATURE, 0.07),
    "DINO's loss": ((loss.STUDENT_TEMP, loss.CENTRE_MOMENTUM), (0.1, 0.9)),
    "DINO's schedules": ((schedules.LAST_LR, schedules.LR_BATCH), (1e-6, 256)),
    "DINO's video": (
        (
            PropagateOptions().context,
            PropagateOptions().radius,
            PropagateOptions().neighbours,
            PropagateOptions().temperature,
        ),
        (7, 12, 5, 0.1),
    ),
    "red of DINO's video program": (propagate.RED_STD, 0.228),
    # What float32 says of a graph:
    "eigenvalues that coincide": (lanczos.GAP, 1e-6),
    "patches that count as equal": (cut.TIE, 1e-6),
    "the default": ((SegmentOptions().method_name, SegmentOptions().refine), ("head", "guided")),
    "the default of other networks": (SegmentOptions(model="dino-vits8").method_name, "attention-cut"),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_that_decide_results(name):
    found, expected = NUMBERS[name]
    assert found == expected


def test_votes_of_neighbours_fall_by_their_temperature():
    """Two of class 0 at cosine 0.8 against one of class 1 at 1: exp(1 / 0.07) outweighs 2 exp(0.8 / 0.07)."""
    train = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.8, -0.6]])
    votes = neighbours.knn_votes(train, torch.tensor([1, 0, 0]), torch.tensor([[1.0, 0.0]]), 2, k=3)[0]
    np.testing.assert_allclose(votes[0] / votes[1], 2 * np.exp(-0.2 / 0.07), rtol=1e-4)
