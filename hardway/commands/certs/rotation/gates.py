"""What must be true before a rotation takes its next step; each is asked of what lives, and waited for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ....checks.scene import on_hosts
from ....cluster import Host
from ....errors import DriftError, NotReadyError
from ....living import Lives
from ....living.departed import departed
from ....living.extensions import EXTENSIONS, FIELDS, listed, take_out
from ....living.lives import node
from ....phases.control_plane import PKI
from ....phases.kubelet import OWN
from ....pki.certificates import issued, label
from ....pki.inspection import signed_by
from ....pki.issuing import load_certificate
from ....pki.reading import held
from ....pki.rotation import TOKENS, Rotation
from ....session import Known
from ....targets.kube import KubeApi
from ....vocabulary import Probe
from .. import proof
from . import token_keys, workloads
from .waiting import SERVER, await_, first, named, on_servers, seconds

# An API server looks at its client certificates at least once in a minute.
REREAD = 75
SHOWN, TRUSTED = (f"{PKI}/front-proxy-{name}.crt" for name in ("client", "ca"))
# Seconds for the pods of a workload to be replaced, one after the other.
REPLACED = 900.0


def require_nodes_known(known: Known, rotation: Rotation) -> None:
    """DriftError for Nodes that are of no host in the inventory: nobody brings them the new CA, and their kubelets
    would lose the API."""
    if rotation.name != "ca":
        return
    nodes = {name: node(found) for name, found in known.session.live.nodes().items()}
    if left := departed(known.session.cluster, known.facts, Lives(nodes=nodes)):
        raise DriftError(
            f"the CA cannot be replaced on {', '.join(one.name for one in left)}: not in the inventory, but a node",
            evidence="\n".join(map(str, left)),
            hint=f"put it back into the inventory, or remove it: {left[0].removal}; then: {rotation.command}",
        )


def before_signing(known: Known, rotation: Rotation, choice: str) -> None:
    """Everybody trusts the new one, before it signs anything. `choice` is what becomes of pods that may not: restart,
    leave, or empty where nobody has decided."""
    api = known.session.live.kube()
    if rotation.name in FIELDS:
        await_(known, rotation.name, lambda: _untold(api, rotation))
    require_nodes_known(known, rotation)
    if rotation.name == "ca":
        has = load_certificate(rotation.newer, rotation.name)
        lacking = lambda: workloads.lacking(api, has, None)  # noqa: E731
        await_(known, rotation.name, lambda: named("the new CA in kube-root-ca.crt of namespace", lacking()))
        _replace_pods(known, rotation, choice)
    if rotation.name == TOKENS:
        token_keys.await_known(known, rotation)


def before_dropping(known: Known, rotation: Rotation) -> None:
    """Nobody uses anything that the old one has signed, before it is trusted no more."""
    if rotation.name == TOKENS:
        token_keys.await_expired(known, rotation)
        return
    proof.shown(known, [label(row, host) for row, host in issued(known.session.cluster) if row.ca == rotation.name])
    if rotation.name == "ca":
        workers = known.session.cluster.workers
        await_(known, rotation.name, lambda: first(on_hosts(lambda host: _foreign(known, host), workers)))
    if rotation.name == "front-proxy-ca":
        await_(known, rotation.name, lambda: on_servers(known, lambda host: _fresh(known, host, SHOWN)))


def before_the_end(known: Known, rotation: Rotation) -> None:
    """The old one is in no list that is given to others, before the proof."""
    api = known.session.live.kube()
    if rotation.name == "front-proxy-ca":
        await_(known, rotation.name, lambda: on_servers(known, lambda host: _fresh(known, host, TRUSTED)))
    if rotation.name in FIELDS:
        known.session.permission.require()
        await_(known, rotation.name, lambda: _taken_out(api, rotation))
    if rotation.name == "ca":
        gone = load_certificate(rotation.older or b"", rotation.name)
        still = lambda: workloads.lacking(api, None, gone)  # noqa: E731
        await_(known, rotation.name, lambda: named("kube-root-ca.crt without the old CA in namespace", still()))


def _untold(api: KubeApi, rotation: Rotation) -> str:
    """Whether aggregated API servers have been told of the new CA."""
    there = listed(api, rotation.name)
    return "" if load_certificate(rotation.newer, rotation.name) in there else f"{EXTENSIONS} has the new CA"


def _taken_out(api: KubeApi, rotation: Rotation) -> str:
    found = take_out(api, rotation)
    return "the old CA to leave the ConfigMap extension-apiserver-authentication" if found else ""


def _replace_pods(known: Known, rotation: Rotation, choice: str) -> None:
    """Have the pods replaced that may not trust the new CA, as far as that was asked for."""
    api = known.session.live.kube()
    found = workloads.behind(api)
    if not choice and (strange := [owner for owner in found if not owner.ours]):
        raise _undecided(found, strange)
    for owner in found:
        if owner.path and (owner.ours or choice == "restart") and not workloads.restarting(api, owner):
            known.session.report.note(
                f"{rotation.name}: restarting the pods of {owner}, which may not trust the new CA"
            )
            known.session.permission.require()
            workloads.restart(api, owner)
    await_(known, rotation.name, lambda: named("new pods of", _waited(api, choice)), REPLACED)
    if choice == "restart" and (left := [owner for owner in workloads.behind(api) if not owner.path]):
        raise _undecided(found, left)


def _waited(api: KubeApi, choice: str) -> list[workloads.Owner]:
    return [owner for owner in workloads.behind(api) if owner.path and (owner.ours or choice == "restart")]


def _undecided(found: Mapping[workloads.Owner, int], some: Sequence[workloads.Owner]) -> NotReadyError:
    return NotReadyError(
        "pods run that may not trust the new CA: once it signs, they could not reach the API",
        evidence="\n".join(f"{owner}: {found.get(owner, 1)}" for owner in some),
        waited_for="pods that were started after the new CA was trusted",
        hint=(
            "add --workloads restart to replace them one after the other, and delete those that nothing replaces; or,"
            " if none of them uses the API or all read its CA again, add --workloads leave"
        ),
    )


def _foreign(known: Known, host: Host) -> str:
    """Why the certificate that a kubelet has had signed for itself is not by the CA that signs now."""
    probe = Probe("certificates", (OWN,))
    own = held(known.session.live.remotes[host.name].probe((probe,))[probe]).first
    if own is None:
        return "its kubelet has no certificate of its own yet"
    issuer = load_certificate(known.session.credentials.issuer("ca"), "ca")
    return "" if signed_by(own, issuer) else "its kubelet uses a certificate of the old CA"


def _fresh(known: Known, host: Host, path: str) -> str:
    """Whether an API server has certainly read a file since it changed, of those that it reads again by itself."""
    changed, lived = Probe("changed", (path,)), Probe("lived", (SERVER,))
    age, life = seconds(known, host, changed, lived)
    return "" if life < age or age > REREAD else f"kube-apiserver to read {path} again"
