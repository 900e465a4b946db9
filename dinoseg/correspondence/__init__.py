"""What in one photograph is like what in another: a patch and its like, objects and their counterparts."""

from __future__ import annotations

from dinoseg.correspondence.matching import Matches, match
from dinoseg.correspondence.similarity import Similarity, similarity

__all__ = ["Matches", "Similarity", "match", "similarity"]
