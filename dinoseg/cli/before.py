"""What can be said against a command before torch is loaded, which takes seconds.

These are the library's own checks, of its rooms that do without torch; it asks them again for those who call it.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from dinoseg.backbone.names import check_weights
from dinoseg.cli.console import inform
from dinoseg.errors import MissingExtra, OptionError, UsageError
from dinoseg.evaluation import PROTOCOLS
from dinoseg.evaluation.datasets import Data, refuse_missing
from dinoseg.evaluation.report import check_place
from dinoseg.images.corruptions import parse_condition
from dinoseg.images.find import expand, find, only_one
from dinoseg.images.labels import object_numbers
from dinoseg.images.shard import Shard
from dinoseg.images.video import open_video
from dinoseg.methods import make_method
from dinoseg.options import (
    AttendOptions,
    CompressOptions,
    EvaluateOptions,
    ExportOptions,
    FeatureFileOptions,
    FeatureOptions,
    InputOptions,
    LikeOptions,
    MatchOptions,
    ModelOptions,
    OutputOptions,
    PictureOptions,
    SegmentOptions,
    ShardOptions,
    TrackOptions,
    TrainHeadOptions,
    TrainOptions,
    VideoOptions,
)
from dinoseg.outputs import FEATURES, OF_SEVERAL, refuse_formats
from dinoseg.outputs.claim import refuse_results
from dinoseg.outputs.features import check_parquet
from dinoseg.outputs.folder import check_output
from dinoseg.outputs.picture import PIPE, is_picture, picture_options
from dinoseg.places import check_file, check_folder
from dinoseg.refine import REFINEMENTS


def before_segment(images: Sequence[str], inputs: InputOptions, options: SegmentOptions, output: OutputOptions) -> None:
    """What ``segment`` and ``group`` refuse. Raises ``UsageError``."""
    check_named(images, inputs.from_file)
    if is_picture(output.output) or names_pipe(images):
        the_photograph(images, inputs, output.output)
        picture_options(output)
    else:
        check_output(output)
        refuse_results(images, output.output)
        find(images, from_file=inputs.from_file, exclude=output.output)
    check_finding(options, output.wanted)


def names_pipe(images: Sequence[str]) -> bool:
    """Whether ``-`` alone is named."""
    return [Path(name) for name in images] == [PIPE]


def the_photograph(images: Sequence[str], inputs: InputOptions, place: Path) -> Path:
    """The one that becomes a picture at ``place``; ``-`` is standard input. Raises ``UsageError``."""
    if names_pipe(images) and inputs.from_file is None:
        if is_picture(place):
            return PIPE
        raise OptionError(f"standard input is one photograph: name a file for its cut-out, for instance {place}.png.")
    try:
        return only_one(images, inputs.from_file)
    except OptionError as error:
        raise OptionError(f"{place} is one picture: {error} For several name a folder.") from error


def before_attend(
    images: Sequence[str], inputs: InputOptions, options: AttendOptions, like: LikeOptions, folder: Path
) -> None:
    """What ``attend`` refuses. Raises ``UsageError``."""
    check_named(images, inputs.from_file)
    check_folder(folder)
    find(images, from_file=inputs.from_file, exclude=folder)
    if like.like is not None and (options.query is not None or options.layer is not None or options.rollout):
        raise OptionError("--like compares the network's last tokens: leave out --query, --layer and --rollout.")
    if like.among:
        only_one(images, inputs.from_file)
        find(like.among)
    check_weights(options.model, offline=options.offline)


def before_match(images: Sequence[Path], options: MatchOptions, output: PictureOptions) -> None:
    """What ``match`` refuses. Raises ``UsageError``."""
    for image in images:
        only_one([image])
    for place in (output.output, output.output.with_suffix(".json")):
        check_file(place, replace=output.overwrite, example="new.png")
    if not make_method(options.chosen_method, options.param).needs_network:
        raise OptionError(f"match compares what a network says: --method {options.method_name} has none.")
    check_finding(options, ())


def before_features(
    images: Sequence[str], inputs: InputOptions, options: FeatureOptions, output: FeatureFileOptions
) -> None:
    """What ``features`` refuses. Raises ``UsageError``."""
    check_named(images, inputs.from_file)
    check_output(output.folder(output.formats), FEATURES)
    if "parquet" in output.formats:
        check_parquet()
    refuse_results(images, output.output, FEATURES.keys())
    find(images, from_file=inputs.from_file, exclude=output.output)
    check_weights(options.model, offline=options.offline)


def before_track(video: Path, options: TrackOptions, output: OutputOptions) -> None:
    """What ``track`` refuses. Raises ``UsageError``."""
    check_output(output)
    refuse_formats(output.wanted, "track compares patches only; name other --formats")
    open_video(video)
    if options.mask:
        object_numbers(options.mask)
        check_weights(options.model, offline=options.offline)
    else:
        check_finding(options, ())


def before_video(video: Path, options: VideoOptions, output: OutputOptions) -> None:
    """What ``segment`` refuses of a video. Raises ``UsageError``."""
    check_output(output)
    refuse_formats(output.wanted, OF_SEVERAL)
    open_video(video, options.value_range)
    refuse_results([video], output.output)
    if not make_method(options.chosen_method, options.param).needs_network:
        raise OptionError(
            f"--method {options.method_name} has no network, whose features smooth a video: name another."
        )
    check_finding(options, output.wanted)


def before_train(images: Sequence[str], options: TrainOptions) -> None:
    """What ``train`` refuses. Raises ``UsageError``."""
    check_named(images, options.from_file)
    check_folder(options.output)
    find(images, from_file=options.from_file, exclude=options.output)
    for model in (options.init, options.distil_from):
        check_weights(model, offline=options.offline)


def before_train_head(images: Sequence[str], options: TrainHeadOptions) -> None:
    """What ``train-head`` refuses. Raises ``UsageError``."""
    find(images)
    if options.labels:
        expand(str(options.labels))
    check_file(options.output, replace=options.overwrite)
    check_weights(options.model, offline=options.offline)


def before_compress(model: str, images: Sequence[str], options: CompressOptions) -> None:
    """What ``compress`` refuses. Raises ``UsageError``."""
    find(images)
    check_file(options.output, replace=options.overwrite or options.resume)
    check_weights(model, offline=options.offline)


def before_export(model: str, options: ExportOptions) -> None:
    """What ``export`` refuses. Raises ``UsageError``."""
    check_file(options.output, replace=options.overwrite, example="new.onnx")
    if options.int8:
        find(options.int8)
    check_weights(model, offline=options.offline)


def before_evaluate(protocol: str, data: Data, options: EvaluateOptions) -> None:
    """What ``evaluate`` refuses. Raises ``UsageError``."""
    PROTOCOLS.check(protocol)
    refuse_missing(data, options.predictions)
    if options.output:
        check_place(options.output, options.overwrite)
    parse_condition(options.corrupt)
    if not options.predictions:
        check_finding(options, ())


def before_app(model: ModelOptions) -> None:
    """What ``app`` refuses. Raises ``UsageError``."""
    if find_spec("gradio") is None:
        raise MissingExtra("dinoseg app needs gradio; run: pip install 'gradio>=6.31'")
    check_weights(model.model, offline=model.offline)


def before_shard(part: ShardOptions | None, output: OutputOptions, *, watch: bool) -> Shard | None:
    """The shard that is asked for. Raises ``OptionError`` where there can be none."""
    if part is None or part.shard is None:
        return None
    if watch or is_picture(output.output):
        raise OptionError(
            "--shard is for a folder of results that several runs fill: leave out --watch, name a folder."
        )
    return Shard.parse(part.shard)


def count_images(images: Sequence[str], inputs: InputOptions, folder: Path, shard: Shard | None = None) -> int:
    """How many there are, failures included, as they are listed for results in ``folder``."""
    listing = find(images, from_file=inputs.from_file, exclude=folder)
    return sum(1 for _ in (shard.of(listing) if shard else listing))


def count_frames(video: Path) -> int | None:
    """How many frames a folder has; a video file's are known at its end."""
    files = open_video(video).files
    return None if files is None else len(files)


def check_named(images: Sequence[str], list_file: Path | None) -> None:
    """Raise ``UsageError`` if neither images nor a list of them were named."""
    if not images and list_file is None:
        raise UsageError("Nothing to do: name files, folders or globs, or a list of them with --from-file.")


def check_finding(options: SegmentOptions, formats: Sequence[str]) -> None:
    """How objects are found: the method with its parameters, the refinement, the network, what is asked of them."""
    method = make_method(options.chosen_method, options.param)
    REFINEMENTS.check(options.refine)
    if method.needs_network:
        check_weights(options.model, offline=options.offline)
        return
    refuse_formats(
        formats, f"the method {options.method_name} has no network; name another --method, or other --formats"
    )
    for name in ("model", "heads", "mean", "std", "positions"):  # which network, and how it is read
        if getattr(options, name) != getattr(SegmentOptions, name):
            inform(f"--method {options.method_name} has no network: --{name} changes nothing.")
