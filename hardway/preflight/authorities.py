"""How long the CAs last, and whether somebody has begun to replace one."""

from __future__ import annotations

from collections.abc import Iterator

from ..cluster import Host
from ..errors import PkiError
from ..facts import Facts, authority
from ..phase import Inputs
from ..pki.rotation import TOKENS, Stage, rotations
from .finding import ClusterCheck, HostCheck

ON_HOST = "/etc/kubernetes/pki/ca.key"
# The files in which a host lists whom it trusts (see s_trusts in read.sh), each with the CA, or the pair of tokens.
TRUSTED = {
    "/etc/kubernetes/pki/ca.crt": "ca",
    "/etc/kubernetes/pki/front-proxy-ca.crt": "front-proxy-ca",
    "/etc/kubernetes/pki/etcd/ca.crt": "etcd-ca",
    "/etc/kubernetes/pki/sa.pub": TOKENS,
    "/etc/etcd/pki/ca.crt": "etcd-ca",
}
Found = Iterator[tuple[Host, str, str]]


def ending(inputs: Inputs, hosts: list[Host]) -> Found:
    """No certificate outlives its CA, so that from some day on all of them end at once."""
    for rotation in rotations(inputs.credentials.store):
        try:
            ends = rotation.ends
        except PkiError:  # a damaged file is told where it is used
            continue
        if ends and hosts:
            yield hosts[0], f"the {rotation.kind} CA of the cluster {ends}", f"replace it in time: {rotation.command}"


def unfinished(inputs: Inputs, hosts: list[Host]) -> Found:
    for rotation in rotations(inputs.credentials.store):
        if rotation.stage is not Stage.NONE and hosts:
            what = f"the rotation of {rotation.kind} is not finished: stage {rotation.stage.told}"
            yield hosts[0], what, f"to continue: {rotation.command}"


def key(inputs: Inputs, host: Host, facts: Facts) -> Iterator[tuple[str, str]]:
    """Without it here the host would lose it too: nobody could sign what kubelets and others request."""
    store = inputs.credentials.store
    if facts.signs and store.read("pki/ca.crt") is not None and store.read("pki/ca.key") is None:
        where = store.where("pki/ca.key")
        what = f"signs certificate requests with {ON_HOST}, but the key is not in the state directory ({where})"
        remedy = (
            f"copy it from {host.name} to {where}, mode 0600; to have everything signed elsewhere from now on, remove"
            f" {ON_HOST} on every control-plane host first"
        )
        yield what, remedy


def replaced(inputs: Inputs, host: Host, facts: Facts) -> Iterator[tuple[str, str]]:
    """Somebody has replaced a CA with another copy of the state directory: what this one has would be refused by all
    others. A CA that was replaced here may still be on a host that has missed it."""
    every = {one.name: one for one in rotations(inputs.credentials.store)}
    if facts.cluster != inputs.cluster.name or facts.authority not in map(authority, every["ca"].ever):
        return
    for file, digest in facts.trusts:
        rotation = every[TRUSTED[file]]
        if rotation.known and not rotation.knows(digest):
            what = f"{file} lists another one for {rotation.kind} than {inputs.credentials.store.where()} ever had"
            yield (
                f"{what}: it was replaced with another copy of that directory",
                f"use the copy with which it was replaced; if nobody has done that, remove it from {file}",
            )


CHECKS = (
    HostCheck("CaKey", "The key of the CA with which it signs requests is in the state directory.", key),
    HostCheck("CaReplaced", "It trusts no CA, and no key of tokens, that the state directory never had.", replaced),
)
TOGETHER = (
    ClusterCheck("CaExpires", "No CA expires within 180 days.", ending, warning=True),
    ClusterCheck("CaRotation", "No CA is being replaced.", unfinished, warning=True),
)
