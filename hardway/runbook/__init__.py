"""The guide: the same model that bootstrap works with, written down as commands that a person types."""

from .explain import explain
from .guide import guide, write_guide
from .survey import assumed, surveyed
from .tree import MANIFEST, write_tree

__all__ = ["MANIFEST", "assumed", "explain", "guide", "surveyed", "write_guide", "write_tree"]
