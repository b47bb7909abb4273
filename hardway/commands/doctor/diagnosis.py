"""What a diagnosis is: a failure we know, how to see it, and which others explain it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .patient import Patient

MEND = "hardway bootstrap INV"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    `host` is empty when it is the cluster's as a whole; a warning is worth knowing and breaks nothing.
    """

    host: str
    what: str
    next: str
    evidence: tuple[str, ...] = ()
    warning: bool = False
    name: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """`look` gives what is found. `here` are diagnoses that explain it when they find something on the same host, or
    about the cluster as a whole; `anywhere` those that do so wherever they find it. The first that does is the cause.

    `needs_keys`: it cannot be looked at without the keys this cluster was built with; `needs_api`: only the API can
    tell. `instead_of` are checks of verify whose findings it tells with more evidence.
    """

    name: str
    title: str
    look: Callable[[Patient], Iterable[Finding]]
    here: tuple[str, ...] = ()
    anywhere: tuple[str, ...] = ()
    needs_keys: bool = False
    needs_api: bool = False
    instead_of: tuple[str, ...] = ()
