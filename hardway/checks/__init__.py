"""`hardway verify`: named checks of a running cluster, each with a reason and a remedy.

Read `suite.CHECKS` for the list. A health check looks at what is there; a smoke check uses pods of
our own in a namespace that is removed afterwards. What a check thinks of an answer is a pure
function beside it.
"""

from .check import Check
from .name_service import dns_answers
from .outcome import Outcome, Status
from .output import to_json, to_junit, to_text
from .suite import CHECKS, healthy, refused, verify

__all__ = [
    "CHECKS",
    "Check",
    "Outcome",
    "Status",
    "dns_answers",
    "healthy",
    "refused",
    "to_json",
    "to_junit",
    "to_text",
    "verify",
]
