"""The guide: the same model that bootstrap works with, written down as commands that a person types."""

from .chapters import guide, write_guide
from .explain import explain, explain_topic
from .survey import surveyed, unasked
from .topics import TOPICS
from .tree import MANIFEST, write_tree

__all__ = [
    "MANIFEST",
    "TOPICS",
    "explain",
    "explain_topic",
    "guide",
    "surveyed",
    "unasked",
    "write_guide",
    "write_tree",
]
