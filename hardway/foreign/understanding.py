"""Answers of others that are not what they should be: said of whoever gave them, and no bug of ours.

A host, the API server or etcd may answer anything: a newer version, a proxy in between, a disk that returns other
bytes. Whoever reads such an answer does so within `understood`.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import RemoteCommandError
from .visible import visible

# What reading an answer of another shape raises: a key or item that is not there, another type, a number that is none.
OTHERWISE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)
SHOWN = 300


@dataclass(eq=False)
class NotUnderstood(RemoteCommandError):
    """An answer is not what it should be (exit 5); `evidence` is its beginning."""


@contextlib.contextmanager
def understood(whose: str, answer: Any, host: str = "", hint: str = "") -> Iterator[None]:
    """While an answer is taken apart, and nothing else is done: NotUnderstood, with its beginning, where it cannot be.

    `whose` completes "... gave an answer that hardway does not understand". Of None, an answer that may hold secrets,
    nothing is shown.
    """
    try:
        yield
    except OTHERWISE as error:
        raise NotUnderstood(
            f"{whose} gave an answer that hardway does not understand{'' if answer is None else f' ({_why(error)})'}",
            host=host,
            evidence="" if answer is None else beginning(answer),
            hint=hint or "hardway doctor INV",
        ) from error


def unexpected(error: Exception) -> str:
    """What is said of a judgement that an answer has kept from coming about; it may be our fault, so it says where."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f", {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"could not be judged: an answer is not as expected ({type(error).__name__}: {_why(error)}{where})"


def _why(error: Exception) -> str:
    what = visible(str(error))[:80].replace("\n", " ")
    return f"{what} is missing" if isinstance(error, KeyError) else what or type(error).__name__


def integer(value: object) -> int:
    """A whole number, which may be negative; ValueError for anything else, also for one of more than 64 bits."""
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 1 << 64:
        raise ValueError(f"{beginning(value)[:40]} is no whole number")
    return value


def whole(value: object) -> int:
    """The same for one that is not negative."""
    if integer(value) < 0:
        raise ValueError(f"{value} is negative")
    return integer(value)


def text(value: object) -> str:
    """A text; ValueError for anything else."""
    if not isinstance(value, str):
        raise ValueError(f"{beginning(value)[:40]} is no text")
    return value


def texts(value: object) -> tuple[str, ...]:
    """The texts of a list, none for what is not there; ValueError for anything else."""
    if not isinstance(value, (list, type(None))):
        raise ValueError(f"{beginning(value)[:40]} is no list")
    return tuple(text(one) for one in value or ())


def mapping(value: object) -> dict[str, Any]:
    """What stands below a key, nothing for what is not there; ValueError for anything else."""
    if not isinstance(value, (dict, type(None))):
        raise ValueError(f"{beginning(value)[:40]} is no mapping")
    return value or {}


def mappings(value: object) -> tuple[dict[str, Any], ...]:
    """The mappings of a list, none for what is not there; ValueError for anything else."""
    if not isinstance(value, (list, type(None))):
        raise ValueError(f"{beginning(value)[:40]} is no list")
    return tuple(mapping(one) for one in value or ())


def without_nulls(value: Any) -> Any:
    """JSON without what is null: to Kubernetes and etcd it is the same as what is not there."""
    if isinstance(value, dict):
        return {key: without_nulls(one) for key, one in value.items() if one is not None}
    return [without_nulls(one) for one in value if one is not None] if isinstance(value, list) else value


def beginning(answer: Any) -> str:
    """What can be shown of an answer, in a line."""
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else str(answer)
    return visible(text[:SHOWN].strip()).replace("\n", "\\n") + ("..." if len(text) > SHOWN else "")
