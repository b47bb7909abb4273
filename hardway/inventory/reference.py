"""The page that lists every key of an inventory, written from the schema: `python -m hardway.inventory.reference`."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator

from hardway.inventory.json_schema import keys

HEAD = """\
# The inventory, key by key

One YAML file describes one cluster. `cluster` and `hosts` are required, everything else has a default.
`hardway init` prints a commented file to start from; the files in [inventory/](../inventory/) show the keys in use.
`hardway validate FILE` reports every mistake at once. `hardway schema` prints these rules as JSON Schema for editors.
[What you may change on a living cluster](changes.md) says for every key what an edit of it does to a cluster that runs.

An empty default means none, or a value that hardway derives as the description says.

This page is generated from the schema: `python -m hardway.inventory.reference > docs/inventory.md`.
"""


def page() -> str:
    """The whole page as Markdown."""
    root, titles = keys(), defaultdict(list)
    types = root["$defs"]
    for title, node in _sections(root, types):
        titles[node["title"]].append(title)
    nodes = {**{node["title"]: node for node in types.values()}, root["title"]: root}
    return HEAD + "".join(_table(places, nodes[name], types) for name, places in titles.items())


def _sections(root: dict, types: dict, at: str = "") -> Iterator[tuple[str, dict]]:
    """Every mapping with keys of its own, by its path."""
    yield at, root
    for key, node in root["properties"].items():
        inner = _target(node, types)
        if inner:
            yield from _sections(
                inner, types, f"{at}.{key}".lstrip(".") + ("[]" if node.get("type") == "array" else "")
            )


def _target(node: dict, types: dict) -> dict | None:
    """The section a key holds: itself, each of its items, or one of its alternatives."""
    for candidate in (node, node.get("items", {}), *node.get("anyOf", ())):
        if "$ref" in candidate:
            return types[candidate["$ref"].rpartition("/")[2]]
    return None


def _table(places: list[str], section: dict, types: dict) -> str:
    title = " and ".join(f"`{place}`" for place in places if place) or "The top"
    rows = [_row(key, node, key in section.get("required", ()), types) for key, node in section["properties"].items()]
    return f"\n## {title}\n\n| key | value | default | meaning |\n|---|---|---|---|\n" + "".join(rows)


def _row(key: str, node: dict, required: bool, types: dict) -> str:
    default = "**required**" if required else _default(node, types)
    return f"| `{key}` | {_kind(node, types)} | {default} | {node.get('description', '').replace('|', '&#124;')} |\n"


def _default(node: dict, types: dict) -> str:
    value = node.get("default")
    if value in (None, "", [], {}) or _target(node, types):
        return ""
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _kind(node: dict, types: dict) -> str:
    alternatives = [option for option in node.get("anyOf", [node]) if option.get("type") != "null"]
    return " or ".join(_one(option, types) for option in alternatives)


def _one(node: dict, types: dict) -> str:
    if "$ref" in node:
        return "section"
    if "enum" in node:
        return ", ".join(f"`{word}`" for word in node["enum"])
    if node.get("type") == "array":
        return f"list of {_one(node['items'], types)}"
    if "minimum" in node:
        return f"{node['minimum']:g} to {node['maximum']:g}"
    return {"boolean": "true or false", "object": "names and values", "string": _text(node)}.get(
        str(node.get("type")), "text"
    )


def _text(node: dict) -> str:
    if node.get("format") == "ipv4":
        return "IPv4 address"
    return "network" if node.get("format") == "ipv4-network" else "text"


if __name__ == "__main__":
    print(page(), end="")
