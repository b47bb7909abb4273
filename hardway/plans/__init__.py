"""Plans as documents: what a bootstrap would do, kept in a file, shown to people and programs, and held against what it
does."""

from .agreement import Agreement
from .file import Purpose, Saved, as_document, as_json, load, save
from .looking import cached, foreseen, look, permitted
from .plan import Plan, foresee
from .text import as_text

__all__ = [
    "Agreement",
    "Plan",
    "Purpose",
    "Saved",
    "as_document",
    "as_json",
    "as_text",
    "cached",
    "foresee",
    "foreseen",
    "load",
    "look",
    "permitted",
    "save",
]
