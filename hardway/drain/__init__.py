"""Emptying a node in order: no new pods, then each pod is evicted as its budget allows, and none is deleted instead."""

from .choice import Options
from .cordon import Cordon, cordon, uncordon
from .draining import Drain, View

__all__ = ["Cordon", "Drain", "Options", "View", "cordon", "uncordon"]
