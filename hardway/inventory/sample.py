"""A commented inventory to start from, with hosts given on the command line filled in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

from hardway.errors import UsageError
from hardway.inventory.fields import USER

EXAMPLES = ("root@10.0.0.9", "root@10.0.0.10", "root@10.0.0.11", "root@10.0.0.12", "root@10.0.0.20", "root@10.0.0.21")

HEAD = """\
# An inventory for hardway: the machines of one Kubernetes cluster and their roles.
# Only `cluster` and `hosts` are required; a key after # shows its default or an example.
# Check it:  hardway validate FILE         Build it:  hardway bootstrap FILE

# Names the cluster, its kubectl context and the folder .hardway/<name> with its keys and certificates.
cluster: my-cluster

# Kubernetes version, for example 1.36.4. Default: the newest supported one; the other components follow it.
# kubernetes: X.Y.Z

# Three networks that must not overlap.
# network:
#   node_cidr: 10.0.0.0/24          # the hosts; when set, every host must be in it
#   pod_cidr: 10.200.0.0/16         # pods; each worker gets one block of /24 (node_prefix: 24)
#   service_cidr: 10.32.0.0/24      # Services; .1 is the API, .10 is DNS

"""
TAIL = """
# ssh:                              # applies to all hosts; a host may override any key with its own ssh: {...}
#   user: root                      # or a user with sudo (hardway asks for a password when sudo needs one)
#   key: ~/.ssh/id_ed25519          # default: the ssh-agent, then the usual key files
#   host_keys: strict               # accept-new: trust a host's first key without asking
#   bastion: {address: jump.example.org, user: jump}

# pki: {algorithm: ecdsa-p256, ca_validity_days: 3650, validity_days: 365}
# encryption: {provider: aescbc}    # of Secrets in etcd: aescbc, secretbox or none
# audit: {policy: minimal}          # minimal, full, none or a policy file
# assets: {source: upstream, images: push}
# drills: true                      # practice machines only: hardway drill may break them
# addons: {coredns: {replicas: 2, forward: auto}}
# extra_args: {kube-apiserver: {default-not-ready-toleration-seconds: 60}}    # flags the unit sets: override_args
"""

# Of a machine with 2 GiB: etcd, the API server and the others take 800 MB, the system some more; pods get what is left.
RESERVED = """\
    # Kept from pods, because etcd and the control plane run here too. More is better on a larger machine.
    reserved: {cpu: 500m, memory: 1Gi}
"""

# Said once, below the first host of a kind.
HINTS = {
    "lb": "    # HAProxy runs here; its address is the API's, unless api.address is set.",
    "etcd": "    # etcd needs a quorum of its members: use 1, 3 or 5 hosts with this role, never an even number.",
    "worker": '    # labels: {disktype: ssd}    taints: ["dedicated=batch:NoSchedule"]    pod_cidr: 10.200.0.0/24',
}


@dataclass(frozen=True)
class Target:
    """A host as it is written on the command line: `[user@]address[:port]`."""

    address: IPv4Address
    user: str = "root"
    port: int = 22


def sample(hosts: Sequence[str] = ()) -> str:
    """A commented inventory as YAML text; `hosts` are `[user@]IPv4[:port]`, and UsageError names the first that is
    not."""
    targets = [_target(text) for text in hosts or EXAMPLES]
    if len({target.address for target in targets}) < len(targets):
        raise UsageError("a host is given twice", hint="hardway init " + " ".join(dict.fromkeys(hosts)))
    entries = zip(layout(len(targets)), targets, strict=True)
    return HEAD + "hosts:\n" + "".join(_host(name, roles, target) for (name, roles), target in entries) + TAIL


def layout(count: int) -> list[tuple[str, tuple[str, ...]]]:
    """Names and roles for so many hosts: from four on three etcd members, from six on a load balancer of its own."""
    if count == 1:
        return [("node-0", ("etcd", "control-plane", "worker"))]
    control = ("etcd", "control-plane")
    if count < 4:
        return [("controller-0", control), *_workers(count - 1)]
    controllers = [(f"controller-{n}", control) for n in range(3)]
    if count < 6:
        return [("controller-0", ("lb", *control)), *controllers[1:], *_workers(count - 3)]
    return [("lb", ("lb",)), *controllers, *_workers(count - 4)]


def _workers(count: int) -> list[tuple[str, tuple[str, ...]]]:
    return [(f"worker-{n}", ("worker",)) for n in range(count)]


def _host(name: str, roles: tuple[str, ...], target: Target) -> str:
    lines = [f"  - name: {name}", f"    address: {target.address}", f"    roles: [{', '.join(roles)}]"]
    ssh = [
        f"{key}: {value}"
        for key, value, usual in (("user", target.user, "root"), ("port", target.port, 22))
        if value != usual
    ]
    lines += [f"    ssh: {{{', '.join(ssh)}}}"] if ssh else []
    lines += [HINTS[role] for role in roles[:1] if name.endswith(("lb", "-0"))]
    shared = "worker" in roles and len(roles) > 1
    return "\n".join(lines) + "\n" + (RESERVED if shared else "")


def _target(text: str) -> Target:
    match = re.fullmatch(rf"(?:({USER})@)?([0-9.]{{7,15}})(?::([0-9]{{1,5}}))?", text, re.ASCII)
    try:
        if match and 1 <= int(match[3] or 22) <= 65535:
            return Target(IPv4Address(match[2]), match[1] or "root", int(match[3] or 22))
    except ValueError:
        pass
    raise UsageError(
        f"{text!r} is not a host: write [user@]IPv4-address[:port]",
        hint="hardway init root@10.0.0.10 root@10.0.0.11:2222",
    )
