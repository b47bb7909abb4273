"""`hardway etcd …`: the members, their data, and what is done with it."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import ConnectionFailed, DriftError
from ..progress.saying import say, say_drawn
from .help import Group
from .options import COMMON, IGNORE, INVENTORY, OUTPUT, PATIENCE, STATE, open_session
from .questions import confirm

if TYPE_CHECKING:
    from ..session import Session


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
    _show(inventory, screen.as_json(found) if output == "json" else screen.status_text(found, sys.stdout), output)
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
    _show(inventory, screen.as_json(found) if output == "json" else screen.members_text(found, sys.stdout), output)
    if not found.expected:
        sys.exit(DriftError("").exit_code)


def _show(inventory: Path, text: str, output: str) -> None:
    (say if output == "json" else say_drawn)(re.sub(r"\bINV\b", lambda _: str(inventory), text))


@etcd.command("backup")
@INVENTORY
@STATE
@OUTPUT
@PATIENCE
@click.option(
    "-o",
    "target",
    type=click.Path(path_type=Path),
    metavar="FILE|DIR",
    help="A new file, or a folder.  [default: <cluster>-<time>.db here]",
)
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    metavar="N",
    help="Keep the N newest snapshots of this cluster in that folder, and remove the older ones.",
)
@click.option("--member", default="", metavar="HOST", help="Take it from this member.  [default: a healthy follower]")
def etcd_backup(
    inventory: Path, state_dir: Path | None, output: str, target: Path | None, keep: int | None, member: str
) -> None:
    """Save a snapshot of etcd on this computer.

    The member sends it through SSH; nothing is left on its host. Its checksum is verified here, then it gets its name,
    and beside it FILE.json with what a restore needs to know. It changes nothing in the cluster. The file contains
    every Secret as etcd has it: encrypted, unless the inventory says otherwise.
    """
    from ..commands.etcd.backup import backup

    with open_session(inventory, state_dir, read_only=True, stream=sys.stderr) as session:
        saved = backup(session, target, keep or 0, member)
    say(saved.json() if output == "json" else saved.text())


DRY_RUN = click.option("--dry-run", "--plan", "dry_run", is_flag=True, help="Change nothing; show the steps.")


@etcd.command("defrag")
@INVENTORY
@click.option(
    "--compact",
    is_flag=True,
    help="First have etcd forget old revisions, as it must when it is full; then all members.",
)
@DRY_RUN
@COMMON
def etcd_defrag(inventory: Path, compact: bool, dry_run: bool, output: str, **options: Any) -> None:
    """Give back the space that etcd no longer uses.

    One member at a time, the leader last: the member answers nobody meanwhile. Each is healthy and has caught up before
    the next. Refused while a member is not healthy (exit code 9). Members with hardly any unused space are left alone.
    """
    from ..commands.etcd import defrag
    from ..plans import steps

    if dry_run:
        with open_session(inventory, output="text", read_only=True, stream=sys.stderr, **options) as session:
            found = defrag.foresee(session, compact)
            about = {"compact": found.compact}
            shown = steps.as_json(session.cluster.name, defrag.COMMAND, about, found.found)
        say(shown if output == "json" else found.text(options["verbose"]))
        return
    with open_session(inventory, output=output, logged="etcd-defrag", **options) as session:
        defrag.defrag(session, compact)


@etcd.command("disarm")
@INVENTORY
@DRY_RUN
@COMMON
def etcd_disarm(inventory: Path, dry_run: bool, output: str, **options: Any) -> None:
    """Clear an alarm of etcd whose cause is gone.

    At its quota etcd raises the alarm NOSPACE and refuses every write, also when there is room again. hardway clears it
    only when every member answers and has room, else it shows what to do (exit code 9). It never clears CORRUPT.
    """
    from ..commands.etcd import disarm
    from ..plans import steps

    if dry_run:
        with open_session(inventory, output="text", read_only=True, stream=sys.stderr, **options) as session:
            lines, found = disarm.foresee(session)
            shown = steps.as_json(session.cluster.name, disarm.COMMAND, {"members": lines}, found)
        say(shown if output == "json" else "\n".join([*lines, steps.text(found) or "no alarm is raised"]))
        return
    with open_session(inventory, output=output, logged="etcd-disarm", **options) as session:
        disarm.disarm(session)


@etcd.command("restore")
@INVENTORY
@click.argument("file", metavar="[FILE]", required=False, type=click.Path(path_type=Path))
@click.option("--from-member", "member", default="", metavar="HOST", help="The quorum is lost: use this member's data.")
@click.option(
    "--of-another-cluster",
    "other",
    metavar="CLUSTER",
    help="Restore another cluster's snapshot in this one: type this one's name.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@DRY_RUN
@IGNORE
@COMMON
def etcd_restore(
    inventory: Path,
    file: Path | None,
    member: str,
    other: str | None,
    yes: bool,
    dry_run: bool,
    ignore: tuple[str, ...],
    output: str,
    **options: Any,
) -> None:
    """Go back to a snapshot of etcd.

    It stops API servers, controllers and etcd, restores the one snapshot on all members, and starts everything again.
    The API is down meanwhile; pods keep running. The data that is there is kept on each host. All that was written
    since the snapshot is lost. Killed at any moment, the same command continues.
    """
    from ..commands.etcd import restore
    from ..plans import steps

    wanted = restore.Wanted(file, member, other, ignore)
    if dry_run:
        with open_session(inventory, output="text", read_only=True, stream=sys.stderr, **options) as session:
            ready = restore.look(session, wanted)
            found = restore.foresee(ready)
        about = {"lines": ready.lines, "id": ready.restoration.id, "bump": ready.restoration.bump}
        shown = steps.as_json(session.cluster.name, restore.COMMAND, about, found)
        say(shown if output == "json" else "\n".join([*ready.lines, steps.text(found, options["verbose"])]))
        return
    with open_session(inventory, output=output, logged="etcd-restore", **options) as session:
        if not yes:
            for line in restore.look(session.looking(), wanted).lines:
                say(line, err=True)
        confirm(f"Replace all data of cluster {session.cluster.name} on {_members(session)}?", yes)
        restore.restore(session, wanted)


def _members(session: Session) -> str:
    return ", ".join(host.name for host in session.cluster.etcd_members)
