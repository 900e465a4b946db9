"""Unsupervised segmentation with DINO attention: photographs in, masks out, no labels."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dinoseg.version import __version__

if TYPE_CHECKING:
    from dinoseg.attention import Attention, attend
    from dinoseg.backbone.zoo import load
    from dinoseg.compression import compress
    from dinoseg.correspondence import Matches, Similarity, match, similarity
    from dinoseg.encoding import Encoded, encode
    from dinoseg.errors import DinosegError
    from dinoseg.evaluation import evaluate
    from dinoseg.exporting import export
    from dinoseg.extraction import Extractor, PhotoFeatures, features
    from dinoseg.grouping import group
    from dinoseg.heads import train_head
    from dinoseg.methods.points import Points
    from dinoseg.pipeline import Segmenter, segment
    from dinoseg.segmentation import Segmentation
    from dinoseg.smoothing import segment_video
    from dinoseg.tracking import track
    from dinoseg.training import train
    from dinoseg.types import Failure, Photo

# Public name -> module; imported at first use, so that `import dinoseg` stays light. The functions live in modules
# of other names: `import dinoseg.training` never shadows `dinoseg.train`.
_PUBLIC = {
    "Attention": "attention",
    "DinosegError": "errors",
    "Encoded": "encoding",
    "Extractor": "extraction",
    "Failure": "types",
    "Matches": "correspondence",
    "Photo": "types",
    "PhotoFeatures": "extraction",
    "Points": "methods.points",
    "Segmentation": "segmentation",
    "Segmenter": "pipeline",
    "Similarity": "correspondence",
    "attend": "attention",
    "compress": "compression",
    "encode": "encoding",
    "evaluate": "evaluation",
    "features": "extraction",
    "export": "exporting",
    "group": "grouping",
    "load": "backbone.zoo",
    "match": "correspondence",
    "segment": "pipeline",
    "segment_video": "smoothing",
    "similarity": "correspondence",
    "track": "tracking",
    "train": "training",
    "train_head": "heads",
}

__all__ = [
    "Attention",
    "DinosegError",
    "Encoded",
    "Extractor",
    "Failure",
    "Matches",
    "Photo",
    "PhotoFeatures",
    "Points",
    "Segmentation",
    "Segmenter",
    "Similarity",
    "__version__",
    "attend",
    "compress",
    "encode",
    "evaluate",
    "export",
    "features",
    "group",
    "load",
    "match",
    "segment",
    "segment_video",
    "similarity",
    "track",
    "train",
    "train_head",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'dinoseg' has no attribute {name!r}")
    return getattr(import_module(f"dinoseg.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return __all__
