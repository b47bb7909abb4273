"""The guide: the same model that bootstrap works with, written down as commands that a person types."""

from .chapters import guide, write_guide
from .explain import RESTORE, explain, explain_restore
from .later.upgrade import explain_upgrade
from .later.whole import NAME as WHOLE
from .later.whole import explain_whole
from .nodes import explain_nodes
from .survey import surveyed, unasked
from .tree import MANIFEST, write_tree

__all__ = [
    "MANIFEST",
    "RESTORE",
    "WHOLE",
    "explain",
    "explain_nodes",
    "explain_restore",
    "explain_upgrade",
    "explain_whole",
    "guide",
    "surveyed",
    "unasked",
    "write_guide",
    "write_tree",
]
