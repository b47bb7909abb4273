"""An examination for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ...report import plural
from .causes import Cause
from .diagnosis import Finding
from .examination import Examination

SCHEMA = 1
CONSEQUENCES = 8
SMOKE = "The smoke tests create pods, so doctor does not run them: hardway verify INV"


def to_text(seen: Examination, verbose: bool = False) -> str:
    """Causes by number, each with its evidence, the next command and what follows from it; then warnings and what was
    not seen."""
    lines = [line for number, cause in enumerate(seen.causes, 1) for line in (*_cause(number, cause, verbose), "")]
    for warning in seen.warnings:
        lines += [
            f"warning: {_headline(warning)}",
            *(f"   | {line}" for line in warning.evidence),
            f"   next: {warning.next}",
            "",
        ]
    if seen.unseen:
        lines += ["not checked:", *_unseen(seen), ""]
    return "\n".join([*lines, _verdict(seen), SMOKE])


def _cause(number: int, cause: Cause, verbose: bool) -> Iterator[str]:
    one = cause.finding
    yield f"{number}. {_headline(one)}"
    yield from (f"   | {line}" for line in one.evidence)
    yield f"   next: {one.next}"
    shown = cause.consequences if verbose else cause.consequences[:CONSEQUENCES]
    for number, consequence in enumerate(shown):
        yield f"   {'leads to:' if not number else '         '} {_headline(consequence)}"
        if verbose:
            yield from (f"              | {line}" for line in consequence.evidence)
    if left := len(cause.consequences) - len(shown):
        yield f"             and {left} more (-v shows them)"


def _unseen(seen: Examination) -> Iterator[str]:
    """A line for each reason."""
    for reason in dict.fromkeys(reason for _, reason in seen.unseen):
        names = ", ".join(name for name, why in seen.unseen if why == reason)
        yield f"   {reason}: {names}"


def _headline(one: Finding) -> str:
    return f"[{one.name}] {one.host}: {one.what}" if one.host else f"[{one.name}] {one.what}"


def _verdict(seen: Examination) -> str:
    where = f"{seen.cluster}: {len(seen.hosts) - len(seen.away)} of {plural(len(seen.hosts), 'host')} answer, "
    looked = f"{plural(seen.made, 'diagnosis').replace('sis' + 's', 'ses')} in {seen.seconds:.1f} s"
    if not seen.causes:
        return f"{where}no problem found by {looked}"
    follow = sum(len(cause.consequences) for cause in seen.causes)
    tail = f", {plural(follow, 'consequence')}" if follow else ""
    return f"{where}{plural(len(seen.causes), 'cause')} found{tail} by {looked}"


def to_json(seen: Examination) -> str:
    """One document: schema, healthy, hosts, causes with their consequences, warnings, what was not seen."""
    document = {
        "schema": SCHEMA,
        "cluster": seen.cluster,
        "healthy": not seen.causes,
        "hosts": list(seen.hosts),
        "away": list(seen.away),
        "causes": [
            {**_entry(cause.finding), "consequences": list(map(_entry, cause.consequences))} for cause in seen.causes
        ],
        "warnings": list(map(_entry, seen.warnings)),
        "unseen": [{"diagnosis": name, "reason": reason} for name, reason in seen.unseen],
        "seconds": round(seen.seconds, 3),
    }
    return json.dumps(document, indent=2)


def _entry(one: Finding) -> dict[str, Any]:
    return {"diagnosis": one.name, "host": one.host, "what": one.what, "evidence": list(one.evidence), "next": one.next}
