"""`hardway encryption …`: the keys that Secrets are under in etcd."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import click

from ..errors import ConnectionFailed, DriftError
from ..progress.saying import say
from .help import Group
from .options import COMMON, INVENTORY, open_session

DRY_RUN = click.option("--dry-run", "--plan", "dry_run", is_flag=True, help="Change nothing; show the steps.")


@click.group(cls=Group)
def encryption() -> None:
    """Show and rotate the keys that encrypt Secrets."""


@encryption.command("status")
@INVENTORY
@COMMON
def encryption_status(inventory: Path, output: str, **options: Any) -> None:
    """Count Secrets in etcd by the key they are under.

    It asks etcd itself for the first bytes of each Secret, and each API server for what it has loaded; it shows no
    value. Exit codes: 0 all are under the newest key, 7 some are not or a rotation is not finished, 4 an API server
    does not answer, 6 etcd does not answer. docs/operating.md explains the JSON.
    """
    from ..commands.encryption import status, text

    with open_session(inventory, output="text", read_only=True, stream=sys.stderr, **options) as session:
        found = status.collect(session)
    shown = json.dumps(found.asdict(), indent=2) if output == "json" else text.text(found)
    say(re.sub(r"\bINV\b", lambda _: str(inventory), shown))
    if not found.healthy:
        sys.exit(DriftError("").exit_code)
    if found.unknown:
        sys.exit(ConnectionFailed("").exit_code)


@encryption.command("rotate")
@INVENTORY
@DRY_RUN
@COMMON
def encryption_rotate(inventory: Path, dry_run: bool, output: str, **options: Any) -> None:
    """Put all Secrets under a new key of the same provider.

    Every API server first reads with the new key, then writes with it; then every Secret is rewritten, etcd proves that
    none is left under an older key, and the older keys leave the API servers. API servers restart one at a time. The
    state directory keeps every key. Killed at any moment, the same command continues.
    """
    from ..commands.encryption import rotating
    from ..plans import steps

    if dry_run:
        with open_session(inventory, output="text", read_only=True, stream=sys.stderr, **options) as session:
            found = rotating.foresee(session)
            about = {"key": found.key, "begun": found.begun, "first": found.first, "last": found.last}
            shown = steps.as_json(session.cluster.name, rotating.COMMAND, about, found.found)
        say(shown if output == "json" else found.text(options["verbose"]))
        return
    with open_session(inventory, output=output, logged="encryption-rotate", **options) as session:
        rotating.rotate(session)
