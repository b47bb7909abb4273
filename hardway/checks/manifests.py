"""The objects of the smoke suite: a namespace of its own, one small web server on each worker, Services and a
Secret."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from typing import Any

from ..cluster import Host
from ..pki.secret import Secret
from ..settings import Taint

LABEL = "hardway.io/verify"
APP = "echo"
HEADLESS = "echo-headless"
SECRET = "verify"
PORT = 8080

# It answers / with its own name and /cgi-bin/who with its name and the address it was asked from. exec: PID 1 must
# obey SIGTERM, or every verification would end with 30 s of waiting.
SERVER = f"""set -e
mkdir -p /tmp/www/cgi-bin
hostname >/tmp/www/index.html
printf '#!/bin/sh\\necho Content-Type: text/plain\\necho\\necho "%s $REMOTE_ADDR"\\n' "$(hostname)" \
  >/tmp/www/cgi-bin/who
chmod 755 /tmp/www/cgi-bin/who
echo "$(hostname) serves"
exec httpd -f -p 0.0.0.0:{PORT} -h /tmp/www
"""


def namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {LABEL: "true"}}}


def secret(value: Secret) -> dict[str, Any]:
    data = {"token": base64.b64encode(value.reveal()).decode()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}, "type": "Opaque", "data": data}


def service(name: str, kind: str) -> dict[str, Any]:
    """`kind` is NodePort or Headless."""
    spec: dict[str, Any] = {"selector": {"app": APP}, "ports": [{"name": "http", "port": PORT, "targetPort": PORT}]}
    spec |= {"clusterIP": "None"} if kind == "Headless" else {"type": kind}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def tolerations(taints: Iterable[Taint]) -> list[dict[str, Any]]:
    """The inventory's own taints must not keep a check off the node."""
    return [
        {"key": taint.key, "operator": "Equal", "value": taint.value, "effect": taint.effect}
        for taint in dict.fromkeys(taints)
    ]


def deployment(image: str, workers: tuple[Host, ...]) -> dict[str, Any]:
    """One server on each of the workers: never two on one, none elsewhere."""
    apart = {"labelSelector": {"matchLabels": {"app": APP}}, "topologyKey": "kubernetes.io/hostname"}
    terms = [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [host.name]}]} for host in workers]
    pod = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 1,
        "tolerations": tolerations(taint for host in workers for taint in host.taints),
        "affinity": {
            "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]},
            "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}},
        },
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65534,
            "runAsGroup": 65534,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(image)],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    spec = {
        "replicas": len(workers),
        "selector": {"matchLabels": {"app": APP}},
        "template": {"metadata": {"labels": {"app": APP}}, "spec": pod},
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": APP}, "spec": spec}


def _container(image: str) -> dict[str, Any]:
    return {
        "name": APP,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", SERVER],
        "ports": [{"containerPort": PORT}],
        # The kubelet's own question to the pod; a worker whose bridge is broken never gets past it.
        "readinessProbe": {"httpGet": {"path": "/", "port": PORT}, "periodSeconds": 1},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "resources": {"requests": {"cpu": "10m", "memory": "8Mi"}},
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }


def is_ours(name: str) -> bool:
    """Whether a namespace has a name that this module's user gives."""
    return bool(re.fullmatch(r"hardway-verify-[0-9a-f]{8}", name))
