"""A plan as a JSON document, and the file it is saved in: 0600, with what it was made for, so that it serves for
nothing else."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from typing import Any

from .. import __version__
from ..cluster import Cluster
from ..errors import PlanMovedError, UsageError
from ..preflight import Finding
from ..run.selection import Selection
from ..state.durable import synced
from .plan import Plan, Planned

KIND, SCHEMA = "hardway-plan", 1


@dataclass(frozen=True)
class Purpose:
    """What a plan was made for; another purpose needs another plan."""

    cluster: str
    inventory: str
    hardway: str
    selection: Selection

    @classmethod
    def of(cls, cluster: Cluster, selection: Selection) -> Purpose:
        """The present one; `inventory` is the sha256 of the file."""
        content = Path(cluster.source).read_bytes() if cluster.source else b""
        return cls(cluster.name, hashlib.sha256(content).hexdigest(), __version__, selection)

    def require(self, saved: Purpose, file: Path) -> None:
        """PlanMovedError naming everything in which a saved plan's purpose is another."""
        pairs = [
            (field.name, getattr(saved, field.name), getattr(self, field.name)) for field in dataclasses.fields(self)
        ]
        lines = [f"{name}: {_shown(then)} in the plan, {_shown(now)} now" for name, then, now in pairs if then != now]
        if lines:
            hint = f"make a new plan: hardway plan INV --save {file}"
            raise PlanMovedError(
                f"{file} is not a plan for this run; nothing was changed", evidence="\n".join(lines), hint=hint
            )


def _shown(value: str | Selection) -> str:
    return str(value) if isinstance(value, Selection) else value[:20]


@dataclass(frozen=True)
class Saved:
    """A plan that was read from a file. Equal plans have equal names."""

    purpose: Purpose
    plan: Plan
    name: str


def as_document(plan: Plan, purpose: Purpose) -> dict[str, Any]:
    """The plan as a document, made now: steps with their changes, and the purpose. It holds no secret, contents of such
    are digests."""
    steps = [
        {"phase": phase, "host": host, "changes": list(changes)}
        for (phase, host), changes in groupby(plan.changes, lambda change: (change.phase, change.host))
    ]
    about = {"kind": KIND, "schema": SCHEMA, "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")}
    body = {
        "changes": len(plan.changes),
        "steps": steps,
        "issues": plan.issues,
        "findings": [vars(finding) for finding in plan.findings],
    }
    return about | dataclasses.asdict(purpose) | body


def as_json(document: Mapping[str, Any]) -> Iterator[str]:
    """A document's text piece by piece: put together, the tens of MB of hundreds of hosts take 100 MB of memory."""
    return json.JSONEncoder(indent=2, default=_change).iterencode(document)


def _change(change: Planned) -> dict[str, Any]:
    return {name: value for name, value in vars(change).items() if name not in ("phase", "host")}


def save(document: Mapping[str, Any], file: Path) -> None:
    """Write a document, 0600, in one step; an earlier plan of that name is replaced, no other file is.

    UsageError when that fails.
    """
    if file.exists():
        load(file)
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(6)}")
    try:
        with synced(temporary, 0o600) as written:
            written.writelines(piece.encode() for piece in chain(as_json(document), "\n"))
        os.replace(temporary, file)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UsageError(f"cannot write {file}: {error.strerror}", hint="name a file in an existing folder") from error


def load(file: Path) -> Saved:
    """The plan in a file; UsageError when there is none in it."""
    try:
        content = file.read_bytes()
        found = json.loads(content)
        if found["kind"] != KIND:
            raise ValueError
        if found["schema"] != SCHEMA:
            raise UsageError(
                f"{file} has plan format {found['schema']}; this hardway reads format {SCHEMA}", hint=REMEDY
            )
        return Saved(_purpose(found), _plan(found), hashlib.sha256(content).hexdigest()[:16])
    except OSError as error:
        raise UsageError(f"cannot read the plan {file}: {error.strerror}", hint=REMEDY) from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{file} is not a plan saved by hardway", hint=REMEDY) from error


REMEDY = "make one: hardway plan INV --save FILE"


def _purpose(found: dict[str, Any]) -> Purpose:
    chosen = {name: tuple(value) if isinstance(value, list) else value for name, value in found["selection"].items()}
    return Purpose(found["cluster"], found["inventory"], found["hardway"], Selection(**chosen))


def _plan(found: dict[str, Any]) -> Plan:
    changes = [
        Planned(step["phase"], step["host"], **{name: _tuple(value) for name, value in change.items()})
        for step in found["steps"]
        for change in step["changes"]
    ]
    return Plan(tuple(changes), tuple(Finding(**finding) for finding in found["findings"]), tuple(found["issues"]))


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
