"""What must not work: secrets readable in etcd, anonymous callers, a kubelet that reads what is none of its
business."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable

from ..cluster import Host
from ..living.encryption import FLAG, ours
from ..pki.encryption import IDENTITY
from ..pki.secret import Secret
from ..ports import KUBELET
from ..progress.closing import plural
from . import manifests, peer
from .check import Check
from .control_plane import identity
from .etcd_cluster import open_any
from .interview import heard, pods_of
from .outcome import Outcome, failed, judged, passed, skipped
from .scene import Scene, on_hosts

AUDIT_LOG = "/var/log/kubernetes/audit/audit.log"
REFUSED = (401, 403)


def traces(secret: Secret) -> tuple[bytes, ...]:
    """How a secret's value would look where it is not encrypted."""
    value = secret.reveal()
    return value, base64.b64encode(value)


def storage_findings(writer: str, raw: bytes | None, secret: Secret) -> list[str]:
    """Why bytes out of etcd are not a Secret as this provider writes it."""
    if raw is None:
        return ["the Secret is not in etcd under this key: is another --etcd-prefix in use?"]
    if writer == IDENTITY:
        encrypted = raw.startswith(b"k8s:enc:")
        return [f"the value starts with {raw[:24]!r}, but encryption.provider is none"] if encrypted else []
    # secretbox and aescbc write their own name; the key's is that of the first key in the configuration.
    kind, _, name = writer.partition(":")
    wanted = f"k8s:enc:{kind}:v1:{name}:".encode()
    found = [] if raw.startswith(wanted) else [f"the value starts with {raw[:24]!r} instead of {wanted.decode()}"]
    return found + (["the value is readable in etcd"] if any(trace in raw for trace in traces(secret)) else [])


def encrypted(scene: Scene) -> Outcome:
    writer = scene.inputs.credentials.encryption_writer()
    if not ours(scene.cluster):
        return skipped(f"a flag in the inventory names another configuration (--{FLAG})")
    smoke = pods_of(scene)
    with open_any(scene) as client:
        raw = client.get(f"{scene.cluster.etcd_prefix}/secrets/{smoke.namespace}/{manifests.SECRET}")
    found = storage_findings(writer, raw, smoke.secret)
    if writer == IDENTITY and not found:
        return skipped("the inventory disables encryption (encryption.provider: none)")
    return judged(found, f"etcd holds k8s:enc:{writer.replace(':', ':v1:')}, and the value is not readable")


def audit_findings(lines: Iterable[str], namespace: str, secret: Secret) -> list[str]:
    """Why audit lines do not tell of a Secret's creation, or tell too much."""
    found, created = [], False
    for line in lines:
        if any(trace.decode() in line for trace in traces(secret)):
            found.append("the Secret's value is in the audit log")
        try:
            event = json.loads(line)
        except ValueError:
            continue
        about = event.get("objectRef", {})
        created |= (
            event.get("verb") == "create" and about.get("resource") == "secrets" and about.get("namespace") == namespace
        )
    return found[:1] + ([] if created else ["the audit log does not record the Secret's creation"])


def audited(scene: Scene) -> Outcome:
    policy = scene.cluster.audit.policy
    if policy == "none":
        return skipped("the inventory disables auditing (audit.policy: none)")
    if policy not in ("minimal", "full"):
        return skipped(f"{policy} decides what is logged")
    smoke = pods_of(scene)
    namespace, lines, seen = smoke.namespace, [], []

    def look(host: Host) -> str:
        result = scene.live.transports[host.name].run(
            f"grep -hF {namespace} {AUDIT_LOG} | grep -F secrets | tail -n 200"
        )
        lines.extend(result.text.splitlines())
        seen.append(host.name)
        return ""

    unreached = on_hosts(look, scene.cluster.control_plane)
    found = audit_findings(lines, namespace, smoke.secret)
    return judged(
        found + (unreached if found else []),
        f"the Secret's creation is logged, its value is not (read on {plural(len(seen), 'host')})",
    )


def kubelet_anonymous(scene: Scene) -> Outcome:
    ca = scene.inputs.credentials.ca()

    def look(host: Host) -> str:
        dial = lambda: scene.live.transports[host.name].dial(KUBELET, str(host.address))  # noqa: E731
        code, body = peer.status(dial, "/pods", peer.context(ca))
        return "" if code == 401 else f"an anonymous caller gets {code} {heard(body)} instead of 401"

    return judged(on_hosts(look, scene.cluster.workers), f"401 on {plural(len(scene.cluster.workers), 'worker')}")


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
        return "" if other == 403 else f"its kubelet gets {other} for a Secret that none of its pods uses"

    return judged(
        on_hosts(look, scene.cluster.workers),
        f"on {plural(len(scene.cluster.workers), 'worker')}: the kubelet reads its own Node, and gets 403 for a Secret"
        " that it does not need",
    )


def anonymous(scene: Scene) -> Outcome:
    smoke, ca = pods_of(scene), scene.inputs.credentials.ca()

    def look(host: Host) -> str:
        dial = lambda: scene.live.transports[host.name].dial(scene.cluster.apiserver_port(host))  # noqa: E731
        asked = {
            path: peer.status(dial, path, peer.context(ca))[0]
            for path in (f"{smoke.path}/secrets/{manifests.SECRET}", "/version")
        }
        return "; ".join(
            f"an anonymous caller gets {code} for {path}" for path, code in asked.items() if code not in REFUSED
        )

    found = on_hosts(look, scene.cluster.control_plane)
    return failed(*found) if found else passed(f"refused by {len(scene.cluster.control_plane)} API servers")


CHECKS_OUTSIDE = (
    Check(
        "kubelet-anonymous",
        "Kubelets refuse anonymous callers",
        "A kubelet that accepts anonymous callers runs commands for anyone.",
        "compare authentication in /var/lib/kubelet/config.yaml; systemctl restart kubelet",
        kubelet_anonymous,
    ),
)

CHECKS = (
    Check(
        "secrets-encrypted",
        "Secrets are encrypted in etcd",
        "A stolen disk or snapshot must not reveal every password.",
        "compare --encryption-provider-config in kube-apiserver.service; hardway bootstrap INV",
        encrypted,
        True,
    ),
    Check(
        "audit-log",
        "The audit log records who did what, without secrets",
        "After an incident it is the only record.",
        f"on the control-plane hosts: tail {AUDIT_LOG}; compare /etc/kubernetes/audit-policy.yaml",
        audited,
        True,
    ),
    Check(
        "node-authorizer",
        "A kubelet can read only what its pods need",
        "One compromised worker must not expose every Secret.",
        "compare --authorization-mode=Node,RBAC in kube-apiserver.service",
        node_authorizer,
        True,
    ),
    Check(
        "anonymous-api",
        "Anonymous callers can read only the API's health",
        "Load balancers check health without credentials; nothing else needs to.",
        "compare /etc/kubernetes/authentication.yaml; kubectl get clusterrolebindings -o wide | grep"
        " system:unauthenticated",
        anonymous,
        True,
    ),
)
