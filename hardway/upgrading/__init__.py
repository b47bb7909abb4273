"""From what runs to other versions: which passes over which hosts, in which order, found from what lives alone."""

from .passes import Pass, Way, way
from .standing import Standing, stand

__all__ = ["Pass", "Standing", "Way", "stand", "way"]
