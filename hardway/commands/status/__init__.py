"""`hardway status`: one look at the whole cluster."""

import json
from dataclasses import asdict

from .collect import collect
from .picture import Status
from .screen import show

__all__ = ["Status", "as_json", "collect", "show"]


def as_json(status: Status) -> str:
    """One object; its names stay, new ones may come."""
    return json.dumps(asdict(status), indent=2)
