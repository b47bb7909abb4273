"""`hardway drill`: things broken on purpose, for classes. One table of them, one way to repair them all."""

from .course import begin, chosen, listing, require_practice, restore, watch
from .table import DRILLS, NAMES
from .words import ending, exercise

__all__ = [
    "DRILLS",
    "NAMES",
    "begin",
    "chosen",
    "ending",
    "exercise",
    "listing",
    "require_practice",
    "restore",
    "watch",
]
