"""Options: checked when they are made, documented where they are declared."""

from __future__ import annotations

import ast
import inspect
import math
import pydoc
from dataclasses import FrozenInstanceError, asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dinoseg
from dinoseg import options as module
from dinoseg.errors import OptionError, UsageError
from dinoseg.options import (
    AppOptions,
    AttendOptions,
    CompressOptions,
    CutoutOptions,
    EvaluateOptions,
    ExportOptions,
    FeatureFileOptions,
    FeatureOptions,
    FigureOptions,
    FrameOptions,
    GroupOptions,
    InputOptions,
    LikeOptions,
    MatchOptions,
    ModelOptions,
    Options,
    OutputOptions,
    PictureOptions,
    PropagateOptions,
    SegmentOptions,
    SelectOptions,
    ShardOptions,
    SmoothOptions,
    TrackOptions,
    TrainHeadOptions,
    TrainOptions,
    VideoOptions,
    identity,
    values,
    with_options,
)
from dinoseg.options.declare import number_fields

CLASSES = (
    ModelOptions,
    InputOptions,
    SegmentOptions,
    AppOptions,
    ShardOptions,
    AttendOptions,
    LikeOptions,
    MatchOptions,
    PictureOptions,
    FeatureOptions,
    FeatureFileOptions,
    FigureOptions,
    CutoutOptions,
    SelectOptions,
    OutputOptions,
    TrainOptions,
    CompressOptions,
    EvaluateOptions,
    GroupOptions,
    PropagateOptions,
    TrackOptions,
    FrameOptions,
    TrainHeadOptions,
    ExportOptions,
    SmoothOptions,
    VideoOptions,
)


@pytest.mark.parametrize(
    ("options", "values", "told"),
    [
        (ModelOptions, {"heads": 0}, "--heads 0"),
        (ModelOptions, {"size": 15}, "16..8192 px"),
        (ModelOptions, {"size": 8193}, "--size 8193"),
        (ModelOptions, {"batch": 0}, "--batch 0"),
        (ModelOptions, {"batch": 4097}, "1..4096"),
        (ModelOptions, {"max_pixels": 0}, "--max-pixels 0"),
        (SegmentOptions, {"batch": -1}, "--batch -1"),  # inherited checks run
        (EvaluateOptions, {"size": 0}, "--size 0"),
        (OutputOptions, {"output": Path("out"), "formats": ()}, "--formats needs at least one"),
        (EvaluateOptions, {"every": 0}, "--every 0"),
        (EvaluateOptions, {"every": -2}, "--every -2"),
        (EvaluateOptions, {"smooth": -1}, "--smooth -1"),
        (EvaluateOptions, {"overwrite": True}, "name its folder with --output"),  # nothing to overwrite
        (AppOptions, {"port": 0}, "--port 0"),
        (AttendOptions, {"heads": -1}, "--heads -1"),
        (AttendOptions, {"layer": 0}, "--layer 0"),
        (AttendOptions, {"rollout": True, "layer": 3}, "leave out --layer"),  # contradiction
        (AttendOptions, {"rollout": True, "query": (1, 2)}, "leave out"),
        (LikeOptions, {"among": ("a",)}, "--like X Y"),
        (FeatureOptions, {"layer": 0}, "--layer 0"),
        (FeatureOptions, {"runtime": "openvino"}, "--runtime openvino"),
        (MatchOptions, {"pairs": -1}, "--pairs -1"),
        (PictureOptions, {"output": Path("a.jpg")}, "must end in .png"),
    ],
)
def test_e66_e67_values_are_checked_before_anything_else(options: type, values: dict[str, Any], told: str) -> None:
    with pytest.raises(OptionError, match=told):
        options(**values)


@pytest.mark.parametrize(
    "values",
    [{}, {"heads": 1}, {"size": 16}, {"size": 8192}, {"batch": 1}, {"batch": 4096}],  # the ends of each range
)
def test_values_at_the_ends_of_their_ranges_are_fine(values: dict[str, Any]) -> None:
    assert asdict(ModelOptions(**values)).items() >= values.items()


@pytest.mark.parametrize("options", CLASSES)
def test_every_option_has_its_line_of_help(options: type) -> None:
    for field in fields(options):
        owner = next(base for base in options.__mro__ if field.name in inspect.get_annotations(base))
        assert docstring_of(owner, field.name), f"{owner.__name__}.{field.name}"


def docstring_of(owner: type, name: str) -> str:
    """The string that stands below a field in the source of its class."""
    (tree,) = ast.parse(inspect.getsource(owner)).body
    assert isinstance(tree, ast.ClassDef)
    for line, following in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(line, ast.AnnAssign) and ast.unparse(line.target) == name:
            constant = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            return str(following.value.value) if constant else ""
    return ""


@pytest.mark.parametrize("options", CLASSES)
def test_options_are_frozen_and_by_keyword_only(options: type) -> None:
    needs_output = "output" in inspect.signature(options).parameters and options is not EvaluateOptions
    name = "out.onnx" if options is ExportOptions else "out.png"
    made = options(output=Path(name)) if needs_output else options()
    with pytest.raises(FrozenInstanceError):
        setattr(made, fields(options)[0].name, None)
    with pytest.raises(TypeError):
        options("out")


def test_all_classes_are_tested_here() -> None:
    declared = {value for name, value in vars(module).items() if name.endswith("Options")}
    assert declared == {*CLASSES, Options}


@pytest.mark.parametrize("options", [*CLASSES, FigureOptions])
def test_what_is_no_number_is_refused_by_its_name(options: type) -> None:
    name = "out.onnx" if options is ExportOptions else "out.png"
    output = {"output": Path(name)} if "output" in inspect.signature(options).parameters else {}
    wrong: tuple[object, ...] = (math.nan, math.inf, -math.inf, "5", True, [], {})
    for name, hint in number_fields(options).items():
        several = {"mean": 3, "std": 3}.get(name, 2 if "tuple" in str(hint) else 0)
        for value in (*wrong, *((2**63, -(2**63), 10**400, 1.5) if "int" in str(hint) else ())):
            with pytest.raises(OptionError, match=f"^--{name.replace('_', '-')} .* is out of range"):
                options(**output, **{name: (value,) * several if several else value})


def test_numbers_of_numpy_are_numbers() -> None:
    assert ModelOptions(size=np.int64(64), mean=(np.float32(0.5),) * 3).size == 64  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "values"),
    [
        (PropagateOptions, {"radius": 10**23}),
        (PropagateOptions, {"temperature": 1e-300}),  # the weights would be NaN
        (PropagateOptions, {"temperature": 1e300}),
        (ModelOptions, {"value_range": (-1e308, 1e308)}),  # their difference is infinite
        (ModelOptions, {"size": 32.5}),
        (TrainOptions, {"width": 2**62, "heads": 1}),
        (TrainOptions, {"depth": 10**6}),
        (TrainOptions, {"global_size": 2**60}),
        (TrainOptions, {"local_size": 2**60}),
        (TrainOptions, {"prototypes": 2**60}),
        (TrainOptions, {"epochs": 10**12}),
        (TrainOptions, {"teacher_cache": 1e300, "distil_from": "dino-vits8"}),
        (TrainHeadOptions, {"epochs": 10**12}),
        (CompressOptions, {"calibration_crops": 10**12}),
        (CompressOptions, {"heal_crops": 10**12}),
    ],
)
def test_absurd_values_are_out_of_range(options: type, values: dict[str, Any]) -> None:
    name = "out.onnx" if options is ExportOptions else "out.png"
    output = {"output": Path(name)} if "output" in inspect.signature(options).parameters else {}
    with pytest.raises(OptionError, match="out of range"):
        options(**output, **values)


def test_option_errors_are_usage_errors() -> None:
    assert issubclass(OptionError, UsageError)  # exit code 2


def test_with_options_turns_an_options_object_into_keywords() -> None:
    @with_options(ModelOptions)
    def function(image: str, options: ModelOptions) -> tuple[str, ModelOptions]:
        """Says what it got."""
        return image, options

    assert function("cat.jpg", batch=2) == ("cat.jpg", ModelOptions(batch=2))
    assert function.__doc__ == "Says what it got."
    with pytest.raises(TypeError, match="bach"):
        function("cat.jpg", bach=2)  # type: ignore[call-arg]
    with pytest.raises(OptionError):
        function("cat.jpg", batch=0)


def test_a_path_may_be_a_string() -> None:
    @with_options(TrainOptions)
    def function(_: str, options: TrainOptions) -> TrainOptions:
        return options

    given = function("photos", output="run", from_file="list.txt", init="builtin")  # type: ignore[arg-type]
    assert (given.output, given.from_file, given.init) == (Path("run"), Path("list.txt"), "builtin")


def test_a_tilde_in_python_is_the_home_folder(tmp_path, monkeypatch):
    @with_options(TrackOptions)
    def given(_, options):
        return options

    monkeypatch.setenv("HOME", str(tmp_path))
    assert given(None, mask="~/first.png").mask == tmp_path / "first.png"


@pytest.mark.parametrize(
    ("name", "keyword"),
    [
        ("segment", "min_presence"),
        ("encode", "max_pixels"),
        ("attend", "rollout"),
        ("similarity", "size"),
        ("match", "pairs"),
        ("features", "layer"),
        ("Extractor", "facet"),
        ("track", "temperature"),
        ("group", "clusters"),
        ("train", "prototypes"),
        ("train_head", "labels"),
        ("compress", "neurons"),
        ("evaluate", "stored_frame"),
        ("Segmenter", "method"),
    ],
)
def test_help_shows_the_true_keywords(name: str, keyword: str) -> None:
    parameters = inspect.signature(getattr(dinoseg, name)).parameters
    assert keyword in parameters
    assert parameters[keyword].kind is inspect.Parameter.KEYWORD_ONLY
    assert not {"options", "args", "kwargs"} & parameters.keys()
    assert keyword in pydoc.render_doc(getattr(dinoseg, name))


def test_options_say_whether_they_decide_a_result() -> None:
    options = EvaluateOptions(device="cpu", batch=3, output=Path("out"), split="odd", size=64)
    assert identity(options).keys() == values(options).keys() - {
        *("runtime", "device", "batch", "offline", "max_pixels", "split", "partial", "output", "overwrite", "json"),
        "parts",  # where it is set
    }
    assert identity(options, ModelOptions).keys() <= {field.name for field in fields(ModelOptions)}
    assert identity(options)["size"] == 64


def test_an_option_that_was_added_decides_where_it_is_set() -> None:
    assert identity(SelectOptions()) == {}
    assert identity(SelectOptions(top=2, min_score=0.0)) == {"top": 2}
    assert values(SelectOptions()) == {"largest": False, "top": None, "min_area": 0.0, "min_score": 0.0}


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        (SelectOptions, {"top": 0}),
        (SelectOptions, {"largest": True, "top": 1}),
        (SelectOptions, {"min_area": 1.5}),
        (SelectOptions, {"min_score": -0.1}),
        (CutoutOptions, {"margin": "5%"}),  # around nothing
        (CutoutOptions, {"crop": True, "margin": "wide"}),
        (CutoutOptions, {"crop": True, "margin": "101%"}),
        (CutoutOptions, {"crop": True, "margin": "1e3"}),
        (CutoutOptions, {"image_format": "jpeg"}),  # on transparency
        (CutoutOptions, {"image_format": "gif"}),
        (CutoutOptions, {"quality": 0}),
    ],
)
def test_wrong_looks_and_choices(options: type, wrong: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        options(**wrong)
