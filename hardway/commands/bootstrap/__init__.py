"""`hardway bootstrap`: at once, by a saved plan, or step by step."""

from .anew import require_name
from .building import bootstrap
from .stepping import Conversation

__all__ = ["Conversation", "bootstrap", "require_name"]
