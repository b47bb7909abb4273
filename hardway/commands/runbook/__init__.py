"""The guide: the same model that bootstrap works with, written down as commands that a person types."""

from .chapters import guide, write_guide
from .explain import explain
from .survey import surveyed, unasked
from .tree import MANIFEST, write_tree

__all__ = ["MANIFEST", "explain", "guide", "surveyed", "unasked", "write_guide", "write_tree"]
