"""The JSON Schema of an inventory: what `validate` says of every key by itself, for editors.

The patterns are those of hardway.inventory.fields; only what must hold between keys, and that a network's address is
its first, is said by `validate` alone. tests/inventory/test_schema_agrees.py holds both to each other.
"""

from __future__ import annotations

import re
from typing import Any

from hardway.inventory.keys import Inventory

Node = dict[str, Any]
DRAFT = "https://json-schema.org/draft/2020-12/schema"
NULL = {"type": "null"}
ABOUT = ("title", "description", "default")
DIGITS = 18  # hardway reads a longer number as text


def keys() -> Node:
    """Every section and key with its type, its default and one sentence, texts as texts alone."""
    return Inventory.model_json_schema(by_alias=True)


def schema() -> Node:
    """The JSON Schema of an inventory, for editors."""
    return {"$schema": DRAFT, **_exact(keys())}


def _exact(node: Node) -> Node:
    made = dict(node)
    for part in ("$defs", "properties", "patternProperties"):
        if part in made:
            made[part] = {name: _exact(inner) for name, inner in made[part].items()}
    if "items" in made:
        made["items"] = _exact(made["items"])
    if "anyOf" in made:
        made["anyOf"] = [_exact(inner) for inner in made["anyOf"]]
    if "patternProperties" in made:  # pydantic lets names of any other form pass
        made["additionalProperties"] = False
    if "properties" in made:
        optional = made["properties"].keys() - set(made.get("required", ()))
        made["properties"] |= {name: _or_empty(made["properties"][name]) for name in optional}
    return _as_written(made) if made.get("type") == "string" and "pattern" in made else made


def _or_empty(node: Node) -> Node:
    """The same, or a key without a value: it counts as not written."""
    if "anyOf" in node:
        return node if NULL in node["anyOf"] else {**node, "anyOf": [*node["anyOf"], NULL]}
    if "enum" in node:
        return {**node, "type": [node["type"], "null"], "enum": [*node["enum"], None]}
    if "type" in node:
        kinds = node["type"] if isinstance(node["type"], list) else [node["type"]]
        return {**node, "type": [*kinds, "null"]}
    return _alternatives(node, [NULL])


def _alternatives(node: Node, others: list[Node]) -> Node:
    own = {key: value for key, value in node.items() if key not in ABOUT}
    return {"anyOf": [own, *others], **{key: value for key, value in node.items() if key in ABOUT}}


def _as_written(node: Node) -> Node:
    """A text, or what YAML takes for a number or a truth value and hardway as the text that was written."""
    fits = lambda text: len(text) <= node.get("maxLength", 1 << 20) and re.search(node["pattern"], text, re.ASCII)  # noqa: E731
    others: list[Node] = []
    truths = [truth for truth in (False, True) if fits(str(truth).lower())]
    if truths:
        others.append({"enum": truths})
    digits = max((count for count in range(1, DIGITS + 1) if fits("9" * count)), default=0)
    if digits:
        others.append({"type": "integer", "minimum": -(10**DIGITS) + 1 if fits("-1") else 0, "maximum": 10**digits - 1})
    if fits("1.5"):
        others.append({"type": "number", "not": {"type": "integer"}, **({} if fits("-1.5") else {"minimum": 0})})
    return _alternatives(node, others) if others else node
