"""A phase in words: what it is for, what it waits for, what lands on which host and why."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Mapping, Sequence

from ...assets.placeholders import Placeholders
from ...cluster import Cluster
from ...facts import Facts
from ...living.restoration import Restoration
from ...phase import Inputs, Phase
from ...phases import PHASES, restoring
from ...pki.stand_ins import StandIns
from ...resources.base import Change
from ...vocabulary import Blob
from . import bare
from .chapters import docstring
from .reasons import flags, reason

WIDTH = 110
# The name under which the phases of a restore are explained, all of them together.
RESTORE = "etcd-restore"


def explain(phases: Sequence[Phase], cluster: Cluster, facts: Mapping[str, Facts]) -> str:
    """The phases explained for this cluster, as text for a terminal."""
    inputs = Inputs(cluster, facts, StandIns(cluster).credentials, Placeholders())
    found = bare.changes(inputs)
    return "\n\n".join(_phase(phase, inputs, found) for phase in phases)


def explain_restore(cluster: Cluster, facts: Mapping[str, Facts]) -> str:
    """What `hardway etcd restore` does, in its order, and why."""
    inputs = Inputs(cluster, facts, StandIns(cluster).credentials, Placeholders())
    title = "etcd-restore: Go back to a snapshot of etcd"
    reasons = [paragraph for module in restoring.MODULES for paragraph in _paragraphs(inspect.getdoc(module) or "")]
    phases = restoring.phases(Restoration("", "", 0), Blob())
    steps = [line for number, phase in enumerate(phases, 1) for line in _step(number, phase, inputs)]
    by_hand = "By hand: the last chapter that `hardway runbook INV` writes."
    return "\n\n".join([f"{title}\n{'=' * len(title)}", *reasons, "\n".join(steps), by_hand])


def _paragraphs(text: str) -> list[str]:
    return [textwrap.fill(" ".join(part.split()), WIDTH) for part in text.split("\n\n")]


def _step(number: int, phase: Phase, inputs: Inputs) -> list[str]:
    hosts = ", ".join(target.name for target in phase.targets(inputs.cluster))
    needs = ", ".join(phase.needs(inputs))
    return _wrapped(f"{number}. {phase.title}: {hosts}{f'; after {needs}' if needs else ''} ({phase.name})", 0)


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
