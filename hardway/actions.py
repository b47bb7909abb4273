"""What the commands do: each is the same model, read, applied or taken away."""

from __future__ import annotations

import contextlib
import platform
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .assets import AssetStore
from .cluster import Cluster, Host
from .errors import HardwayError, HostErrors, PkiError, PreflightError, QuorumError, UsageError
from .facts import ARCHITECTURES, authority
from .parallel import each
from .phase import Inputs, Phase
from .phases import PHASES
from .phases.preflight import judge
from .pki import kubeconfig as documents
from .pki.credentials import Credentials
from .plans import Agreement, Plan, Saved, foresee
from .progress.events import HostReset
from .report import plural
from .resources.base import Change, Resource
from .run.comparing import read
from .run.runner import Done, Runner, plan
from .session import Placeholders, Selection, Session
from .state.statedir import Overlay, StateDir, write_synced
from .vocabulary import Op, Remote

if TYPE_CHECKING:
    from .checks import Check, Outcome
    from .commands.bootstrap.stepping import Conversation

LAB = "lab/"  # the lab's own key and host keys are not the cluster's


def look(session: Session, selection: Selection) -> Plan:
    """The plan: what a bootstrap would change, and what preflight finds. Nothing is written anywhere."""
    session.survey(selection.hosts(session.cluster))
    session.gather()
    return _foreseen(session, selection.phases(), selection)


def _foreseen(session: Session, phases: Sequence[Phase], selection: Selection, issues: Sequence[str] = ()) -> Plan:
    looking = session.looking()
    return foresee(looking.inputs, looking.readers(), phases, selection.hosts(session.cluster), issues, session.parallel)


def bootstrap(session: Session, selection: Selection, saved: Saved | None = None, conversation: Conversation | None = None) -> list[Done]:
    """Bring the selected phases about: exactly what a saved plan says when there is one, phase by phase when there is a conversation."""
    phases, hosts = selection.phases(), selection.hosts(session.cluster)
    session.report.run_started("bootstrap", session.cluster, phases, str(selection))
    # A conversation wants the terminal for itself.
    with contextlib.nullcontext() if conversation else session.report.watched(), session.locked():
        session.survey(hosts)
        answering = len(session.cluster.hosts) - len(session.away)
        session.report.note(f"{plural(answering, 'host')} answer{'s' if answering == 1 else ''}")
        for warning in judge(session.inputs):
            session.report.note(str(warning))
        session.gather()
        agreement = _agreed(session, selection, saved) if saved else None
        permit = {"permit": agreement.permit} if agreement else {}

        def work(some: Sequence[Phase]) -> list[Done]:
            return Runner(session.inputs, session.live, session.remotes(), some, hosts, session.report, session.parallel, **permit).run()

        issues = saved.plan.issues if saved else ()
        done = conversation.lead(phases, lambda one: _foreseen(session, [one], selection, issues), work) if conversation else work(phases)
        if agreement and (left := agreement.left()):
            session.report.note(f"{len(left)} of {len(saved.plan.changes)} planned changes were not needed or left out")
    session.report.summary()
    return done


def _agreed(session: Session, selection: Selection, saved: Saved) -> Agreement:
    """What a saved plan allows, once it is confirmed that nothing has moved; that its run has begun is noted before the first write."""
    mark = f"plans/{saved.name}"
    begun = session.store.read(mark) is not None
    again = f"hardway plan {session.cluster.source or 'INV'} --save FILE"
    agreement = Agreement(saved.plan, session.store, begun, again)
    agreement.confirm(_foreseen(session, selection.phases(), selection, saved.plan.issues))
    if not begun:
        session.store.create(mark, b"begun\n")
    return agreement


def reset(session: Session, hosts: frozenset[str], keep_pki: bool) -> int:
    """Take away from every host what the phases put there, last first; the number of things removed."""
    removed: list[int] = []
    session.report.run_started("reset", session.cluster)
    with session.locked():
        _survey_to_reset(session, hosts)
        _refuse_others(session, hosts)
        _keep_quorum(session, hosts)
        session.assets, session.credentials.store = Placeholders(), Overlay(session.store)

        def clear(host: Host) -> None:
            remote = session.live.remotes[host.name]
            count = sum(
                take_away(remote, phase, session.inputs, host) for phase in reversed(PHASES) if host in phase.targets(session.cluster)
            )
            removed.append(count)
            session.report.emit(HostReset(host.name, count))

        each(clear, [host for host in session.cluster.hosts if host.name in hosts], session.parallel)
        if not keep_pki:
            session.store.remove(keep=LAB)
    return sum(removed)


def _survey_to_reset(session: Session, hosts: frozenset[str]) -> None:
    """A host that is lost for good must not keep the others: the error says how to go on without it."""
    try:
        session.survey(hosts)
    except HardwayError as error:
        failed = error.errors if isinstance(error, HostErrors) else (error,)
        away = {one.host for one in failed}
        if rest := [host.name for host in session.cluster.hosts if host.name in hosts - away]:
            instead = f"without {', '.join(sorted(away))}: hardway reset INV {' '.join(f'--limit {name}' for name in rest)}"
            failed[-1].hint = "; ".join(filter(None, [failed[-1].hint, instead]))
        raise


def _refuse_others(session: Session, hosts: frozenset[str]) -> None:
    """Only hosts of this cluster are reset: a name may be taken twice, so where we have the keys the authority counts too."""
    facts = {name: found for name, found in session.facts.items() if name in hosts and found.cluster}
    if foreign := [name for name, found in facts.items() if found.cluster != session.cluster.name]:
        raise PreflightError(
            f"{', '.join(foreign)} belongs to cluster {facts[foreign[0]].cluster}, not to {session.cluster.name}",
            hint="reset it with that cluster's inventory",
        )
    ours = session.store.read("pki/ca.crt")
    if ours and (others := [name for name, found in facts.items() if found.authority not in ("", authority(ours))]):
        raise PreflightError(
            f"{', '.join(others)} belongs to another cluster of the name {session.cluster.name}: "
            f"its authority is not the one in {session.store.where()}",
            hint="name the state directory it was built with; to give that cluster up: hardway reset INV --state-dir EMPTY",
        )


def _keep_quorum(session: Session, hosts: frozenset[str]) -> None:
    """A reset of some hosts must not take the quorum from an etcd that has it, as long as a host stays that could miss it."""
    members = session.cluster.etcd_members
    staying = {member.name for member in members} - hosts
    living = {host.name for host in session.cluster.hosts} - hosts - session.away.keys()
    if not staying or not living or len(staying) == len(members):
        return
    healthy = {member.name for member in members if not session.live.etcd_health(member)}
    quorum = len(members) // 2 + 1
    if len(healthy) >= quorum > len(healthy & staying):
        raise QuorumError(
            f"this would leave {len(healthy & staying)} of {len(members)} etcd members, and {quorum} are a quorum",
            hint="reset one etcd host at a time, and replace it before the next; or reset the whole cluster",
        )


def take_away(remote: Remote, phase: Phase, inputs: Inputs, host: Host) -> int:
    """Remove from a host what a phase put there; the number of ops."""
    resources: Sequence[Resource] = list(reversed(phase.desired(inputs, host)))
    answers = read(remote, resources)
    ops = [op for resource in resources for op in resource.removal(answers)]
    if any(op.verb == "drop" and op.args[0].startswith("/etc/systemd/system/") for op in ops):
        ops.append(Op("reload"))
    if ops:
        remote.change(ops)
    return len(ops)


def _with_kubeconfig(cluster: Cluster, state_dir: Path) -> StateDir:
    store = StateDir(state_dir)
    if store.read("admin.conf") is None:
        raise PkiError(f"{state_dir} holds no kubeconfig of cluster {cluster.name}", hint=f"hardway bootstrap {cluster.source} makes it")
    return store


def kubeconfig(cluster: Cluster, state_dir: Path, output: Path | None, merge_into: Path | None) -> str:
    """The administrator's kubeconfig: as text, in a new private file, or merged into another. Returns what to print."""
    store = _with_kubeconfig(cluster, state_dir)
    document = Credentials(cluster, Overlay(store)).kubeconfig("admin")
    if merge_into:
        return _merged(merge_into, documents.merge(merge_into, document), cluster)
    if output:
        try:
            write_synced(output, document.reveal(), 0o600)
        except OSError as error:
            raise UsageError(f"cannot write {output}: {error.strerror}", hint="name a new file in a folder that exists") from error
        return f"written to {output}\n"
    return document.reveal().decode()


def _merged(path: Path, done: documents.Merge, cluster: Cluster) -> str:
    if not (done.added or done.replaced or done.backup):
        return f"{path} holds it already\n"
    kept = f"; as it was before: {done.backup}" if done.backup else ""
    return f"merged into {path}, where context {cluster.name} is the current one now{kept}\n"


def environment(cluster: Cluster, state_dir: Path) -> str:
    """Shell lines that put this cluster's kubeconfig and its own kubectl at hand; the comments are for people."""
    _with_kubeconfig(cluster, state_dir)
    kubectl = AssetStore(cluster).binary("kubectl", ARCHITECTURES.get(platform.machine(), "amd64")).path
    inventory = cluster.source or "INV"
    lines = [f"export KUBECONFIG={shlex.quote(str((state_dir / 'admin.conf').resolve()))}", f"alias kubectl={shlex.quote(str(kubectl))}",
             f'# use it:       eval "$(hardway env {inventory})"; kubectl get nodes']  # fmt: skip
    return "\n".join(
        [
            *lines,
            *([f"# take it down: hardway lab down {inventory} (keeps the disks) or hardway lab wipe {inventory}"] if cluster.lab else []),
        ]
    )


def verify(session: Session, only: Sequence[str]) -> list[tuple[Check, Outcome]]:
    """No drift, health and smoke checks; reads everywhere, writes in one namespace of its own."""
    from . import checks

    session.report.run_started("verify", session.cluster)
    session.survey(wanted=frozenset())
    session.gather()
    there = Selection().hosts(session.cluster) - session.away.keys()
    drift = plan(session.inputs, session.readers(), PHASES, there, session.parallel)
    drift += [Done("preflight", name, (Change(f"host {name}", (error.message,), ()),), 0.0) for name, error in session.away.items()]
    return checks.verify(session.live, session.inputs, drift, frozenset(only), session.report)
