"""`hardway support-bundle`: what somebody needs who is to help, and no secret."""

from .writing import Written, write

__all__ = ["Written", "write"]
