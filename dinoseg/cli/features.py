"""``dinoseg features``: what a network says, as arrays and pictures."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from dinoseg.cli.arguments import INPUT, MODEL, OUTPUT
from dinoseg.cli.console import as_json, say_counts, say_failures, say_nothing_found, tell_json, tell_table
from dinoseg.cli.exits import of_counts
from dinoseg.options import FeatureFileOptions, FeatureOptions, InputOptions
from dinoseg.runs.progress import progress_bar


def features(
    *images: Annotated[str, Parameter(help="Files, folders and globs ('photos/**/*.jpg'), and video files.")],
    output: Annotated[FeatureFileOptions, OUTPUT],
    inputs: Annotated[InputOptions | None, INPUT] = None,
    options: Annotated[FeatureOptions | None, MODEL] = None,
) -> int:
    """Features of photographs and videos as arrays: a vector for each patch, one for the whole; and pictures of them.

    A second run of the same command does only what is missing.
    """
    inputs, options = inputs or InputOptions(), options or FeatureOptions()
    from dinoseg.cli.before import before_features, count_images

    before_features(images, inputs, options, output)
    from dinoseg.extraction import features_folder
    from dinoseg.outputs.features import PARQUET

    with progress_bar(count=lambda: count_images(images, inputs, output.output)) as bar:
        summary = features_folder(images, options, output, from_file=inputs.from_file, progress=bar.update)
    if summary.done or summary.skipped or summary.failures:
        say_failures(summary.failures, summary.failed, f"{output.output / 'manifest.jsonl'} names all of them")
        counts = {"done": summary.done, "done before": summary.skipped, "failed": summary.failed}
        say_counts(counts, f"; {summary.seconds:.1f} s on {summary.device}")
    else:
        say_nothing_found(images or [inputs.from_file], summary.ignored)
    places = {name: output.output / (PARQUET if name == "parquet" else name) for name in output.formats}
    if output.json:
        facts = {name: getattr(summary, name) for name in ("done", "skipped", "ignored", "device", "seconds")}
        tell_json(facts | {"failed": as_json(summary.failures), "results": places})
    elif summary.done or summary.skipped:
        tell_table(places.items())
    return of_counts(summary.done + summary.skipped, summary.failed)
