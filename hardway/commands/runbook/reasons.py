"""Why a thing lands on a host, in the words that are written where the thing itself is written."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

import yaml

from ...cluster import Cluster
from ...preflight.tools import RPM_NAMES, TOOLS
from ...render import COMPONENTS, unit_flags
from ...resources.base import Change
from ...shipped import shipped

PROGRAMS = {
    "etcd": "stores the cluster's whole state",
    "etcdctl": "inspects and repairs etcd",
    "etcdutl": "reads and restores etcd's files and snapshots",
    "kube-apiserver": "the API, the only program that talks to etcd",
    "kube-controller-manager": "makes the actual state follow the declared one",
    "kube-scheduler": "assigns each pod to a node",
    "kubectl": "the API from the command line",
    "kubelet": "starts this node's pods",
    "kube-proxy": "turns Services into packet rules",
    "containerd": "runs containers and stores images",
    "containerd-shim-runc-v2": "runs with each pod, so that containerd can restart without killing it",
    "ctr": "containerd's own tool, imports images",
    "runc": "starts the processes of a container",
    "crictl": "queries the runtime as the kubelet does",
    "bridge": "connects pods to the node's bridge",
    "host-local": "gives pods addresses from the node's block",
    "loopback": "each pod's own 127.0.0.1",
    "portmap": "makes hostPort work",
}


def reason(change: Change) -> str:
    """One sentence, or nothing where the name says it all."""
    kind, _, name = change.key.partition(" ")
    if kind == "binary":
        return PROGRAMS.get(name.rpartition("/")[2], "")
    if kind == "file" and name.endswith((".crt", ".key", ".pub", ".conf")):
        return certificate(name.rpartition("/")[2].rpartition(".")[0], name) or _comment(change)
    if kind == "packages":
        return f"tools that nodes need: {', '.join(dict.fromkeys(TOOLS))}" if set(RPM_NAMES) & set(name.split()) else ""
    return _comment(change)


def flags(key: str, cluster: Cluster) -> list[tuple[str, str]]:
    """(flag, why) of the unit whose file has this key; empty for everything else."""
    component = key.removeprefix("file /etc/systemd/system/").removesuffix(".service")
    if component == key or component not in COMPONENTS:
        return []
    ours = [(f"--{name}", flag_reasons()[component][name]) for name in sorted(unit_flags(component, cluster))]
    return [
        *ours,
        *((f"--{name}", "Added by your inventory.") for name in sorted(cluster.extra_args.get(component, {}))),
    ]


@cache
def flag_reasons() -> dict[str, dict[str, str]]:
    """The table flags.yaml: one sentence for each flag of each component."""
    return yaml.safe_load((resources.files(__package__) / "flags.yaml").read_text(encoding="utf-8"))


def certificate(name: str, path: str = "") -> str:
    """What pki/certificates.yaml says about the row of that name, or of the file at a path on a host."""
    if path.startswith("/etc/etcd/pki/"):
        name = {"ca": "etcd-ca"}.get(name, f"etcd-{name}")
    elif path.startswith("/var/lib/kubelet/pki/"):
        name = "kubelet-server"
    elif path == "/etc/kubernetes/pki/etcd/ca.crt":
        name = "etcd-ca"
    return _certificates().get(name, "")


@cache
def _certificates() -> dict[str, str]:
    reasons: dict[str, str] = {}
    said = ""
    for line in (shipped("pki") / "certificates.yaml").read_text(encoding="utf-8").splitlines():
        if comment := re.match(r"  # (.*)", line):
            said = comment[1]
        elif row := re.match(r"  - \{name: ([\w-]+)", line):
            reasons[row[1]] = said
    return reasons


def _comment(change: Change) -> str:
    """The comment a rendered file begins with."""
    blob = change.ops[0].blob
    if not blob or not blob.data or blob.secret:
        return ""
    lines = []
    for line in blob.data.decode("utf-8", "replace").removeprefix("#!/bin/sh\n").splitlines():
        if not line.startswith("# "):
            break
        lines.append(line[2:])
    return " ".join(lines)
