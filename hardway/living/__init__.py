"""What lives, as against what the inventory says: asked of the cluster itself, and what was founded once."""

from .asking import tried, what_lives
from .founded import Founded
from .lives import Lives, Node

__all__ = ["Founded", "Lives", "Node", "tried", "what_lives"]
