"""One evaluation, the same road for every protocol: open the data, measure, conclude, report."""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import fields

from dinoseg.evaluation import Progress, make_protocol
from dinoseg.evaluation.checkout import commit
from dinoseg.evaluation.datasets import Data, refuse_missing
from dinoseg.evaluation.metrics.resampling import SEED
from dinoseg.evaluation.protocols.base import Evaluation, Protocol
from dinoseg.evaluation.report import FILES, Report, Row, check_place, versions
from dinoseg.evaluation.resume import RowJournal
from dinoseg.options import EvaluateOptions, identity
from dinoseg.places import claimed
from dinoseg.version import __version__


def run(name: str, data: Data, options: EvaluateOptions, progress: Progress = lambda *_: None) -> Report:
    """Evaluate the protocol ``name`` on a data set; ``progress`` is called after each picture.

    Result and errors are those of ``evaluate``.
    """
    start = time.perf_counter()
    protocol = make_protocol(name)
    refuse_missing(data, options.predictions)
    protocol.check(data, options)
    if options.output:
        check_place(options.output, options.overwrite, (*FILES, *protocol.figures))
    evaluation = protocol.open(data, options)
    subject = evaluation.subject
    with claimed(options.output, deep=False) if options.output else nullcontext():
        journal = journal_of(protocol, evaluation, options)
        outcome = evaluation.measure(journal, progress)
        report = Report(
            protocol=name,
            definition=protocol.definition,
            dataset=evaluation.data.name,
            layout=evaluation.data.layout,
            foreground=evaluation.data.foreground,
            split=options.split,
            every=options.every,
            images=len(outcome.rows),
            failed=tuple(outcome.failed),
            scores=tuple(outcome.conclude()) if options.partial or not outcome.failed else (),
            absent=absent_classes(evaluation.data.classes, outcome.rows),
            rows=tuple(outcome.rows),
            model=subject.model,
            sha256=subject.sha256,
            device=subject.device,
            size=subject.size,
            options=subject.options,
            command=command(name, data, options),
            commit=commit(),
            seed=SEED,
            versions=versions(),
            seconds=time.perf_counter() - start,
            exif=dict(Counter(note for row in outcome.rows for note in row.exif)),
            subject=subject.lines,
        )
        if options.output:
            report.save(options.output, outcome.figures())
        if not (outcome.failed and evaluation.keeps_rows):
            journal.finish()
    return report


def journal_of(protocol: Protocol, evaluation: Evaluation, options: EvaluateOptions) -> RowJournal:
    """What an earlier run of the same command has measured."""
    facts = {
        "protocol": protocol.name,
        "definition": protocol.definition,
        "data": f"{evaluation.data.name}, {evaluation.data.layout}",
        "options": identity(options),
        "weights": evaluation.subject.sha256,
        "head": evaluation.subject.head,
        "version": __version__,
    }
    return RowJournal(options.output, facts, rows=evaluation.keeps_rows, overwrite=options.overwrite)


def absent_classes(classes: Sequence[str], rows: Sequence[Row[object]]) -> tuple[str, ...]:
    """Classes of the data set that occur in no scored picture."""
    present = {name for row in rows for name in row.classes}
    return tuple(name for name in classes if name not in present)


def command(name: str, data: Data, options: EvaluateOptions) -> str:
    """The command line that asks for the same."""
    words = ["dinoseg", "evaluate", name, *map(str, data if isinstance(data, tuple) else (data,))]
    for field in fields(options):
        value, flag = getattr(options, field.name), f"--{field.name.replace('_', '-')}"
        if value == field.default:
            continue
        if isinstance(value, bool):
            words.append(flag)
            continue
        for part in value if isinstance(value, tuple) else (value,):
            words += [flag, str(part)]
    return shlex.join(words)
