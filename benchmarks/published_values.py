"""Published tables, and how each of their lines is made with dinoseg; ``published.py`` measures them.

Values are in percent. Marks: V read in the paper or its program's README, S in a secondary source, U recalled and
unverified.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

MARKS = {"V": "", "S": " (secondary source)", "U": " (unverified)"}
SHAPES = {
    "dino-vits16": ("dino", 16, 384),
    "dino-vits8": ("dino", 8, 384),
    "dino-vitb16": ("dino", 16, 768),
    "dino-vitb8": ("dino", 8, 768),
}
"""Network of a paper -> family, patch and width."""


@dataclass(frozen=True)
class Data:
    """A data set as a paper has it."""

    places: tuple[tuple[str, str | None], ...]
    """Where it may lie below --data, with the list of its pictures; all but the first are other pictures."""
    pictures: int
    """In the whole of it; frames for videos."""
    size: int | None
    """Long side in px of nearly all photographs: papers that take them as they are have this input size."""


@dataclass(frozen=True)
class Line:
    """One line of a published table."""

    paper: str
    model: str
    values: dict[str, tuple[float, ...]]
    """By data set, in the order of ``scores``."""
    scores: tuple[str, ...]
    """What `dinoseg evaluate` calls them."""
    options: dict[str, Any] = field(default_factory=dict)
    """Of `dinoseg evaluate`."""
    mark: Literal["V", "S", "U"] = "V"
    differs: str = ""
    """What the paper does otherwise."""


@dataclass(frozen=True)
class Table:
    """One published table."""

    title: str
    protocol: str
    note: str
    """What holds for all its lines."""
    lines: tuple[Line, ...]
    size: int | None = None
    """Input size, long side in px (default: that of the data)."""


DATA = {
    "VOC07 trainval": Data((("VOC2007", "Main/trainval"), ("VOC2007", "Main/val")), 5011, 500),
    "VOC12 trainval": Data((("VOC2012", "Main/trainval"), ("VOC2012", "Main/val")), 11540, 500),
    "COCO20k": Data(
        (("coco/annotations/instances_train2014.json", "coco/coco_20k_filenames.txt"), ("coco", None)), 19817, 640
    ),
    "VOC12 val": Data((("VOC2012", "Segmentation/val"),), 1449, 500),
    "ECSSD": Data((("ECSSD", None),), 1000, 400),
    "DUTS-TE": Data((("DUTS-TE", None), ("DUTS", None), ("duts", None)), 5019, 400),
    "DUT-OMRON": Data((("DUT-OMRON", None),), 5168, 400),
    "DAVIS17 val": Data((("DAVIS", "2017/val"),), 1999, None),
    "COCO val2017": Data((("coco", None),), 5000, 640),
}

BEST_HEAD = ("ORACLE best head per object", "ORACLE best head per object, square, resized frame")
"""The paper does not say which: as `attention-jaccard` has it, and with everything at 480 x 480 px."""
J_AND_F = ("J&F", "J mean", "F mean")
CORLOC = ("CorLoc",)
CUT = ("ORACLE max F (0.3) of the mean curve", "IoU", "accuracy")
FOUND = ("accuracy", "IoU", "ORACLE max F (0.09) per image")
BOXES = ("AP50 of boxes", "AR@100 of boxes")
DETECTOR = "a detector trained on such masks (Cascade R-CNN, self-training): the untrained masks are to stay below it"
HEAD = "with the head that it trains on DUTS-TR; `found` is its untrained part"
OWN_SIZE = (
    "The papers take photographs as they are; here all of a data set are brought to the long side that nearly all of "
    "them have. "
)
EPOCHS = (
    "For ViT-S/8 the papers use the 300-epoch file, dino-vits8 by name is the longer-trained one: give the former with "
    "--model."
)


def corloc(*values: float) -> dict[str, tuple[float, ...]]:
    """In the order in which papers print them."""
    return dict(zip(("VOC07 trainval", "VOC12 trainval", "COCO20k"), ((x,) for x in values), strict=True))


def saliency(**values: tuple[float, ...]) -> dict[str, tuple[float, ...]]:
    """By short name of the data set."""
    return {{"duts": "DUTS-TE", "omron": "DUT-OMRON", "ecssd": "ECSSD"}[key]: x for key, x in values.items()}


# No facet is named: methods take the keys of the papers' networks, as published, and tokens of what stands in for them.
TOKENCUT: dict[str, Any] = {"method": "tokencut", "param": ("tau=0.2",), "refine": "none"}
LOST: dict[str, Any] = {"method": "lost", "param": ("k=100",), "refine": "none"}
SPECTRAL: dict[str, Any] = {"method": "spectral", "refine": "none"}
BACKGROUND: dict[str, Any] = {"method": "found", "param": ("tau=0.3",), "refine": "none"}
MASKCUT: dict[str, Any] = {"method": "maskcut", "param": ("tau=0.15", "objects=3"), "refine": "crf"}
LARGEST: dict[str, Any] = BACKGROUND | {"param": (*BACKGROUND["param"], "pieces=largest")}

TABLES = {
    "dino-fig4": Table(
        "DINO (Caron et al. 2021), Figure 4: Jaccard of attention masks on VOC 2012 val",
        "attention-jaccard",
        "The paper leaves open what the objects are (here instances), the input size (its pictures have 480 px), the "
        "frame of comparison and what becomes of void (here left out): two of the readings stand here, the reports in "
        "FILE.work/ have all. " + EPOCHS,
        (
            Line("DINO", "dino-vits16", {"VOC12 val": (45.9, 45.9)}, BEST_HEAD),
            Line("random weights", "dino-vits16", {"VOC12 val": (22.0, 22.0)}, BEST_HEAD, {"random_weights": True}),
            Line("DINO", "dino-vits8", {"VOC12 val": (44.7, 44.7)}, BEST_HEAD),
            Line("random weights", "dino-vits8", {"VOC12 val": (21.8, 21.8)}, BEST_HEAD, {"random_weights": True}),
        ),
        480,
    ),
    "dino-table5": Table(
        "DINO (Caron et al. 2021), Table 5: video object segmentation on DAVIS 2017 val, 480p",
        "davis-propagation",
        "The short side has 480 px, as published. The README says that PyTorch 1.7.1 is needed for the exact values.",
        (
            Line("DINO", "dino-vits16", {"DAVIS17 val": (61.8, 60.2, 63.4)}, J_AND_F),
            Line("DINO", "dino-vitb16", {"DAVIS17 val": (62.3, 60.7, 63.9)}, J_AND_F),
            Line("DINO", "dino-vits8", {"DAVIS17 val": (69.9, 66.6, 73.1)}, J_AND_F),
            Line("DINO", "dino-vitb8", {"DAVIS17 val": (71.4, 67.9, 74.9)}, J_AND_F),
        ),
    ),
    "corloc": Table(
        "CorLoc of single-object discovery: DINO-seg, LOST, TokenCut, deep spectral, FOUND",
        "corloc",
        OWN_SIZE + EPOCHS,
        (
            Line(
                "DINO-seg (in LOST, Table 1)",
                "dino-vits16",
                corloc(45.8, 46.2, 42.1),
                CORLOC,
                {"method": "dino-seg", "param": ("head=4", "published=true"), "refine": "none"},
                "S",
            ),
            Line("LOST (README)", "dino-vits16", corloc(61.9, 64.0, 50.7), CORLOC, LOST),
            Line("LOST (README)", "dino-vits8", corloc(55.5, 57.0, 49.5), CORLOC, LOST),
            Line("LOST (README)", "dino-vitb16", corloc(60.1, 63.3, 50.0), CORLOC, LOST),
            Line("TokenCut (README)", "dino-vits16", corloc(68.8, 72.1, 58.8), CORLOC, TOKENCUT),
            Line("TokenCut (README)", "dino-vits8", corloc(67.3, 71.6, 60.7), CORLOC, TOKENCUT),
            Line("TokenCut (README)", "dino-vitb16", corloc(68.8, 72.4, 59.0), CORLOC, TOKENCUT),
            Line(
                "deep spectral (Table 2)",
                "dino-vits16",
                corloc(62.7, 66.4, 52.2),
                CORLOC,
                SPECTRAL,
                "U",
                "the largest piece, crops to the grid",
            ),
            Line("FOUND (Table 1)", "dino-vits8", corloc(72.5, 76.1, 62.9), CORLOC, LARGEST, "U", HEAD),
        ),
    ),
    "saliency": Table(
        "Saliency: TokenCut, with and without the bilateral solver, and FOUND",
        "saliency",
        OWN_SIZE + "TokenCut brings them to the nearest multiple of the patch instead, and takes every mask value "
        "above 0 as foreground; here it is above 127. With other library versions its users get an IoU of 62.1 "
        "instead of 77.2 on ECSSD. " + EPOCHS,
        (
            Line(
                "TokenCut (README)",
                "dino-vits16",
                saliency(ecssd=(80.3, 71.2, 91.8), duts=(67.2, 57.6, 90.3), omron=(60.0, 53.3, 88.0)),
                CUT,
                TOKENCUT,
            ),
            Line(
                "TokenCut + bilateral solver (README)",
                "dino-vits16",
                saliency(ecssd=(87.4, 77.2, 93.4), duts=(75.5, 62.4, 91.4), omron=(69.7, 61.8, 89.7)),
                CUT,
                TOKENCUT | {"refine": "bilateral"},
            ),
            Line(
                "FOUND, single (Table 2)",
                "dino-vits8",
                saliency(omron=(92.0, 58.6, 68.3), duts=(93.9, 63.7, 73.3), ecssd=(91.2, 79.3, 94.6)),
                FOUND,
                LARGEST,
                "U",
                HEAD,
            ),
            Line(
                "FOUND, multi (Table 2)",
                "dino-vits8",
                saliency(omron=(91.2, 57.8, 66.3), duts=(93.8, 64.5, 71.5), ecssd=(94.9, 80.7, 95.5)),
                FOUND,
                BACKGROUND,
                "U",
                HEAD,
            ),
        ),
    ),
    "maskcut-ap": Table(
        "Class-agnostic AP and AR of CutLER, whose teacher MaskCut is",
        "ap",
        "MaskCut brings photographs to 480 x 480 px, here the long side has 480 px and the aspect is kept.",
        (
            Line(
                "CutLER (README)",
                "dino-vitb8",
                {"COCO val2017": (21.9, 32.7), "COCO20k": (22.4, 33.1)},
                BOXES,
                MASKCUT,
                differs=DETECTOR,
            ),
            Line(
                "CutLER (its COCO table)",
                "dino-vitb8",
                {"COCO val2017": (12.3, 9.7, 18.9)},
                ("AP of boxes", "AP of masks", "AP50 of masks"),
                MASKCUT,
                "U",
                DETECTOR,
            ),
        ),
        480,
    ),
}
