"""What must not work: secrets readable in etcd, anonymous callers, a kubelet that reads what is none of its business."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable

from ..cluster import Host
from ..pki.secret import Secret
from . import manifests, peer
from .control_plane import identity
from .etcd_cluster import open_any
from .interview import heard, pods_of
from .outcome import Check, Outcome, failed, judged, passed, skipped
from .scene import Scene, on_hosts

AUDIT_LOG = "/var/log/kubernetes/audit/audit.log"
REFUSED = (401, 403)


def traces(secret: Secret) -> tuple[bytes, ...]:
    """How a secret's value would look where it is not encrypted."""
    value = secret.reveal()
    return value, base64.b64encode(value)


def storage_findings(provider: str, raw: bytes | None, secret: Secret) -> list[str]:
    """Why bytes out of etcd are not an encrypted Secret."""
    if raw is None:
        return ["etcd has no such key: is another --etcd-prefix in use?"]
    # secretbox and aescbc write their own name; the key's is that of the first key in the configuration.
    wanted = f"k8s:enc:{provider}:v1:key1:".encode()
    found = [] if raw.startswith(wanted) else [f"the value begins with {raw[:24]!r} instead of {wanted.decode()}"]
    return found + (["the value can be read in etcd"] if any(trace in raw for trace in traces(secret)) else [])


def encrypted(scene: Scene) -> Outcome:
    provider = scene.cluster.encryption.provider
    if provider == "none":
        return skipped("the inventory turns encryption off (encryption.provider: none)")
    smoke = pods_of(scene)
    arguments = {**scene.cluster.extra_args.get("kube-apiserver", {}), **scene.cluster.override_args.get("kube-apiserver", {})}
    prefix = arguments.get("etcd-prefix", "/registry").strip("/")
    with open_any(scene) as client:
        raw = client.get(f"/{prefix}/secrets/{smoke.namespace}/{manifests.SECRET}")
    found = storage_findings(provider, raw, smoke.secret)
    return judged(found, f"etcd holds k8s:enc:{provider}:v1:key1 and nothing of the value")


def audit_findings(lines: Iterable[str], namespace: str, secret: Secret) -> list[str]:
    """Why audit lines do not tell of a Secret's creation, or tell too much."""
    found, created = [], False
    for line in lines:
        if any(trace.decode() in line for trace in traces(secret)):
            found.append("the secret's value stands in the audit log")
        try:
            event = json.loads(line)
        except ValueError:
            continue
        about = event.get("objectRef", {})
        created |= event.get("verb") == "create" and about.get("resource") == "secrets" and about.get("namespace") == namespace
    return found[:1] + ([] if created else ["no line tells of the Secret's creation"])


def audited(scene: Scene) -> Outcome:
    policy = scene.cluster.audit.policy
    if policy == "none":
        return skipped("the inventory turns auditing off (audit.policy: none)")
    if policy not in ("minimal", "full"):
        return skipped(f"what is logged is decided by {policy}")
    smoke = pods_of(scene)
    namespace, lines, seen = smoke.namespace, [], []

    def look(host: Host) -> str:
        result = scene.live.transports[host.name].run(f"grep -hF {namespace} {AUDIT_LOG} | grep -F secrets | tail -n 200")
        lines.extend(result.text.splitlines())
        seen.append(host.name)
        return ""

    unreached = on_hosts(look, scene.cluster.control_plane)
    found = audit_findings(lines, namespace, smoke.secret)
    return judged(found + (unreached if found else []), f"the Secret's creation is logged, its value is not (read on {len(seen)} hosts)")


def kubelet_anonymous(scene: Scene) -> Outcome:
    ca = scene.inputs.credentials.ca()

    def look(host: Host) -> str:
        dial = lambda: scene.live.transports[host.name].dial(10250, str(host.address))  # noqa: E731
        code, body = peer.status(dial, "/pods", peer.context(ca))
        return "" if code == 401 else f"an anonymous caller gets {code} {heard(body)} instead of 401"

    return judged(on_hosts(look, scene.cluster.workers), f"401 on {len(scene.cluster.workers)} workers")


def node_authorizer(scene: Scene) -> Outcome:
    """A kubelet's identity may read its own Node, and no Secret that none of its pods uses."""
    smoke = pods_of(scene)

    def look(host: Host) -> str:
        api = identity(scene, "kubelet", host, host)
        try:
            own, _ = api.request("GET", f"/api/v1/nodes/{host.name}")
            other, body = api.request("GET", f"{smoke.path}/secrets/{manifests.SECRET}")
        finally:
            api.close()
        if own != 200:
            return f"its kubelet gets {own} for its own Node"
        return "" if other == 403 else f"its kubelet gets {other} for a Secret that is none of its business"

    return judged(
        on_hosts(look, scene.cluster.workers), f"{len(scene.cluster.workers)} kubelets read their Node and get 403 for a foreign Secret"
    )


def anonymous(scene: Scene) -> Outcome:
    smoke, ca = pods_of(scene), scene.inputs.credentials.ca()

    def look(host: Host) -> str:
        dial = lambda: scene.live.transports[host.name].dial(scene.cluster.apiserver_port(host))  # noqa: E731
        asked = {path: peer.status(dial, path, peer.context(ca))[0] for path in (f"{smoke.path}/secrets/{manifests.SECRET}", "/version")}
        return "; ".join(f"an anonymous caller gets {code} for {path}" for path, code in asked.items() if code not in REFUSED)

    found = on_hosts(look, scene.cluster.control_plane)
    return failed(*found) if found else passed(f"refused by {len(scene.cluster.control_plane)} API servers")


CHECKS_OUTSIDE = (
    Check(
        "kubelet-anonymous",
        "Kubelets refuse anonymous callers",
        "A kubelet that lets anybody in runs commands for anybody.",
        "compare authentication in /var/lib/kubelet/config.yaml; systemctl restart kubelet",
        kubelet_anonymous,
    ),
)

CHECKS = (
    Check(
        "secrets-encrypted",
        "Secrets are encrypted in etcd",
        "A stolen disk or snapshot must not give away every password.",
        "compare --encryption-provider-config in kube-apiserver.service; hardway bootstrap INV --from encryption",
        encrypted,
        True,
    ),
    Check(
        "audit-log",
        "The audit log tells who did what, without secrets",
        "It is the only witness after an incident.",
        f"on the control-plane hosts: tail {AUDIT_LOG}; compare /etc/kubernetes/audit-policy.yaml",
        audited,
        True,
    ),
    Check(
        "node-authorizer",
        "A kubelet sees only what its pods need",
        "One broken-in worker must not open every Secret.",
        "compare --authorization-mode=Node,RBAC in kube-apiserver.service",
        node_authorizer,
        True,
    ),
    Check(
        "anonymous-api",
        "The API tells anonymous callers of its health only",
        "Load balancers ask without a name; nobody else needs to.",
        "compare /etc/kubernetes/authentication.yaml; kubectl get clusterrolebindings -o wide | grep system:unauthenticated",
        anonymous,
        True,
    ),
)
