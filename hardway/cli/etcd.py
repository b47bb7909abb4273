"""`hardway etcd …`: the members, their data, and what is done with it."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import click

from ..errors import ConnectionFailed, DriftError
from .help import Group
from .options import COMMON, INVENTORY, open_session


@click.group(cls=Group)
def etcd() -> None:
    """etcd: look, back up, restore, defragment."""


@etcd.command("status")
@INVENTORY
@COMMON
def etcd_status(inventory: Path, output: str, **options: Any) -> None:
    """Show each member: data, quota, leader, alarms.

    Each member is asked for itself. Exit codes: 0 all are healthy, 7 something is wrong, 4 no etcd host answers.
    docs/operating.md explains the JSON.
    """
    from ..commands.etcd import screen, status

    with open_session(inventory, output="text", read_only=True, stream=sys.stderr, **options) as session:
        found = status.collect(session)
    _show(inventory, screen.as_json(found) if output == "json" else screen.status_text(found, sys.stdout))
    if not found.healthy:
        sys.exit(ConnectionFailed("").exit_code if found.away else DriftError("").exit_code)


@etcd.command("members")
@INVENTORY
@COMMON
def etcd_members(inventory: Path, output: str, **options: Any) -> None:
    """List the members that etcd itself knows.

    It names members that the inventory does not have, that never started or that are learners. Exit codes: 0 they are
    as in the inventory, 7 they are not, 6 etcd has no quorum, so nobody knows, 4 no etcd host answers.
    """
    from ..commands.etcd import members, screen

    with open_session(inventory, output="text", read_only=True, stream=sys.stderr, **options) as session:
        found = members.collect(session)
    _show(inventory, screen.as_json(found) if output == "json" else screen.members_text(found, sys.stdout))
    if not found.expected:
        sys.exit(DriftError("").exit_code)


def _show(inventory: Path, text: str) -> None:
    click.echo(re.sub(r"\bINV\b", lambda _: str(inventory), text))
