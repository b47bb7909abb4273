"""Answers as nobody should give them: every part of a right one replaced, cut off or taken out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

ODD: list[Any] = [
    None,
    True,
    "",
    "x",
    "\x1b[2J",
    "-1",
    "9" * 400,
    "1e999",
    "nan",
    -1,
    1 << 70,
    1.5,
    [],
    {},
    [None],
    "{",
]
VALUES = st.sampled_from(ODD) | st.text(max_size=12) | st.integers() | st.floats()
WORDS = st.sampled_from(
    ["", "x", "=", "a=", "=b", "-1", "9" * 400, "nan", "1e9", "\x1b[2J", "0x10", "٣", "10.0.0.300", "a b"]
)


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """Every path in an answer, its own first."""
    yield path
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from places(value[key], (*path, key))


def with_put(value: Any, path: tuple, put: Any) -> Any:
    """A copy with something else at a path."""
    if not path:
        return put
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = with_put(value[path[0]], path[1:], put)
    return copy


@st.composite
def mutated(draw: st.DrawFn, right: Any) -> Any:
    """The answer with something odd in one or two of its places."""
    for _ in range(draw(st.integers(1, 2))):
        right = with_put(right, draw(st.sampled_from(list(places(right)))), draw(VALUES))
    return right


def as_bytes(right: Any) -> st.SearchStrategy[bytes]:
    """The same as it comes over the wire: mutated, cut off, or anything at all."""
    whole = json.dumps(right).encode()
    cut = st.integers(0, len(whole) - 1).map(lambda end: whole[:end])
    return mutated(right).map(lambda value: json.dumps(value).encode()) | cut | st.binary(max_size=64)


@st.composite
def lines(draw: st.DrawFn, right: str) -> str:
    """Lines KEY=VALUE, some with another value, and perhaps cut off."""
    said = dict(line.partition("=")[::2] for line in right.splitlines())
    for key in draw(st.lists(st.sampled_from(sorted(said)), min_size=1, max_size=3)):
        said[key] = draw(WORDS | st.text(max_size=12) | WORDS.map(lambda word: f"{said[key]} {word}"))  # noqa: B023
    text = "\n".join(f"{key}={value}" for key, value in said.items())
    return text[: draw(st.just(len(text)) | st.integers(0, len(text)))]
