"""The command line: load, call one function, print what it returns, choose the exit code. No logic lives here."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from .. import __version__
from ..errors import DriftError, HardwayError, typable
from .access import COMMANDS as OPERATE_COMMANDS
from .assets import assets
from .bootstrap import COMMANDS as BOOTSTRAP_COMMANDS
from .doctor import COMMANDS as DOCTOR_COMMANDS
from .explain import COMMANDS as GUIDE_COMMANDS
from .help import Group
from .lab import lab
from .options import COMMON, INVENTORY, OUTPUT, STATE, load, open_session
from .os_errors import refusal
from .trust import trust

HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class ReaderGone(Exception):
    """Whoever read our output has stopped reading, as `head` does."""


class Program(Group):
    """The whole command line. click ends with 1 when a reader goes away, and 1 is what a bug of ours ends with."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ReaderGone from error


@click.group(cls=Program, context_settings=HELP)
@click.version_option(__version__, prog_name="hardway")
def cli() -> None:
    """Build a highly available Kubernetes cluster the hard way: plain binaries, systemd units and certificates over SSH.

    \b
    The usual order:
      hardway init root@10.0.0.10 root@10.0.0.11 > cluster.yaml
      hardway validate cluster.yaml
      hardway plan cluster.yaml
      hardway bootstrap cluster.yaml
      hardway verify cluster.yaml

    \b
    Exit codes:
      0 done                  5 a command on a host failed
      1 a bug in hardway      6 not ready in time
      2 wrong usage           7 drift, or a failed check
      3 wrong inventory       8 PKI or assets
      4 no connection         9 would lose etcd's quorum
    """


def main() -> None:
    """Run the command line; the only place where an error becomes text and an exit code."""
    given: dict[str, Any] = {}
    try:
        cli.main(standalone_mode=False, obj=given)
    except click.exceptions.Abort as error:
        # click turns Ctrl-C into this; the answer "no" to a question has no cause.
        if isinstance(error.__cause__, KeyboardInterrupt):
            print("interrupted: nothing is half written\n  next: run the same command again; it continues", file=sys.stderr)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except HardwayError as error:
        sys.exit(told(error, given))
    except ReaderGone:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left to be flushed at exit goes nowhere
        sys.exit(141)
    except OSError as error:
        refused = refusal(error)
        sys.exit(told(refused, given) if refused else bug(error, given))
    except Exception as error:
        sys.exit(bug(error, given))


def told(error: HardwayError, given: dict[str, Any]) -> int:
    """Print an error with the inventory's name where it says INV, and the run's log; its exit code."""
    print("\n".join(typable(error.lines(), str(given.get("inventory", "INV")))), file=sys.stderr)
    say_where_the_log_is(given["log"].path if "log" in given else None)
    return error.exit_code


def say_where_the_log_is(path: Path | None) -> None:
    if path:
        print(f"  log: {path}", file=sys.stderr)


def bug(error: Exception, given: dict[str, Any]) -> int:
    """Our own fault: keep the traceback in the run's log, or in a file where there is none, and tell where."""
    kept = given["log"].bug(error) if "log" in given else None
    print(f"error: this is a bug in hardway ({type(error).__name__}: {error})", file=sys.stderr)
    print(f"  next: report it with {kept or _apart(error)}", file=sys.stderr)
    return 1


def _apart(error: Exception) -> str:
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="hardway-bug-", suffix=".txt", delete=False) as file:
        file.write(f"hardway {__version__}\n{''.join(traceback.format_exception(error))}")
    return file.name


@cli.command()
@click.argument("hosts", nargs=-1, metavar="[USER@ADDRESS[:PORT]]...")
def init(hosts: tuple[str, ...]) -> None:
    """Print a commented inventory to start from.

    With hosts given, they are filled in with roles that suit their number. Names and roles may then be edited.
    """
    from ..inventory import sample

    click.echo(sample(hosts), nl=False)


@cli.command()
@INVENTORY
def validate(inventory: Path) -> None:
    """Check an inventory without contacting a host.

    Every problem is shown at once, each with its line, what is wrong and what is allowed.
    """
    from ..inventory import load as load_inventory
    from ..inventory import review

    cluster = load_inventory(inventory)
    for warning in review(inventory).warnings:
        click.echo(f"warning: {warning}")
    click.echo(f"{inventory}: ok, cluster {cluster.name}, {len(cluster.hosts)} hosts, Kubernetes {cluster.versions.kubernetes}")


@cli.command()
def schema() -> None:
    """Print the JSON Schema of the inventory, for editors."""
    from ..inventory import schema as inventory_schema

    click.echo(json.dumps(inventory_schema(), indent=2))


@cli.command()
@OUTPUT
def phases(output: str) -> None:
    """List the phases in their order."""
    from ..phases import PHASES

    if output == "json":
        click.echo(json.dumps([{"name": phase.name, "title": phase.title} for phase in PHASES], indent=2))
        return
    for number, phase in enumerate(PHASES, 1):
        click.echo(f"{number:3}  {phase.name:15} {phase.title}")


@cli.command()
@INVENTORY
@COMMON
@click.option("--output-file", "-o", type=click.Path(path_type=Path), metavar="FILE", help="Write the report there instead of to stdout.")
@click.option("--junit", is_flag=True, help="Write JUnit XML.")
@click.option("--only", multiple=True, metavar="CHECK", help="Only this check (may be given again).")
def verify(inventory: Path, output_file: Path | None, junit: bool, only: tuple[str, ...], output: str, **options: Any) -> None:
    """Prove that the cluster works.

    No host differs from the inventory, every component is healthy, and a smoke suite passes in a namespace of its own,
    which is removed afterwards. Safe on a cluster in use.
    """
    from .. import actions
    from ..checks import output as shown

    if output_file and not output_file.absolute().parent.is_dir():
        raise click.UsageError(f"there is no folder {output_file.absolute().parent}")
    watching = output == "text" and not junit and not output_file
    with open_session(inventory, output="text", read_only=True, proving=True, logged="verify", **options) as session:
        session.report.stream = sys.stdout if watching else sys.stderr
        results = actions.verify(session, only)
    text = shown.to_junit(results) if junit else shown.to_json(results) if output == "json" else shown.to_text(results)
    # Whoever watched has seen every check go by: what failed is worth saying again, with the remedy.
    output_file.write_text(text) if output_file else click.echo(shown.to_verdict(results) if watching else text, nl=False)
    if any(outcome.status == "failed" for _, outcome in results):
        say_where_the_log_is(session.log.path)
        sys.exit(DriftError("").exit_code)


@cli.command()
@INVENTORY
@STATE
@click.option("-o", "output_file", type=click.Path(path_type=Path), metavar="FILE", help="Write to a new file (0600).")
@click.option(
    "--merge",
    is_flag=False,
    flag_value="",
    metavar="[FILE]",
    help="Merge into a kubeconfig without touching its other entries.  [default: the one of KUBECONFIG, or ~/.kube/config]",
)
def kubeconfig(inventory: Path, state_dir: Path | None, output_file: Path | None, merge: str | None) -> None:
    """Print, write or merge the administrator's kubeconfig.

    It points at the one API address of the inventory. Keep it as safe as a root password.
    """
    from .. import actions
    from ..pki.kubeconfig import users_own

    if output_file and merge is not None:
        raise click.UsageError("-o writes a new file and --merge changes one: leave one of them out")
    into = None if merge is None else Path(merge).expanduser() if merge else users_own()
    cluster, folder = load(inventory, state_dir)
    click.echo(actions.kubeconfig(cluster, folder, output_file, into), nl=False)


@cli.command()
@INVENTORY
@STATE
def env(inventory: Path, state_dir: Path | None) -> None:
    """Print shell lines to use the cluster from here.

    eval "$(hardway env INV)" sets KUBECONFIG and makes kubectl the one that fits the cluster.
    """
    from .. import actions

    cluster, folder = load(inventory, state_dir)
    click.echo(actions.environment(cluster, folder))


@cli.command()
@INVENTORY
@COMMON
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--limit", multiple=True, metavar="HOST", help="Only this host (may be given again).")
@click.option("--remove-pki", is_flag=True, help="Delete the state directory's keys and certificates too (they are kept otherwise).")
def reset(inventory: Path, yes: bool, limit: tuple[str, ...], remove_pki: bool, **options: Any) -> None:
    """Take away what bootstrap put on the hosts.

    Units, files, network state, users and data, etcd's included: the cluster is gone afterwards. What was there before
    stays. A second run finds nothing to do.
    """
    from .. import actions
    from ..session import Selection

    if remove_pki and limit:
        raise click.UsageError("--remove-pki takes the keys of the whole cluster, so it does not go with --limit")
    with open_session(inventory, logged="reset", **options) as session:
        hosts = Selection(limit=limit).hosts(session.cluster)
        names = ", ".join(host.name for host in session.cluster.hosts if host.name in hosts)
        if not yes:
            click.confirm(f"Delete cluster {session.cluster.name} and all its data from {names}?", abort=True)
        actions.reset(session, hosts, keep_pki=not remove_pki)


for command in (assets, lab, trust, *BOOTSTRAP_COMMANDS, *DOCTOR_COMMANDS, *GUIDE_COMMANDS, *OPERATE_COMMANDS):
    cli.add_command(command)

if __name__ == "__main__":
    main()
