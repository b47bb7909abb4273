"""`hardway support-bundle`: what a helper needs, and no secret."""

from .home import HomeItem
from .writing import Written, write

__all__ = ["HomeItem", "Written", "write"]
