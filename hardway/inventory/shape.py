"""Plain data to the inventory model: every wrong key, type and value reported in plain words, and the rest of it
usable.

Whatever is wrong is reported and then left out, so that the checks between keys still see everything that is right.
"""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hardway.inventory.fields import kind
from hardway.inventory.keys import Inventory, Section
from hardway.inventory.problem import Path, Problem, dotted

# Every round leaves something out, and keys are nested no deeper than this.
MAX_ROUNDS = 10


@dataclass
class Shape:
    """The model of what was right; `positions` are the kept hosts' places in the file, `broken` the paths left out."""

    model: Inventory | None
    positions: list[int] = field(default_factory=list)
    broken: set[Path] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)


def shape(data: dict) -> Shape:
    """Validate the data; problems hold every key that is wrong, the model everything else."""
    result = Shape(None)
    data, hosts = dict(data), data.get("hosts")
    kept = list(enumerate(hosts)) if isinstance(hosts, list) else None
    for _ in range(MAX_ROUNDS):
        if kept is not None:
            data["hosts"] = [host for _, host in kept]
        try:
            result.model = Inventory.model_validate(data)
            break
        except ValidationError as error:
            places = [n for n, _ in kept or ()]
            for detail in error.errors(include_url=False):
                data, kept = _leave_out(detail, places, data, kept, result)
    result.positions = [n for n, _ in kept or ()]
    return result


def _leave_out(
    detail: ErrorDetails, places: list[int], data: dict, kept: list | None, result: Shape
) -> tuple[dict, list | None]:
    """Note one error and remove what it is about; a host that is not usable without it goes as a whole."""
    path = _path(detail["loc"], places)
    missing = detail["type"] == "missing"
    if not any(path[: len(broken)] == broken or (missing and broken[: len(path)] == path) for broken in result.broken):
        result.problems.append(Problem(path, _words(detail, path)))
    result.broken.add(path)
    target = path[:-1] if missing else path
    if target[:1] == ("hosts",) and len(target) > 1 and kept is not None:
        return data, [
            (n, rest)
            for n, host in kept
            if (rest := _without(host, target[2:]) if n == target[1] else host) is not _GONE
        ]
    if target in ((), ("cluster",)):
        fallback = {"cluster": "unnamed"} if path == ("cluster",) else {"hosts": []}
        return {**data, **fallback}, [] if "hosts" in fallback else kept
    if target == ("hosts",):
        return data, []
    return _without(data, target), kept


_GONE = object()


def _without(value: object, path: Path) -> object:
    """A copy without what is at the path; a list loses all its items, since the others would move."""
    if not path:
        return _GONE
    if not isinstance(value, dict):
        return _GONE
    if path[0] not in value:
        return value
    rest = {key: item for key, item in value.items() if key != path[0]}
    inner = _without(value[path[0]], path[1:]) if len(path) > 1 and isinstance(value[path[0]], dict) else _GONE
    return rest if inner is _GONE else {**rest, path[0]: inner}


def _path(loc: tuple[int | str, ...], places: list[int]) -> Path:
    if len(loc) > 1 and loc[0] == "hosts":
        loc = ("hosts", places[loc[1]], *loc[2:])
    return loc[:-1] if loc[-1:] == ("[key]",) else loc


def _words(detail: ErrorDetails, path: Path) -> str:
    say = _MESSAGES.get(detail["type"])
    return say(detail, path) if say else f"{detail['msg']}, not {_shown(detail)}"


def _shown(detail: ErrorDetails) -> str:
    try:
        return kind(detail["input"])
    except ValueError:
        return "several lines of text"


def _choice(detail: ErrorDetails, path: Path) -> str:
    allowed = [word.strip("'") for word in detail["ctx"]["expected"].replace(" or ", ", ").split(", ")]
    near = difflib.get_close_matches(str(detail["input"]).lower(), allowed, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return f"must be {'one of ' if len(allowed) > 1 else ''}{', '.join(allowed)}, not {_shown(detail)}{hint}"


def _unknown(detail: ErrorDetails, path: Path) -> str:
    allowed, key = keys_at(path[:-1]), str(path[-1])
    if re.search("pass(word|phrase)|secret", key, re.IGNORECASE):
        return (
            "never write a secret in an inventory: hardway asks for a password when it needs one (ssh.sudo: password)"
        )
    near = difflib.get_close_matches(key.lower().lstrip("-"), allowed, n=1)
    if near:
        return f"unknown key, did you mean {near[0]}? Allowed: {', '.join(allowed)}"
    elsewhere = [dotted(place) for place in places_of(key)]
    return f"unknown key{f', it belongs at {elsewhere[0]}' if elsewhere else ''}. Allowed here: {', '.join(allowed)}"


def _missing(detail: ErrorDetails, path: Path) -> str:
    section, name = model_at(path[:-1]), str(path[-1])
    meaning = section.model_fields[name].description if section else ""
    return f"is missing. {meaning}"


_MESSAGES: dict[str, Callable[[ErrorDetails, Path], str]] = {
    "value_error": lambda detail, path: str(detail["ctx"]["error"]),
    "literal_error": _choice,
    "extra_forbidden": _unknown,
    "missing": _missing,
    "model_type": lambda detail, path: (
        f"must be a mapping with the keys {', '.join(keys_at(path))}, not {_shown(detail)}"
    ),
    "dict_type": lambda detail, path: f"must be a mapping of names to values, not {_shown(detail)}",
    "list_type": lambda detail, path: f"must be a list (lines starting with -, or [a, b]), not {_shown(detail)}",
    "too_short": lambda detail, path: "must have at least one item",
}


def model_at(path: Path) -> type[Section] | None:
    """The section that describes what is at a path, None for a single value."""
    model: type[BaseModel] | None = Inventory
    for part in path:
        if isinstance(part, int):
            continue
        by_key = {info.alias or name: info.annotation for name, info in model.model_fields.items()} if model else {}
        model = _section(by_key.get(part))
    return model


def _section(annotation: object) -> type[Section] | None:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, Section) else None
    if typing.get_origin(annotation) is dict:
        return None
    return next((found for inner in typing.get_args(annotation) if (found := _section(inner))), None)


def keys_at(path: Path) -> list[str]:
    """The keys allowed in the section at a path."""
    model = model_at(path)
    return [info.alias or name for name, info in model.model_fields.items()] if model else []


def places_of(key: str, model: type[Section] = Inventory, at: Path = ()) -> Iterator[Path]:
    """Where in an inventory a key of that name belongs."""
    for name, info in model.model_fields.items():
        place = (*at, info.alias or name)
        if place[-1] == key:
            yield place
        inner = _section(info.annotation)
        if inner:
            yield from places_of(key, inner, place)
