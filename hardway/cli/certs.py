"""`hardway certs …`: certificates listed, renewed, signed elsewhere; CAs rotated."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import DriftError
from ..progress.saying import say
from .help import Command, Group
from .options import COMMON, INVENTORY, STATE, load, open_session

if TYPE_CHECKING:
    from ..plans import Plan
    from ..session import Known, Session

FOLDER = click.Path(path_type=Path, file_okay=False)


@click.group(cls=Group)
def certs() -> None:
    """List and renew certificates, rotate CAs.

    Keys never leave the state directory, except the one that a host needs for its own certificate.
    """


@certs.command("list", cls=Command)
@INVENTORY
@COMMON
@click.option(
    "--warn-days",
    type=click.IntRange(min=0),
    metavar="N",
    help="Exit with code 7 if a certificate expires within N days, with 4 if that cannot be known.",
)
def list_(inventory: Path, warn_days: int | None, output: str, **options: Any) -> None:
    """Show every certificate: here, on the hosts, at the ports.

    For each certificate and CA it shows how long it lasts and who signed it, and which files on hosts, kubeconfigs and
    ports have another one than the state directory. It writes nothing.
    """
    from ..commands.certs import listing, text

    with open_session(inventory, output="text", read_only=True, stream=sys.stderr, **options) as session:
        found = listing.collect(session)
    say(text.as_json(found) if output == "json" else text.as_text(found, options["verbose"]))
    if warn_days is not None and (lines := text.ending(found, warn_days)):
        for line in lines:
            say(f"expires within {warn_days} days: {line}", err=True)
        sys.exit(DriftError("").exit_code)
    if warn_days is not None and (error := text.unasked(found)):
        raise error


@certs.command(cls=Command)
@INVENTORY
@click.argument("names", nargs=-1, metavar="[NAME]...")
@COMMON
@click.option("--all", "all_", is_flag=True, help="All certificates; CAs are not renewed but rotated.")
@click.option("--keep-keys", is_flag=True, help="Keep the keys: only the certificates are new.")
@click.option("--plan", is_flag=True, help="Change nothing; show what would be done, in order.")
def renew(inventory: Path, names: tuple[str, ...], all_: bool, keep_keys: bool, plan: bool, **options: Any) -> None:
    """Renew certificates, with no gap in the API.

    It issues them again, brings the files to every host first, then restarts what does not read them by itself, one
    host at a time. It ends when every port shows the new one. After an interruption, run the same command again.
    """
    from ..commands.certs import renewing

    if plan:
        _planned(inventory, lambda session: renewing.foresee(session, names, all_, keep_keys), **options)
        return
    with open_session(inventory, logged="certs-renew", **options) as session:
        renewing.renew(session, names, all_, keep_keys)


def _planned(inventory: Path, look: Callable[[Session], tuple[Plan, Known]], output: str, **options: Any) -> None:
    """Show a plan that somebody makes, as `hardway plan` does."""
    from .. import plans
    from ..run.failures import of_left_out
    from ..run.selection import Selection

    with open_session(inventory, output="text", read_only=True, stream=sys.stderr, **options) as session:
        found, known = look(session)
        purpose = plans.Purpose.of(session.cluster, Selection())
    say(plans.as_json(found, purpose) if output == "json" else plans.as_text(found, options["verbose"]))
    if known.left_out:
        raise of_left_out(list(known.left_out.values()), f"hardway plan {inventory}")


@certs.command(cls=Command)
@INVENTORY
@click.argument("names", nargs=-1, metavar="[NAME]...")
@STATE
@click.option("--out", "folder", required=True, type=FOLDER, metavar="DIR", help="Write the requests there.")
@click.option("--all", "all_", is_flag=True, help="For all certificates.")
@click.option("--keep-keys", is_flag=True, help="For the keys that are there; otherwise each request has a new key.")
def csr(
    inventory: Path, names: tuple[str, ...], state_dir: Path | None, folder: Path, all_: bool, keep_keys: bool
) -> None:
    """Write requests for certificates that another CA signs.

    For the certificates you name; without a name, for those that are missing or expire soon and whose CA's key is not
    in the state directory. The keys stay in the state directory; README.txt says who signs what.
    """
    from ..commands.certs import elsewhere
    from ..state.statedir import StateDir

    cluster, where = load(inventory, state_dir)
    store = StateDir(where)
    with store.lock():
        written = elsewhere.csr(cluster, store, folder, names, all_, keep_keys)
    say(f"{len(written) - 1} requests in {folder}; {elsewhere.GUIDE} there says who signs what")
    say(f"next: hardway certs import {inventory} {folder}")


@certs.command("import", cls=Command)
@INVENTORY
@click.argument("folder", metavar="DIR", type=FOLDER)
@STATE
def import_(inventory: Path, folder: Path, state_dir: Path | None) -> None:
    """Store certificates that another CA has signed.

    It takes every NAME.crt in DIR, and the CA's own certificate where that is new. Each must be for its key, signed by
    its CA, and have the names, usages and dates that it needs: otherwise none is stored.
    """
    from ..commands.certs import elsewhere
    from ..state.statedir import StateDir

    cluster, where = load(inventory, state_dir)
    store = StateDir(where)
    with store.lock():
        changed = elsewhere.import_(cluster, store, folder)
    say("\n".join(changed) or "nothing to do: the state directory has all of them")
    if changed:
        say(f"next: hardway bootstrap {inventory}   brings them to the hosts")


@certs.command("rotate-ca", cls=Command)
@click.argument("kind", metavar="KIND", type=click.Choice(["kubernetes", "etcd", "front-proxy", "service-account"]))
@INVENTORY
@COMMON
@click.option(
    "--workloads",
    type=click.Choice(["restart", "leave"]),
    help="What to do with pods that are older than the trust in the new CA (kubernetes only): replace them one after"
    " the other, or leave them alone. Without it, the run stops there.",
)
@click.option("--plan", is_flag=True, help="Change nothing; show what the next stage would change.")
@click.option("--status", is_flag=True, help="Change nothing; show how far the rotation is.")
def rotate_ca(
    kind: str, inventory: Path, workloads: str | None, plan: bool, status: bool, output: str, **options: Any
) -> None:
    """Replace a CA, or the key of tokens, in stages.

    All hosts must answer. It goes through all stages: trust the new one beside the old one, let the new one sign, trust
    the old one no more. At the end it proves that the old one is refused. After an interruption, or where it stopped
    and said why, run the same command again.
    """
    from ..commands.certs.rotation import rotating, standing

    if plan and status:
        raise click.UsageError("--plan cannot be used with --status")
    if status:
        with open_session(inventory, output="text", read_only=True, stream=sys.stderr, **options) as session:
            found = standing.standings(session, [kind])
        say(
            standing.as_json(session.cluster.name, found)
            if output == "json"
            else standing.as_text(found, str(inventory))
        )
    elif plan:
        _planned(inventory, lambda session: rotating.foresee(session, kind), output, **options)
    else:
        with open_session(inventory, output=output, logged="certs-rotate-ca", **options) as session:
            rotating.rotate(session, kind, workloads or "")
