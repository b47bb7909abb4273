"""`hardway node …`: the machines of a living cluster, one by one."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..progress.saying import say
from .help import Group
from .options import COMMON, DRAIN, IGNORE, INVENTORY, drain_options, open_session, typed
from .questions import confirm

if TYPE_CHECKING:
    from ..commands.node.plan import Plan
    from ..plans import Plan as Changes

HOSTS = click.argument("hosts", nargs=-1, required=True, metavar="HOST...")
PLAN = click.option("--plan", "planned", is_flag=True, help="Change nothing; show each step, and why.")


@click.group(cls=Group)
def node() -> None:
    """List, drain, add, remove and replace hosts.

    All of these work on a cluster that lives, and continue where they were interrupted when you run them again.
    """


@node.command("list")
@INVENTORY
@COMMON
def list_(inventory: Path, output: str, **options: Any) -> None:
    """Show hosts beside the nodes and etcd members that live.

    It asks the API and etcd, changes nothing, and names nodes and members that are in no inventory and hosts that have
    no node. docs/operating.md explains the JSON.
    """
    from ..commands.node import listing, screen

    with open_session(inventory, output="text", read_only=True, stream=sys.stderr, **options) as session:
        found = listing.listing(session)
    say(screen.as_json(found)) if output == "json" else screen.show(found, sys.stdout)


@node.command()
@INVENTORY
@HOSTS
@DRAIN
@PLAN
@COMMON
def drain(inventory: Path, hosts: tuple[str, ...], planned: bool, **options: Any) -> None:
    """Move all pods away from nodes, within their budgets.

    It cordons the nodes and evicts their pods. Pods of a DaemonSet and static pods stay. hardway retries while a
    PodDisruptionBudget does not allow an eviction; it never deletes a pod instead. The nodes stay cordoned until
    `uncordon`.
    """
    from ..commands.node import draining

    chosen, again = drain_options(options), typed()
    if planned:
        with _looking(inventory, options) as session:
            found = draining.plan(session, hosts, chosen, again)
        _show(found, options["output"], inventory)
        return
    with open_session(inventory, logged="node-drain", **options) as session:
        draining.drain(session, hosts, chosen, again)


@node.command()
@INVENTORY
@HOSTS
@COMMON
def uncordon(inventory: Path, hosts: tuple[str, ...], **options: Any) -> None:
    """Let pods come to nodes again."""
    from ..commands.node import draining

    with open_session(inventory, logged="node-uncordon", **options) as session:
        draining.uncordon_all(session, hosts)


@node.command()
@INVENTORY
@HOSTS
@IGNORE
@PLAN
@COMMON
def add(inventory: Path, hosts: tuple[str, ...], ignore: tuple[str, ...], planned: bool, **options: Any) -> None:
    """Build hosts of the inventory into the cluster.

    Write them into the inventory first. hardway does for them what `bootstrap` does, and on the other hosts only what
    changes there: names, routes to their pods, and the load balancers and etcd if their roles need it. New etcd members
    join one after the other, each as a learner first.
    """
    from ..commands.node import adding

    joining = adding.Joining(hosts, ignore, again=typed("--plan"))
    if planned:
        with _looking(inventory, options) as session:
            found = adding.plan(session, joining)
        _show_changes(found, options)
        return
    with open_session(inventory, logged="node-add", **options) as session:
        adding.add(session, joining)


@node.command()
@INVENTORY
@HOSTS
@click.option("--gone", is_flag=True, help="The machines will never answer again: remove what is left of them.")
@DRAIN
@PLAN
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@COMMON
def remove(inventory: Path, hosts: tuple[str, ...], gone: bool, planned: bool, yes: bool, **options: Any) -> None:
    """Take hosts out of the cluster, in order.

    It drains them, takes them out of load balancers and etcd, deletes their nodes and resets the machines. It works
    while the inventory still names them, and after you have deleted their lines. At the end it says which lines to
    delete.
    """
    from ..commands.node import removing

    leaving = removing.Leaving(hosts, gone, drain_options(options), again=typed("--yes", "--plan"))
    if planned:
        with _looking(inventory, options) as session:
            found = removing.plan(session, leaving)
        _show(found, options["output"], inventory)
        return
    with open_session(inventory, logged="node-remove", **options) as session:
        confirm(f"Remove {', '.join(hosts)} from cluster {session.cluster.name}?", yes)
        removing.remove(session, leaving)


@node.command()
@INVENTORY
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.option("--gone", is_flag=True, help="OLD will never answer again: remove what is left of it first.")
@DRAIN
@IGNORE
@PLAN
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@COMMON
def replace(
    inventory: Path,
    old: str,
    new: str,
    gone: bool,
    ignore: tuple[str, ...],
    planned: bool,
    yes: bool,
    **options: Any,
) -> None:
    """Put a new host in the place of an old one.

    Write NEW into the inventory, in the place of OLD or beside it. NEW joins as with `add`, then OLD leaves as with
    `remove`.
    """
    from ..commands.node.replacing import Replacing, plan
    from ..commands.node.replacing import replace as swap

    asked = Replacing.of(old, new, gone, drain_options(options), ignore, typed("--yes", "--plan"))
    if planned:
        with _looking(inventory, options) as session:
            joining, leaving = plan(session, asked)
        _show_changes(joining, options, leaving, inventory)
        return
    with open_session(inventory, logged="node-replace", **options) as session:
        confirm(f"Replace {old} by {new} in cluster {session.cluster.name}?", yes)
        swap(session, asked)


def _show_changes(
    found: Sequence[Changes], given: dict[str, Any], leaving: Plan | None = None, inventory: Path | None = None
) -> None:
    """What joins, then what leaves."""
    from ..commands.node.plan import as_json, as_text, changes
    from ..plans import as_text as told

    if given["output"] == "json":
        parts = {"schema": 1, "add": [changes(one) for one in found]}
        parts |= {"remove": json.loads(as_json(leaving))} if leaving else {}
        say(json.dumps(parts, indent=2))
        return
    for one in found:
        say(told(one, given["verbose"]))
    if leaving:
        say(as_text(leaving, str(inventory)))


def _looking(inventory: Path, given: dict[str, Any]):
    """A session that cannot write; what it says on the way does not mix with the plan."""
    return open_session(inventory, read_only=True, stream=sys.stderr, **{**given, "output": "text"})


def _show(plan: Plan, output: str, inventory: Path) -> None:
    from ..commands.node.plan import as_json, as_text

    say(as_json(plan) if output == "json" else as_text(plan, str(inventory)))
