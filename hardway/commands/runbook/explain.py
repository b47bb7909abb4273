"""A phase in words: what it is for, what it waits for, what lands on which host and why."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from ...assets.placeholders import Placeholders
from ...cluster import Cluster
from ...facts import Facts
from ...phase import Inputs, Phase
from ...phases import PHASES
from ...pki.stand_ins import StandIns
from ...resources.base import Change
from . import bare
from .chapters import docstring
from .reasons import flags, reason
from .topics import Topic
from .writing.document import Code, Heading, Part, Table, Text

WIDTH = 110


def explain(phases: Sequence[Phase], cluster: Cluster, facts: Mapping[str, Facts]) -> str:
    """The phases explained for this cluster, as text for a terminal."""
    inputs = Inputs(cluster, facts, StandIns(cluster).credentials, Placeholders())
    found = bare.changes(inputs)
    return "\n\n".join(_phase(phase, inputs, found) for phase in phases)


def explain_topic(topic: Topic, cluster: Cluster, facts: Mapping[str, Facts]) -> str:
    """A chapter of the guide that is about no phase, as text for a terminal."""
    secrets = StandIns(cluster)
    chapter = topic.chapter(Inputs(cluster, facts, secrets.credentials, Placeholders()), secrets)
    title = f"{chapter.name}: {chapter.title}"
    return "\n\n".join([f"{title}\n{'=' * len(title)}", *filter(None, map(_shown, chapter.parts))])


def _shown(part: Part) -> str:
    match part:
        case Heading(text):
            return f"{text}\n{'-' * len(text)}"
        case Text(text):
            return textwrap.fill(text, WIDTH)
        case Code(text):
            return textwrap.indent(text, "    ")
        case Table(_, rows):
            return "\n".join(line for head, *cells in rows for line in (head, *_cells(cells)))
    return ""


def _cells(cells: Sequence[str]) -> list[str]:
    return [line for cell in cells for line in _wrapped(cell, 4)]


def _phase(phase: Phase, inputs: Inputs, found: Mapping[tuple[str, str], Sequence[Change]]) -> str:
    number = [each.name for each in PHASES].index(phase.name) + 1
    title = f"{number}. {phase.name}: {phase.title}"
    paragraphs = [textwrap.fill(text, WIDTH) for text in docstring(phase, inputs.cluster)]
    needs = phase.needs(inputs)
    paragraphs.append(f"Waits for: {', '.join(needs) if needs else 'nothing'}.")
    return "\n\n".join([f"{title}\n{'=' * len(title)}", *paragraphs, _landing(phase, inputs, found)])


def _landing(phase: Phase, inputs: Inputs, found: Mapping[tuple[str, str], Sequence[Change]]) -> str:
    """What lands, grouped by the hosts on which it is the same."""
    groups: dict[tuple[str, ...], list[str]] = {}
    hosts: dict[str, list[str]] = {}
    why: dict[str, str] = {}
    for target in phase.targets(inputs.cluster):
        for change in found.get((phase.name, target.name), ()):
            hosts.setdefault(change.key, []).append(target.name)
            why.setdefault(change.key, reason(change))
    for key, names in hosts.items():
        groups.setdefault(tuple(names), []).append(key)
    if not groups:
        return "In a new cluster of this shape there is nothing to do here."
    lines = []
    for names, keys in groups.items():
        lines.append(f"On {', '.join(names)}:")
        for key in keys:
            lines += _wrapped(f"{key}{': ' + why[key] if why[key] else ''}", 2)
            lines += [
                line for flag, why_flag in flags(key, inputs.cluster) for line in _wrapped(f"{flag}: {why_flag}", 6)
            ]
    return "\n".join(lines)


def _wrapped(text: str, indent: int) -> list[str]:
    options = {"break_long_words": False, "break_on_hyphens": False}
    return textwrap.wrap(text, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * (indent + 4), **options)
