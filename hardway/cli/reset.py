"""`hardway reset`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .help import Command
from .options import COMMON, INVENTORY, open_session
from .questions import confirm


@click.command(cls=Command)
@INVENTORY
@COMMON
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--limit", multiple=True, metavar="HOST", help="Only this host (repeatable).")
@click.option(
    "--remove-pki",
    is_flag=True,
    help="Also delete the keys and certificates in the state directory (kept by default).",
)
def reset(inventory: Path, yes: bool, limit: tuple[str, ...], remove_pki: bool, **options: Any) -> None:
    """Remove everything that bootstrap put on the hosts.

    It removes units, files, network state, users and data, etcd's data too: the cluster is deleted. What was there
    before bootstrap stays. A second run finds nothing to do.
    """
    from ..commands.reset import reset as take_down
    from ..run.selection import Selection

    if remove_pki and limit:
        raise click.UsageError("--remove-pki deletes the keys of the whole cluster: it cannot be used with --limit")
    with open_session(inventory, logged="reset", **options) as session:
        hosts = Selection(limit=limit).hosts(session.cluster)
        names = ", ".join(host.name for host in session.cluster.hosts if host.name in hosts)
        confirm(f"Delete cluster {session.cluster.name} and all its data from {names}?", yes)
        take_down(session, hosts, keep_pki=not remove_pki)
