"""The two shell programs a host runs for us, made into one quoted argument each."""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def program(name: str) -> str:
    """The file `name` without comments as a single line in single quotes, which every login shell passes on
    unchanged."""
    text = resources.files(__package__).joinpath(name).read_text("utf-8")
    line = " ".join(part for part in text.splitlines() if part and not part.startswith("#"))
    if "'" in line:
        raise ValueError(f"{name} holds a single quote and cannot be passed through a login shell")
    return f"'{line}'"
