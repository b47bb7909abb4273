"""docs/changes.md, written from the table of changes: `python -m hardway.living.page > docs/changes.md`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .changes import ALSO, How, Row, flags, restarting, rows

HEAD = """\
# What you may change on a living cluster

You change a cluster by editing its inventory. `hardway plan INV` shows what the edit means for the hosts that run now,
and `hardway bootstrap INV` does it. This page says the same before you edit: for every key of
[the inventory](inventory.md) what a change of it does, what restarts, and what the users of the cluster notice.

- **Plan first.** `plan` asks the hosts, etcd and the API, and writes nothing. `!` marks a unit that would be restarted.
  What is already as the inventory says is left alone: a second `bootstrap` changes nothing.
- **What would harm the cluster is refused**, before any host is changed. The error has the name in the table, for
  example `[ERROR NetworkFixed]`. It names the host, the old and the new value, and the next command.
- **One host at a time.** Hosts that run a service are restarted one after the other, an unhealthy one first. Each must
  be healthy again before the next. A run that fails stops there, and the other hosts keep serving. Correct the
  inventory and run `bootstrap` again: it continues.
- **Passes.** A staged edit needs a moment in which both the old and the new value work. hardway first prepares every
  host for both, then moves to the new value, then removes the old one.
- **The file itself means nothing.** Comments, and the order of keys and of hosts, change nothing.

| answer | meaning |
|---|---|
| at once | all hosts at the same time; nothing that runs is restarted, except the pod routes |
| one host at a time | a rolling restart of the named units |
| staged | several passes over all hosts |
| by a command | the inventory alone cannot do it; run the command too |
| never | refused while the cluster lives; it needs a new cluster, or another way that the row names |

This page is generated from [changes.yaml](../hardway/living/changes.yaml):
`python -m hardway.living.page > docs/changes.md`.
A test makes each of these edits on a cluster in memory and compares the plan with the row.
"""
ANSWERS = {How.IN_TURNS: "one host at a time"}
TOP, HOSTS = "The top", "hosts"


def page() -> str:
    """The whole page as Markdown."""
    chapters = [HEAD, table("What a restart means", ("unit", "what is noticed"), _units())]
    return "\n".join([*chapters, *_sections(), _flags()])


def table(title: str, head: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    head = tuple(head)
    text = [f"## {title}", "", _line(head), "|" + "---|" * len(head), *map(_line, lines)]
    return "\n".join(text) + "\n"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _units() -> Iterable[tuple[str, str]]:
    return ((f"`{unit}`", meaning) for unit, meaning in restarting().items())


def _sections() -> Iterable[str]:
    found: dict[str, list[Row]] = {}
    for row in rows():
        found.setdefault(section(row), []).append(row)
    head = ("key", "change", "answer", "what happens", "restarts")
    return (table(title, head, map(_cells, some)) for title, some in found.items())


def section(row: Row) -> str:
    """The title under which a row stands: the sections of the inventory that have its keys."""
    above = dict.fromkeys(key.partition(".")[0] for key in row.keys if "." in key or key == HOSTS)
    places = [place for name in above for place in (name, ALSO.get(name)) if place]
    return " and ".join(f"`{place}`" for place in places) or TOP


def _cells(row: Row) -> tuple[str, ...]:
    keys = ", ".join(f"`{key}`" for key in row.keys)
    return keys, row.edit, answer(row), happens(row), ", ".join(f"`{unit}`" for unit in row.restarts)


def answer(row: Row) -> str:
    """The answer in a word or two, with the name of the check that refuses."""
    said = ANSWERS.get(row.how, row.how.value)
    return f"{said} (`{row.refused}`)" if row.refused and not row.refused.endswith("Error") else said


def happens(row: Row) -> str:
    """The sentence, the passes and the command."""
    passes = f"Passes: {'; '.join(row.passes)}." if row.passes else ""
    command = f"`{row.command}`" if row.command else ""
    return " ".join(filter(None, (row.what, passes, command)))


def _flags() -> str:
    lines = (
        (f"`{component}`", f"`{flag}`", why) for component, found in flags().items() for flag, why in _sorted(found)
    )
    head = "Flags that keep their value"
    text = table(head, ("component", "flag", "with another value"), lines)
    note = "`extra_args` cannot change these flags while the cluster lives (`FixedFlag`).\n"
    return text.replace(f"## {head}\n\n", f"## {head}\n\n{note}\n")


def _sorted(found: Mapping[str, str]) -> list[tuple[str, str]]:
    return sorted(found.items())


if __name__ == "__main__":
    print(page(), end="")
