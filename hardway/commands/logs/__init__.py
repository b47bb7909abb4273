"""`hardway logs`: what one component says on all hosts that carry it."""

from .listening import Listening
from .sources import Since, Source, source

__all__ = ["Listening", "Since", "Source", "source"]
