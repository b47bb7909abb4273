"""docs/preflight.md, written from the checks themselves: `python -m hardway.preflight.page > docs/preflight.md`."""

from __future__ import annotations

from collections.abc import Iterator

from . import AROUND, EVERY, refuses, surroundings

HEAD = """\
# What preflight checks

`hardway preflight INV` asks each host once and shows every error and warning, each with the next command. `bootstrap`
does the same before it changes anything, and so does `plan`; of a running cluster these two try only the ports of new
hosts. `verify` and `doctor` show the same errors as `preflight`.

It changes nothing on a host. To see whether others reach a port on which nothing listens yet, it has systemd listen
there while it looks (systemd-socket-activate, a few seconds); that ends with the command, and with its connection.

An ERROR stops `bootstrap` before any host is changed. A WARNING is only shown. `--ignore CHECK` makes an error a
warning, and `--ignore CHECK=HOST` does so on one host; `verify` and `doctor` take the same. It works for the checks of
a machine; those that protect a running cluster cannot be ignored.

This page is generated from the checks: `python -m hardway.preflight.page > docs/preflight.md`.

| check | severity | what is well | `--ignore` |
|---|---|---|---|
"""


def page() -> str:
    """The whole page as Markdown."""
    return HEAD + "".join(rows())


def rows() -> Iterator[str]:
    """A line for each question."""
    for check in EVERY:
        if check is AROUND[0]:
            yield _row(surroundings.PORT_NAME, False, surroundings.PORT_WANTED)
        yield _row(check.name, check.warning, check.wanted)


def _row(name: str, warning: bool, wanted: str) -> str:
    ignored = "no" if refuses(name.replace("NUMBER", "1")) else "yes"
    return f"| `{name}` | {'WARNING' if warning else 'ERROR'} | {wanted} | {ignored} |\n"


if __name__ == "__main__":
    print(page(), end="")
