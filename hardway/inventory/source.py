"""YAML text to plain data that remembers its lines; whatever is not a plain mapping becomes a problem, never an
exception.

Only the part of YAML that an inventory needs is accepted. Anchors, merge keys and tags are refused (they hide what a
host really gets, and are how a small file becomes a huge one), and so are duplicate keys, of which YAML readers
silently keep the last. Words like `yes` and `on` stay text, and a number remembers how it was written, so that
version 1.40 does not turn into 1.4.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from hardway.inventory.problem import Path, Problem, show

# Room for the largest clusters (5000 nodes), while any junk of this size is still judged within seconds.
MAX_BYTES = 512 << 10
MAX_DEPTH = 24
PLAIN_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map")}


class WrittenInt(int):
    """A whole number and the way it was written."""

    raw: str


class WrittenFloat(float):
    """A fraction and the way it was written (1.40 is not 1.4 when it is a version)."""

    raw: str


@dataclass
class Document:
    """What a file says: `data` is None when it is no mapping at all; `lines` maps each key path to its line (from
    1)."""

    data: dict | None = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


class _Refused(Exception):
    """Reading cannot go on."""

    def __init__(self, line: int, message: str):
        super().__init__(message)
        self.problem = Problem((), message, line)


class _Composer(yaml.BaseLoader):
    """PyYAML's own parser without implicit types, with a depth limit and without aliases."""

    def __init__(self, text: str):
        super().__init__(text)
        self.depth = 0
        self.refused: list[Problem] = []

    def compose_node(self, parent, index):
        event = self.peek_event()
        if event.anchor is not None:
            self.refused.append(
                Problem((), f"anchors and aliases are not supported: write {show(event.anchor)} out", _line(event))
            )
        if isinstance(event, yaml.AliasEvent):
            self.get_event()
            return ScalarNode("tag:yaml.org,2002:str", "", event.start_mark, event.end_mark)
        event.anchor = None
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _Refused(_line(event), f"nested more than {MAX_DEPTH} levels deep; an inventory needs fewer than 8")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def parse(raw: bytes) -> Document:
    """Read one YAML document; every syntax problem found is in the result."""
    if len(raw) > MAX_BYTES:
        return Document(problems=[Problem((), f"larger than {MAX_BYTES >> 10} KiB: this is not an inventory", 1)])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        return Document(
            problems=[Problem((), f"byte 0x{raw[error.start]:02x} is not UTF-8 text: save the file as UTF-8", line)]
        )
    try:
        return _read(text)
    except _Refused as refused:
        return _without_tabs(text) or Document(problems=[refused.problem])


def _without_tabs(text: str) -> Document | None:
    """The document as it reads with the tabs of its indentation expanded, each reported; None when there are none."""
    numbered = enumerate(text.split("\n"), start=1)
    tabs = [
        Problem((), "indented with a tab: YAML allows only spaces here", n)
        for n, line in numbered
        if re.match(r" *\t\s*\S", line)
    ]
    if not tabs:
        return None
    try:
        document = _read(re.sub(r"^[ \t]+", lambda indent: indent.group().expandtabs(2), text, flags=re.M))
    except _Refused as refused:
        document = Document(problems=[refused.problem])
    document.problems[:0] = tabs
    return document


def _read(text: str) -> Document:
    node, refused = _compose(text)
    document = Document(problems=refused)
    if node is None:
        raise _Refused(1, "the file is empty: `hardway init` prints an inventory to start from")
    if not isinstance(node, MappingNode):
        raise _Refused(_line(node), "must be a mapping of keys (`cluster: ...`, `hosts: ...`), not " + _kind(node))
    document.data = _build(node, (), document)
    return document


def _compose(text: str) -> tuple[Node | None, list[Problem]]:
    loader = None
    try:
        loader = _Composer(text)
        return loader.get_single_node(), loader.refused
    except yaml.MarkedYAMLError as error:
        raise _Refused(_mark_line(error), _explain(error)) from error
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise _Refused(line, f"character U+{error.character:04X} is not allowed in YAML") from error
    except (ValueError, OverflowError, RecursionError) as error:
        # PyYAML lets a few impossible escapes (\UFFFFFFFF) and version directives through to chr() and int().
        raise _Refused(loader.line + 1 if loader else 1, "an escape or a number that YAML cannot read") from error


def _explain(error: yaml.MarkedYAMLError) -> str:
    if "single document" in str(error.context):
        return "a second document starts here (---): one inventory per file"
    if "'\\t'" in str(error.problem):
        return "a tab: YAML allows only spaces here"
    what = " ".join(part for part in (error.context, error.problem) if part)
    return f"not valid YAML: {what.encode('ascii', 'backslashreplace').decode()}"


def _mark_line(error: yaml.MarkedYAMLError) -> int:
    mark = error.problem_mark or error.context_mark
    return mark.line + 1 if mark else 1


def _line(marked) -> int:
    return marked.start_mark.line + 1


def _kind(node: Node) -> str:
    return "a list" if isinstance(node, SequenceNode) else show(node.value)


def _build(node: Node, path: Path, document: Document) -> object:
    document.lines.setdefault(path, _line(node))
    if node.tag not in PLAIN_TAGS:
        document.problems.append(
            Problem(path, f"tags such as {show(node.tag)} are not supported: write the plain value", _line(node))
        )
    if isinstance(node, MappingNode):
        return _mapping(node, path, document)
    if isinstance(node, SequenceNode):
        return [_build(item, (*path, n), document) for n, item in enumerate(node.value)]
    return _scalar(node, path, document)


def _mapping(node: MappingNode, path: Path, document: Document) -> dict:
    built: dict[str, object] = {}
    for key_node, value_node in node.value:
        key = key_node.value if isinstance(key_node, ScalarNode) else None
        problem = _bad_key(key, path, built, document)
        if problem:
            document.problems.append(Problem(path, problem, _line(key_node)))
            continue
        document.lines[(*path, key)] = _line(key_node)
        built[key] = _build(value_node, (*path, key), document)
    return built


def _bad_key(key: str | None, path: Path, built: dict, document: Document) -> str:
    if key is None:
        return "a key must be plain text, not a list or a mapping"
    if key == "<<":
        return "merge keys (<<) are not supported: write the keys out"
    if _unprintable(key):
        return f"the key {show(key)} contains characters that are not printable text"
    if key in built:
        return f"duplicate key {show(key)}, first on line {document.lines[(*path, key)]}: keep one of them"
    return ""


def _scalar(node: ScalarNode, path: Path, document: Document) -> object:
    text = node.value
    if _unprintable(text):
        document.problems.append(
            Problem(path, f"{show(text)} contains characters that are not printable text", _line(node))
        )
        return None
    if node.style is not None:
        return text
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text.lower() in ("true", "false") and text in (text.lower(), text.upper(), text.title()):
        return text.lower() == "true"
    return _number(text)


def _number(text: str) -> object:
    if re.fullmatch(r"[-+]?(0|[1-9][0-9]{0,17})", text, re.ASCII):
        whole = WrittenInt(text)
        whole.raw = text
        return whole
    if re.fullmatch(r"[-+]?[0-9]{1,18}\.[0-9]{1,18}", text, re.ASCII):
        fraction = WrittenFloat(text)
        fraction.raw = text
        return fraction
    return text


def _unprintable(text: str) -> bool:
    """Control characters and lone surrogates break terminals, units and encoders alike; line breaks and tabs are judged
    later."""
    return any(not (char.isprintable() or char in "\n\t") for char in text)
