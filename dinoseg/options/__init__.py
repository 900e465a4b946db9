"""What can be asked for. The command line, the Python keywords, ``run.json`` and the docs all read these classes.

One file for each verb, and those that several share. Nothing heavy is imported here: ``--help`` needs this only.
Files of classes do without ``from __future__ import annotations``: cyclopts would look up the words of inherited ones
in the file of the heir.
"""

from __future__ import annotations

from dinoseg.options.attend import FIGURE_DPI, AttendOptions
from dinoseg.options.compress import CompressOptions
from dinoseg.options.declare import Flag, Options, Whole, countable, require, turn_into_paths, with_options
from dinoseg.options.evaluate import EvaluateOptions
from dinoseg.options.files import InputOptions, OutputOptions
from dinoseg.options.group import GroupOptions
from dinoseg.options.model import ModelOptions, deciding
from dinoseg.options.segment import SegmentOptions
from dinoseg.options.track import FrameOptions, PropagateOptions, TrackOptions
from dinoseg.options.train import SCRATCH, TrainOptions
from dinoseg.options.train_head import TrainHeadOptions

__all__ = (
    "FIGURE_DPI",
    "SCRATCH",
    "AttendOptions",
    "CompressOptions",
    "EvaluateOptions",
    "Flag",
    "FrameOptions",
    "GroupOptions",
    "InputOptions",
    "ModelOptions",
    "Options",
    "OutputOptions",
    "PropagateOptions",
    "SegmentOptions",
    "TrackOptions",
    "TrainHeadOptions",
    "TrainOptions",
    "Whole",
    "countable",
    "deciding",
    "require",
    "turn_into_paths",
    "with_options",
)
