"""From a protocol on whole pictures to its report."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from dinoseg.backbone.base import Backbone
from dinoseg.backbone.zoo import choose_device, load_backbone
from dinoseg.errors import OptionError
from dinoseg.evaluation.checkout import commit
from dinoseg.evaluation.features import figures
from dinoseg.evaluation.features.gallery import Progress
from dinoseg.evaluation.metrics.resampling import SEED
from dinoseg.evaluation.protocols.features import FeatureProtocol
from dinoseg.evaluation.report import FILES, Report, check_place, versions
from dinoseg.evaluation.resume import Kept
from dinoseg.evaluation.untrained import untrained
from dinoseg.options import EvaluateOptions, ModelOptions
from dinoseg.places import claimed

USED = (
    *(field.name for field in fields(ModelOptions)),
    *("split", "every", "shots", "random_weights", "partial", "output", "overwrite", "json"),
)
"""Options that mean something here; all others are about masks."""


@dataclass(frozen=True, slots=True)
class FeatureReport(Report):
    """A report in which no mask occurs."""

    def about(self) -> list[str]:
        """What was measured on what, one line each."""
        thinned = f", 1 in {self.every}" if self.every > 1 else ""
        weights = f", sha256 {self.sha256}" if self.sha256 else ""
        return [
            f"- data: {self.dataset} ({self.layout}), split {self.split}{thinned}: {self.images} pictures scored",
            f"- network: {self.model} on {self.device}, frame of {self.size} px{weights}",
        ]


def run_features(
    name: str, protocol: FeatureProtocol, data: object, options: EvaluateOptions, command: str, progress: Progress
) -> FeatureReport:
    """See ``evaluate``; ``command`` is the command line that asks for the same."""
    start = time.perf_counter()
    refuse(name, data, options)
    if options.output:
        check_place(options.output, options.overwrite, (*FILES, *figures.FILES))
    backbone = open_backbone(options)
    with claimed(options.output, deep=False) if options.output else nullcontext():
        unfinished = Kept(options.output, {"protocol": name}, rows=False)
        found = protocol.measure(Path(str(data)).expanduser(), backbone, options, progress)
        model = f"random weights in the shape of {options.model}" if options.random_weights else options.model
        report = FeatureReport(
            protocol=name,
            definition=protocol.definition,
            dataset=found.dataset,
            layout=found.layout,
            foreground="whole pictures",
            split=options.split,
            every=options.every,
            images=len(found.rows),
            failed=tuple((failure.id, failure.reason) for failure in found.failed),
            scores=tuple(found.scores) if options.partial or not found.failed else (),
            absent=found.absent,
            rows=tuple(found.rows),
            model=model,
            sha256=None if options.random_weights else backbone.spec.sha256,
            device=str(backbone.device),
            size=found.size,
            options={key: value for key, value in asdict(options).items() if key in USED}
            | {"mean": backbone.spec.mean, "std": backbone.spec.std},
            command=command,
            commit=commit(),
            seed=SEED,
            versions=versions(),
            seconds=time.perf_counter() - start,
        )
        if options.output:
            report.save(options.output, found.figures())
        unfinished.finish()
    return report


def open_backbone(options: EvaluateOptions) -> Backbone:
    """The network that was asked for, or an untrained one of its shape."""
    if not options.random_weights:
        return load_backbone(options)
    return untrained(options).to(choose_device(options.device)).eval()


def refuse(name: str, data: object, options: EvaluateOptions) -> None:
    """Raise ``OptionError`` for what is only said of masks."""
    if isinstance(data, tuple):
        raise OptionError(f"{name} takes one folder: its classes are folders, masks are not read.")
    for field in fields(options):
        if field.name not in USED and getattr(options, field.name) != field.default:
            flag = field.name.replace("_", "-")
            raise OptionError(f"{name} looks at whole pictures and makes no masks: leave out --{flag}.")
