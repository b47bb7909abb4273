"""The command line: which commands there are, by what a person wants. No logic lives here."""

from __future__ import annotations

from typing import Any

import click

from .. import __version__
from ..progress.saying import prepare
from .access import env, kubeconfig
from .assets import assets
from .bootstrap import bootstrap, plan
from .bundle import support_bundle
from .certs import certs
from .doctor import doctor
from .drill import drill
from .encryption import encryption
from .endings import ReaderGone, conclude
from .etcd import etcd
from .explain import explain, phases, render, runbook
from .help import Group
from .inventory import init, schema, validate
from .kubectl import kubectl
from .lab import lab
from .logs import logs
from .node import node
from .preflight import preflight
from .reset import reset
from .status import status
from .trust import trust
from .upgrade import upgrade
from .verify import verify
from .whole import backup, restore

HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 110}
SECTIONS = {
    "Prepare": (init, validate, schema, trust, assets),
    "Build, change and repair": (
        preflight,
        plan,
        bootstrap,
        upgrade,
        node,
        etcd,
        certs,
        encryption,
        backup,
        restore,
        reset,
    ),
    "Inspect": (status, verify, doctor, logs, support_bundle),
    "Use": (kubeconfig, env, kubectl),
    "Learn and teach": (phases, explain, render, runbook, drill),
    "Practice machines": (lab,),
}


class Program(Group):
    """The whole command line. click ends with 1 when a reader goes away, and 1 is what a bug of ours ends with."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ReaderGone from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands in sections, with what each does in one line."""
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                width = formatter.width - 6 - max(len(str(command.name)) for command in commands)
                formatter.write_dl([(str(command.name), command.get_short_help_str(width)) for command in commands])


@click.group(cls=Program, context_settings=HELP)
@click.version_option(__version__, prog_name="hardway")
def cli() -> None:
    """Build a highly available Kubernetes cluster the hard way: plain binaries, systemd units and certificates over
    SSH.

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
      3 wrong inventory       8 PKI, assets or a snapshot
      4 no connection         9 would lose etcd's quorum
      10 another run is at work on this cluster
    """


for section in SECTIONS.values():
    for command in section:
        cli.add_command(command)


def main() -> None:
    """Run the command line."""
    prepare()
    conclude(lambda given: cli.main(standalone_mode=False, obj=given))


if __name__ == "__main__":
    main()
