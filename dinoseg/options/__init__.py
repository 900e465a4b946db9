"""What can be asked for. The command line, the Python keywords, ``run.json`` and the docs all read these classes.

One file for each verb, and those that several share. Nothing heavy is imported here: ``--help`` needs this only.
Files of classes do without ``from __future__ import annotations``: cyclopts would look up the words of inherited ones
in the file of the heir.
"""

from __future__ import annotations

from dinoseg.options.app import AppOptions
from dinoseg.options.attend import FIGURE_DPI, AttendOptions, FigureOptions, LikeOptions
from dinoseg.options.compress import CompressOptions
from dinoseg.options.declare import (
    FREE,
    Flag,
    Options,
    Whole,
    countable,
    identity,
    require,
    values,
    with_options,
    with_options_after_two,
)
from dinoseg.options.desk import SUFFIXES, CutoutOptions, SelectOptions
from dinoseg.options.evaluate import EvaluateOptions
from dinoseg.options.export import ExportOptions
from dinoseg.options.features import FeatureFileOptions, FeatureOptions
from dinoseg.options.files import InputOptions, OutputOptions, ShardOptions
from dinoseg.options.group import GroupOptions
from dinoseg.options.match import MatchOptions, PictureOptions
from dinoseg.options.model import MAX_PIXELS, ModelOptions
from dinoseg.options.segment import Parameters, SegmentOptions, as_words
from dinoseg.options.smooth import SmoothOptions, VideoOptions
from dinoseg.options.track import FrameOptions, PropagateOptions, TrackOptions
from dinoseg.options.train import SCRATCH, TrainOptions
from dinoseg.options.train_head import TrainHeadOptions

__all__ = (
    "FIGURE_DPI",
    "FREE",
    "MAX_PIXELS",
    "SCRATCH",
    "SUFFIXES",
    "AppOptions",
    "AttendOptions",
    "CompressOptions",
    "CutoutOptions",
    "EvaluateOptions",
    "ExportOptions",
    "FeatureFileOptions",
    "FeatureOptions",
    "FigureOptions",
    "Flag",
    "FrameOptions",
    "GroupOptions",
    "InputOptions",
    "LikeOptions",
    "MatchOptions",
    "ModelOptions",
    "Options",
    "OutputOptions",
    "Parameters",
    "PictureOptions",
    "PropagateOptions",
    "SegmentOptions",
    "SelectOptions",
    "ShardOptions",
    "SmoothOptions",
    "TrackOptions",
    "TrainHeadOptions",
    "TrainOptions",
    "VideoOptions",
    "Whole",
    "as_words",
    "countable",
    "identity",
    "require",
    "values",
    "with_options",
    "with_options_after_two",
)
