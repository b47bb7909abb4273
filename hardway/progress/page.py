"""docs/events.md, written from the events: `python -m hardway.progress.page > docs/events.md`."""

from __future__ import annotations

import dataclasses

from .events import KINDS, SCHEMA, Event

HEAD = f"""# Events

`hardway bootstrap INV --output json` reports a run as it happens: one JSON object per line on stdout. So do `reset`,
`etcd restore`, `etcd defrag` and `etcd disarm`. The live display, the text lines and the closing tables are made from
these events alone, so another program can show a run as well as hardway does. The log of a run holds the events too.

This is version {SCHEMA} of the schema. The number grows when a field is removed or changes its meaning. New kinds and
fields do not change it: a reader should ignore what it does not know.

Every event has these fields:

| field | type | |
|---|---|---|
| `schema` | number | the version of the schema |
| `time` | number | seconds since 1970 |
| `elapsed` | number | seconds since the run started |
| `event` | string | the kind, one of those below |

Phases have the names that `hardway phases` lists. No event holds a secret.

A phase is *pending* until its first `step-started`, *working* until its steps have finished, *waiting* after `waiting`,
*ready* after `phase-ready`, and *failed* after an `error` that names it. `verify` has its own report
(`hardway verify INV --output json`); its events are in its log."""

TYPES = {
    "str": "string",
    "int": "number",
    "float": "number",
    "Rows": "list of objects",
    "Sequence[str]": "list of strings",
    "Table": "object of objects",
}


def page() -> str:
    """The whole page."""
    return "\n\n".join([HEAD, *map(chapter, KINDS.values())]) + "\n"


def chapter(kind: type[Event]) -> str:
    rows = [f"| `{one.name}` | {TYPES[str(one.type)]} | {one.metadata['about']} |" for one in dataclasses.fields(kind)]
    return "\n".join([f"## {kind.kind}", "", str(kind.__doc__), "", "| field | type | |", "|---|---|---|", *rows])


if __name__ == "__main__":
    print(page(), end="")
