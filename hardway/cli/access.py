"""`hardway kubeconfig` and `hardway env`."""

from __future__ import annotations

from pathlib import Path

import click

from ..progress.saying import say
from .help import Command
from .options import INVENTORY, STATE, load


@click.command(cls=Command)
@INVENTORY
@STATE
@click.option("-o", "output_file", type=click.Path(path_type=Path), metavar="FILE", help="Write to a new file (0600).")
@click.option(
    "--merge",
    is_flag=False,
    flag_value="",
    metavar="[FILE]",
    help="Merge into a kubeconfig; its other entries stay.  [default: $KUBECONFIG, or ~/.kube/config]",
)
def kubeconfig(inventory: Path, state_dir: Path | None, output_file: Path | None, merge: str | None) -> None:
    """Print, write or merge the administrator's kubeconfig.

    It uses the API address of the inventory. Protect it like a root password.

    --merge names each entry that it replaces, warns of another cluster of the same name, and keeps the old file.
    """
    from ..commands import access
    from ..pki.kubeconfig import users_own

    if output_file and merge is not None:
        raise click.UsageError("-o and --merge cannot be used together: remove one of them")
    into = None if merge is None else Path(merge).expanduser() if merge else users_own()
    cluster, folder = load(inventory, state_dir)
    say(access.kubeconfig(cluster, folder, output_file, into), nl=False)


@click.command(cls=Command)
@INVENTORY
@STATE
def env(inventory: Path, state_dir: Path | None) -> None:
    """Print shell commands that set up kubectl.

    eval "$(hardway env INV)" sets KUBECONFIG and makes kubectl an alias of the cluster's own version.
    """
    from ..commands import access

    cluster, folder = load(inventory, state_dir)
    say(access.environment(cluster, folder))
