"""`hardway backup` and `hardway restore`: the whole cluster in one encrypted file, and back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError
from ..progress.saying import say
from .help import Command
from .options import COMMON, IGNORE, INVENTORY, OUTPUT, PATIENCE, STATE, open_session
from .questions import confirm

if TYPE_CHECKING:
    from ..archive import Key, Lock
    from ..pki.secret import Secret

FILE = click.Path(path_type=Path)
PASSPHRASE = click.option(
    "--passphrase-file",
    type=FILE,
    metavar="FILE",
    help="Read the passphrase from this file's first line; /dev/fd/3 is a descriptor.  [default: ask]",
)


@click.command(cls=Command)
@INVENTORY
@STATE
@PATIENCE
@OUTPUT
@click.option("-o", "target", type=FILE, required=True, metavar="FILE|DIR", help="A new file, or a folder.")
@click.option(
    "-r",
    "--recipient",
    "recipients",
    multiple=True,
    metavar="KEY",
    help="Encrypt to this public key: age1… or ssh-ed25519 … (repeatable).",
)
@click.option(
    "-R",
    "--recipients-file",
    "files",
    multiple=True,
    type=FILE,
    metavar="FILE",
    help="Encrypt to the public keys in this file, one a line (repeatable).",
)
@PASSPHRASE
@click.option(
    "--member", default="", metavar="HOST", help="Take etcd's snapshot from it.  [default: a healthy follower]"
)
def backup(
    inventory: Path,
    state_dir: Path | None,
    output: str,
    target: Path,
    recipients: tuple[str, ...],
    files: tuple[Path, ...],
    passphrase_file: Path | None,
    member: str,
) -> None:
    """Save the whole cluster in one encrypted file.

    It has a snapshot of etcd, the state directory with all keys, and the inventory: all that `hardway restore` needs.
    Only the holder of a recipient's private key, or of the passphrase, can read it. It changes nothing in the cluster.
    """
    from ..commands.whole.backup import backup as save
    from ..commands.whole.backup import where

    with open_session(inventory, state_dir, read_only=True, stream=sys.stderr) as session:
        final = where(session, target)
        lock = _lock(recipients, files, passphrase_file)
        saved = save(session, final, lock, member)
    say(saved.json() if output == "json" else saved.text())


def _lock(recipients: tuple[str, ...], files: tuple[Path, ...], passphrase_file: Path | None) -> Lock:
    from ..archive import Lock, lock_of

    if (recipients or files) and passphrase_file:
        raise UsageError("a backup is for recipients or has a passphrase, not both", hint="remove one of the two")
    if recipients or files:
        return lock_of(recipients, files)
    return Lock(passphrase=_passphrase(passphrase_file, "Passphrase of the new backup:", twice=True))


def _passphrase(file: Path | None, question: str, twice: bool = False) -> Secret:
    """From a file's first line, or the terminal; never empty."""
    from ..archive.sealing import text_of
    from ..pki.secret import Secret

    if file is None and not sys.stdin.isatty():
        raise UsageError(
            "there is no terminal to ask for the passphrase",
            hint="name a file with it: --passphrase-file FILE; or keys: hardway backup -h",
        )
    said = text_of(file).partition("\n")[0] if file else _asked(question, twice)
    if not said.strip():
        raise UsageError(f"the passphrase{f' in {file}' if file else ''} is empty", hint="choose one of several words")
    return Secret(said.rstrip("\r").encode())


def _asked(question: str, twice: bool) -> str:
    again = "The same again:" if twice else False
    return click.prompt(question, hide_input=True, confirmation_prompt=again, prompt_suffix=" ", err=True)


@click.command(cls=Command)
@INVENTORY
@click.argument("file", metavar="BACKUP", type=FILE)
@click.option(
    "-i",
    "--identity",
    "identities",
    multiple=True,
    type=FILE,
    metavar="FILE",
    help="A file with a recipient's private key (repeatable).",
)
@PASSPHRASE
@click.option("--older", is_flag=True, help="Restore it although the state directory has keys that are newer.")
@click.option(
    "--write-inventory", "drafted", is_flag=True, help="Only write the backup's inventory to INV, a new file."
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--dry-run", "--plan", "dry_run", is_flag=True, help="Change nothing; show the steps.")
@IGNORE
@COMMON
def restore(
    inventory: Path,
    file: Path,
    identities: tuple[Path, ...],
    passphrase_file: Path | None,
    drafted: bool,
    dry_run: bool,
    **options: Any,
) -> None:
    """Bring a lost cluster back from its backup.

    The control-plane machines are new and empty; they may have other addresses, which INV says. Workers and their pods
    keep running and are led to the new API. It is refused while a cluster lives on the control plane. Killed at any
    moment, the same command continues.
    """
    from .. import archive

    if not drafted and not inventory.exists():
        raise UsageError(
            f"there is no inventory {inventory}",
            hint=f"to write that of the backup: hardway restore {inventory} {file} --write-inventory",
        )
    with archive.opened(file, _key(file, identities, passphrase_file)) as backup:
        if drafted:
            _write_inventory(inventory, backup.inventory)
        elif dry_run:
            _foresee(inventory, backup, **options)
        else:
            _restore(inventory, backup, **options)


def _key(file: Path, identities: tuple[Path, ...], passphrase_file: Path | None) -> Key:
    from ..archive import Key, requires_passphrase
    from ..archive.sealing import key_of

    by_passphrase = requires_passphrase(file)
    if identities:
        return key_of(identities)
    if passphrase_file or by_passphrase:
        return Key(passphrase=_passphrase(passphrase_file, f"Passphrase of {file}:"))
    raise UsageError(
        f"{file} is encrypted to recipients", hint="name the file with the private key of one: --identity FILE"
    )


def _write_inventory(inventory: Path, content: bytes) -> None:
    from ..state.growing import growing, place

    with growing(inventory) as (part, new):
        new.write(content)
        place(part, new, inventory)
    say(f"{inventory}: the inventory of the backup; correct the addresses that have changed")


def _foresee(
    inventory: Path, backup: Any, older: bool, ignore: tuple[str, ...], output: str, yes: bool, **options: Any
) -> None:
    from ..commands.whole import restore as command
    from ..plans import steps

    wanted = command.Wanted(backup, older, ignore)
    with open_session(inventory, output="text", read_only=True, stream=sys.stderr, **options) as session:
        ready = command.look(session, wanted)
        found = command.foresee(ready, wanted)
    about = {"lines": ready.lines, "id": ready.restoration.id, "bump": ready.restoration.bump, "files": ready.missing}
    shown = steps.as_json(session.cluster.name, command.COMMAND, about, found)
    rest = "then everything that hardway bootstrap does, as soon as the API answers"
    text = "\n".join([*ready.lines, steps.text(found, options["verbose"]), rest])
    say(shown if output == "json" else text)


def _restore(
    inventory: Path, backup: Any, older: bool, ignore: tuple[str, ...], output: str, yes: bool, **options: Any
) -> None:
    from ..commands.whole import restore as command

    wanted = command.Wanted(backup, older, ignore)
    with open_session(inventory, output=output, logged="restore", **options) as session:
        if not yes:
            for line in command.look(session.looking(), wanted).lines:
                say(line, err=True)
        confirm(f"Restore cluster {session.cluster.name} on these machines?", yes)
        command.restore(session, wanted)
