"""API objects for a bundle: kinds that hold no secret by their nature, without the parts in which people put some all
the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import yaml

from ...session import Session
from ...targets.live import UNREACHABLE

KINDS = {
    "nodes": "/api/v1/nodes",
    "namespaces": "/api/v1/namespaces",
    "pods": "/api/v1/pods",
    "events": "/api/v1/events",
    "services": "/api/v1/services",
    "endpoints": "/api/v1/endpoints",
    "deployments": "/apis/apps/v1/deployments",
    "daemonsets": "/apis/apps/v1/daemonsets",
    "replicasets": "/apis/apps/v1/replicasets",
    "leases": "/apis/coordination.k8s.io/v1/leases",
    "apiservices": "/apis/apiregistration.k8s.io/v1/apiservices",
}
MOST = 500
LEFT_OUT = "(left out)"
APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def scrubbed(found: Any) -> Any:
    """Without values of environment variables, managed fields, and what kubectl keeps of a manifest."""
    if isinstance(found, list):
        return [scrubbed(item) for item in found]
    if not isinstance(found, dict):
        return found
    kept = {key: scrubbed(value) for key, value in found.items() if key not in ("managedFields", APPLIED)}
    if isinstance(env := found.get("env"), list):
        kept["env"] = [
            {**one, "value": LEFT_OUT} if isinstance(one, dict) and "value" in one else scrubbed(one) for one in env
        ]
    return kept


def collect(session: Session, missing: Callable[[str, BaseException], None]) -> Iterator[tuple[str, bytes]]:
    """A YAML file for each kind, of at most so many objects."""
    try:
        api = session.live.kube()
        if problem := api.not_ready():
            raise ConnectionError(problem)
    except UNREACHABLE as error:
        missing("kubernetes", error)
        return
    for name, path in KINDS.items():
        try:
            found = api.get(f"{path}?limit={MOST}") or {}
            yield (
                f"kubernetes/{name}.yaml",
                yaml.dump(scrubbed(found), Dumper=DUMPER, sort_keys=False, allow_unicode=True).encode(),
            )
        except UNREACHABLE as error:
            missing(f"kubernetes/{name}.yaml", error)
