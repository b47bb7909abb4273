"""`hardway support-bundle`."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..progress.saying import say
from .help import Command
from .options import INVENTORY, PATIENCE, STATE, open_session

if TYPE_CHECKING:
    from ..session import Session


@click.command("support-bundle", cls=Command)
@INVENTORY
@STATE
@PATIENCE
@click.option("-o", "--output", "file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="The new file.  [default: hardway-<cluster>-<time>.tar.gz]")  # fmt: skip
def support_bundle(inventory: Path, state_dir: Path | None, file: Path | None) -> None:
    """Collect the data that support needs into one archive.

    It holds the inventory, versions, status and plan, and each host's facts, units, configuration, journals and network
    state; README.txt inside lists all of it. No key, password or Secret is collected, and everything is searched for
    them before it is written.
    """
    from ..commands import bundle

    with open_session(inventory, state_dir, read_only=True, stream=sys.stderr) as session:
        done = bundle.write(
            session, file, [bundle.HomeItem("status.json, status.txt", "hardway status", _status_files)]
        )
    say(
        f"{done.path}: {done.members} files, {done.size / 1e6:.1f} MB."
        f" Check it before you send it: tar -tzf {done.path}"
    )
    for line in done.missing:
        say(f"missing: {line}", err=True)


def _status_files(session: Session) -> Iterator[tuple[str, bytes]]:
    """What `hardway status` shows, for a bundle."""
    from ..commands import status as view

    found, text = view.collect(session), io.StringIO()
    view.show(found, text)
    yield "status.json", view.as_json(found).encode()
    yield "status.txt", text.getvalue().encode()
