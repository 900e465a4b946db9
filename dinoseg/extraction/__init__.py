"""Features of photographs and videos as arrays and pictures: one vector a patch, one a photograph."""

from __future__ import annotations

from dinoseg.extraction.extractor import Extractor, PhotoFeatures, features
from dinoseg.extraction.run import features_folder

__all__ = ["Extractor", "PhotoFeatures", "features", "features_folder"]
