"""What the API keeps of a node: its Node, its Lease, its requests for certificates, the pods that are bound to it."""

from __future__ import annotations

from ...drain.choice import Options, chosen
from ...drain.cordon import CONFLICTS, PATCH
from ...drain.pods import Pod, pods_on
from ...errors import ConflictError
from ...targets.kube import KubeApi

OUT_OF_SERVICE = {"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute"}
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


def node_path(name: str) -> str:
    return f"/api/v1/nodes/{name}"


def kept(api: KubeApi, name: str) -> list[tuple[str, str, str]]:
    """(what it is, path, uid) of each object that belongs to the node alone, the Node first: a kubelet that is stopped
    recreates none of them."""
    found = [
        ("Node", node_path(name)),
        ("Lease", f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}"),
    ]
    there = [(what, path, body["metadata"].get("uid", "")) for what, path in found if (body := api.get(path))]
    user = f"system:node:{name}"
    requests = (
        one for one in (api.get(REQUESTS) or {}).get("items") or () if one.get("spec", {}).get("username") == user
    )
    named = [(one["metadata"]["name"], one["metadata"].get("uid", "")) for one in requests]
    return [*there, *((f"request {own}", f"{REQUESTS}/{own}", uid) for own, uid in named)]


def ready(api: KubeApi, name: str) -> bool:
    """Whether the kubelet has reported lately: the control plane notices within a minute that it does not."""
    node = api.get(node_path(name)) or {}
    conditions = node.get("status", {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def out_of_service(api: KubeApi, name: str) -> bool:
    """Whether the node has the taint with which the cluster deletes its pods and detaches its volumes at once."""
    taints = ((api.get(node_path(name)) or {}).get("spec") or {}).get("taints") or ()
    return any(taint["key"] == OUT_OF_SERVICE["key"] for taint in taints)


def give_up(api: KubeApi, name: str) -> None:
    """Set that taint: a person says that the machine is off for good."""
    for left in reversed(range(CONFLICTS)):
        node = api.get(node_path(name))
        if node is None or out_of_service(api, name):
            return
        meta = {"resourceVersion": node["metadata"].get("resourceVersion")}
        taints = [*((node.get("spec") or {}).get("taints") or ()), OUT_OF_SERVICE]
        try:
            api.send("PATCH", node_path(name), {"metadata": meta, "spec": {"taints": taints}}, PATCH)
        except ConflictError:
            if not left:
                raise


def bound(api: KubeApi, name: str) -> tuple[Pod, ...]:
    """The pods on a node that run elsewhere again: all but those that belong to every node."""
    everything = Options(force=True, empty_dir=True)
    return chosen(pods_on(api, name), everything).evict
