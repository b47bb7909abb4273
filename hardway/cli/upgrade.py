"""`hardway upgrade`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ..errors import DriftError
from ..progress.saying import say
from .help import Command
from .options import COMMON, DRAIN, INVENTORY, drain_options, open_session, typed


@click.command(cls=Command)
@INVENTORY
@click.option(
    "--to",
    default="",
    metavar="VERSION",
    help="To this version or minor of Kubernetes and what is tested with it.  [default: the inventory's versions]",
)
@click.option(
    "--plan", "--dry-run", "planned", is_flag=True, help="Change nothing; show every step, its order and its risks."
)
@click.option(
    "--workers-at-once",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Drain and upgrade N workers at the same time.",
)
@DRAIN
@click.option(
    "--snapshot",
    type=click.Path(path_type=Path),
    metavar="FILE|DIR",
    help="Where to save the snapshot of etcd.  [default: <cluster>-<time>.db here]",
)
@click.option("--keep", is_flag=True, help="Keep the replaced programs on the hosts when all is done.")
@click.option(
    "--ignore",
    multiple=True,
    metavar="CHECK[=HOST]",
    help="Only warn of what this check finds: DeprecatedApi, Pending, or one of preflight (repeatable).",
)
@COMMON
def upgrade(
    inventory: Path,
    to: str,
    planned: bool,
    workers_at_once: int,
    snapshot: Path | None,
    keep: bool,
    ignore: tuple[str, ...],
    **options: Any,
) -> None:
    """Upgrade a running cluster, minor by minor.

    It checks that the cluster is healthy, saves a snapshot of etcd, upgrades the control plane one minor and one host
    at a time, then drains and upgrades each worker once. Run it again after any interruption: it finds what is left
    from what runs.
    """
    from ..commands import upgrade as upgrading

    chosen = upgrading.Options(
        drain_options(options), workers_at_once, keep, snapshot, ignore, typed("--plan", "--dry-run")
    )
    if planned:
        _plan(inventory, to, chosen, **options)
        return
    with open_session(inventory, logged="upgrade", **options) as session:
        upgrading.upgrade(session, upgrading.aimed(session.cluster, to), chosen)


def _plan(inventory: Path, to: str, chosen: Any, output: str, **options: Any) -> None:
    from ..commands import upgrade as upgrading
    from ..run.failures import of_left_out

    access = {"read_only": True, "proving": True, "stream": sys.stderr}
    with open_session(inventory, output="text", **access, **options) as session:
        found = upgrading.foresee(session, upgrading.aimed(session.cluster, to), chosen)
    say(upgrading.as_json(found) if output == "json" else upgrading.as_text(found).replace("INV", str(inventory)))
    if found.left_out:
        raise of_left_out(list(found.left_out.values()), chosen.typed)
    if found.refused:
        sys.exit(DriftError("").exit_code)
