"""``copies``: is a picture found again after it was cut, squeezed, blurred or turned?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dinoseg.errors import DatasetError, ImageError, OptionError
from dinoseg.evaluation import Progress
from dinoseg.evaluation.aggregate import mean_of, means
from dinoseg.evaluation.datasets import Data
from dinoseg.evaluation.features.distortions import DISTORTIONS, distorted
from dinoseg.evaluation.features.embedding import Embedder, Embedding, cls_token, crop_side, raw_pixels, squash
from dinoseg.evaluation.features.gallery import RAW, Counter, batch_size, selected_positions
from dinoseg.evaluation.features.whitening import Whitening, cls_and_gem
from dinoseg.evaluation.metrics.ranking import average_precision, rankings
from dinoseg.evaluation.protocols.base import DataSummary, Evaluation, Outcome
from dinoseg.evaluation.protocols.features import FeatureProtocol, open_backbone, reasons, subject_of
from dinoseg.evaluation.report import WHOLE_PICTURES, Row, Score
from dinoseg.evaluation.resume import RowJournal
from dinoseg.images.decode import decode
from dinoseg.images.find import find
from dinoseg.options import EvaluateOptions
from dinoseg.types import Failure, Source

SIDE = 320
"""px of the published frame."""
ORIGINALS = 50
"""At most so many pictures are distorted, evenly over the folder; all others are distractors."""
FEWEST = 20
"""Pictures of a folder."""
COPY, CLS = "CLS and GeM", "CLS alone"
DESCRIBE = {COPY: cls_and_gem, CLS: cls_token, RAW: raw_pixels}
AP, FIRST = "average precision", "found first"


def check_enough(data: Path, count: int) -> None:
    """Raise ``DatasetError`` for fewer pictures than ``FEWEST``."""
    if count < FEWEST:
        raise DatasetError(
            f"{data} holds {count} pictures that can be read: copies needs {FEWEST} or more to tell apart."
        )


def originals(count: int, options: EvaluateOptions) -> NDArray[np.int64]:
    """Positions of the pictures that are distorted: of those asked for at most ``ORIGINALS``, at most half of all."""
    asked = selected_positions(count, options)
    most = max(1, min(ORIGINALS, count // 2, len(asked)))
    return asked[np.linspace(0, len(asked) - 1, most).round().astype(int)] if len(asked) else asked


def copies_of(pictures: Sequence[Source], max_pixels: int) -> Iterator[Source | Failure]:
    """Every distortion of every picture, made when it is asked for."""
    for source in pictures:
        try:
            pixels = decode(source, max_pixels=max_pixels).pixels
        except ImageError as error:  # gone since
            yield from (Failure(source.id, error, source) for _ in DISTORTIONS)
            continue
        yield from (Source(f"{source.id} ({name})", distorted(pixels, name)) for name in DISTORTIONS)


def copy_rows(
    pictures: Sequence[Source], asked: NDArray[np.int64], database: Embedding, queries: Embedding
) -> list[Row[None]]:
    """Where each copy finds its original, by each kind of vector; the copies of one picture are one sequence."""
    place, kind = np.divmod(queries.positions, len(DISTORTIONS))  # which original, and what was done to it
    wanted, names = asked[place], [list(DISTORTIONS)[number] for number in kind]
    values: list[dict[str, float]] = [{} for _ in wanted]
    for after, (copies, among) in compared(database, queries, asked).items():
        for position, ranking in enumerate(rankings(copies, among)):
            values[position] |= copy_values(ranking, int(wanted[position]), after)
    ids = [pictures[position].id for position in wanted]
    return [
        Row(f"{id_} ({name})", value, sequence=id_, classes=(name,), evidence=None)
        for id_, name, value in zip(ids, names, values, strict=True)
    ]


def compared(database: Embedding, queries: Embedding, asked: NDArray[np.int64]) -> dict[str, tuple[Tensor, Tensor]]:
    """Vectors of the copies and of the database by the end of a score's name; whitening is learned on distractors."""
    distractors = np.setdiff1d(np.arange(len(database.positions)), asked)
    vectors = database.vectors[COPY]
    whiten = Whitening.learn(vectors[distractors], min(vectors.shape[1], len(distractors) // 2))
    pairs = {f", {name}": (queries.vectors[name], database.vectors[name]) for name in (CLS, RAW)}
    return {"": (whiten(queries.vectors[COPY]), whiten(vectors))} | pairs


def copy_values(ranking: NDArray[np.int64], wanted: int, after: str) -> dict[str, float]:
    """One copy's values; ``after`` is put behind their names."""
    original = np.arange(len(ranking)) == wanted
    precision = average_precision(ranking, original, np.zeros_like(original))
    return {f"{AP}{after}": precision, f"{FIRST}{after}": float(ranking[0] == wanted)}


def scores_of(rows: Sequence[Row[None]]) -> list[Score]:
    """Means over originals: all distortions together, then each; raw pixels are the floor."""
    scores = means(rows)
    for name in DISTORTIONS:
        of_kind = [row for row in rows if row.classes == (name,)]
        if of_kind:
            scores.append(replace(mean_of(FIRST, of_kind), name=f"{FIRST}, {name}"))
    return [
        replace(score, unit="originals", kind="floor" if score.name.endswith(RAW) else score.kind) for score in scores
    ]


class Copies(FeatureProtocol):
    """Distorted pictures look for their originals."""

    name = "copies"
    definition = (
        f"Copy detection: {len(DISTORTIONS)} distortions of up to {ORIGINALS} pictures ({', '.join(DISTORTIONS)}), "
        "made on the fly, each looks for its original among all pictures of the folder. Whole pictures as squares, "
        "CLS beside GeM (p 4) of the patches, whitened by the pictures that are not looked for, cosine (Berman et "
        "al. 2019, as DINO does on Copydays). Mean over originals, whose copies are not independent."
    )

    def check(self, data: Data, options: EvaluateOptions) -> None:
        """Raise ``OptionError`` for what is only said of masks, or of classes."""
        super().check(data, options)
        if options.shots:
            raise OptionError("copies learns from no examples: leave out --shots.")

    def open(self, data: Data, options: EvaluateOptions) -> CopiesEvaluation:
        """See ``Protocol``. Raises ``DatasetError`` for too few pictures."""
        folder = Path(str(data)).expanduser()
        listed = find([folder])
        sources = [each.with_values(options.value_range) if isinstance(each, Source) else each for each in listed]
        check_enough(folder, sum(isinstance(source, Source) for source in sources))
        return CopiesEvaluation(folder, sources, options)


class CopiesEvaluation(Evaluation):
    """A folder of pictures, some of which are distorted and looked for among all."""

    def __init__(self, folder: Path, sources: Sequence[Source | Failure], options: EvaluateOptions) -> None:
        self.folder, self.sources, self.options = folder, sources, options
        self.backbone = open_backbone(options)
        self.side = crop_side(self.backbone.spec.patch, options.size or SIDE)
        self.data = DataSummary(folder.name, "any folder of pictures", WHOLE_PICTURES)
        self.subject = subject_of(self.backbone, options, self.side)

    def measure(self, journal: RowJournal, progress: Progress) -> Outcome:  # noqa: ARG002 (as Evaluation)
        """Embed all pictures, then the copies of some. Raises ``DatasetError`` where too few can be read."""
        sources, options = self.sources, self.options
        count = Counter(progress, len(sources) + len(originals(len(sources), options)) * len(DISTORTIONS))
        embedder = Embedder(
            self.backbone,
            lambda pixels: squash(pixels, self.side),
            DESCRIBE,
            facets=("token",),
            batch=batch_size(self.backbone, options),
            max_pixels=options.max_pixels,
        )
        database = embedder(sources, count)
        check_enough(self.folder, len(database.positions))
        readable = [source for source in (sources[index] for index in database.positions) if isinstance(source, Source)]
        asked = originals(len(readable), options)
        copies = copies_of([readable[index] for index in asked], options.max_pixels)
        queries = replace(embedder, max_pixels=4 * options.max_pixels)(copies, count)  # a frame makes a copy larger
        rows = copy_rows(readable, asked, database, queries)
        return Outcome(rows, reasons((*database.failures, *queries.failures)), lambda: scores_of(rows))
