"""How Secrets come under another key by hand: the passes, and what shows the key that a Secret is under."""

from __future__ import annotations

from collections.abc import Iterator

from ....cluster import Cluster
from ..checks import ETCDCTL
from ..ops import KUBECTL
from ..shell import Way
from ..writing.document import Code, Heading, Part, Table, Text

WHOLE = (
    "`hardway encryption rotate` does all of this, in this order, and finds by itself what is left when it was"
    " interrupted. `--plan` shows every step for your cluster, `hardway encryption status` counts Secrets by their key."
)
# (pass, why, by hand)
PASSES: tuple[tuple[str, str, str], ...] = (
    ("key", "Keys are numbered and never replaced: old snapshots need old keys.", "head -c 32 /dev/urandom, in base64"),
    (
        "read",
        "An API server that lacks the key cannot read what the others write.",
        "on each control-plane host: add the key behind the others in encryption-config.yaml, restart kube-apiserver",
    ),
    (
        "write",
        "Only when all have loaded it may one of them write with it.",
        "on each control-plane host: move the key to the first place, restart kube-apiserver",
    ),
    (
        "rewrite",
        "A Secret keeps its key until it is written again.",
        "kubectl get secrets -A -o json, into kubectl replace -f -",
    ),
    (
        "prove",
        "With one Secret that they cannot read, API servers answer every list of Secrets with an error.",
        "etcdctl get --prefix /registry/secrets: every value must begin with the new key's name",
    ),
    (
        "retire",
        "With the old key alone, nothing can be read that is stored now. Keep it for snapshots from before.",
        "on each control-plane host: remove the older keys, restart kube-apiserver",
    ),
)
BEFORE = (
    "A snapshot of etcd from before needs the old key. After a restore by hand, an API server without it never gets"
    " ready: add the key behind the others before it starts. `hardway etcd restore` does so by itself, and `hardway"
    " encryption rotate` does so afterwards, then writes these Secrets with the newest key."
)
SHOWN = (
    "etcd has the name of the key in front of each Secret. These commands write one, show its beginning, and remove it."
)


def rotation(cluster: Cluster) -> Iterator[Part]:
    """The guide's chapter."""
    yield Text(WHOLE)
    yield Table(("pass", "why", "by hand"), tuple((f"`{name}`", why, by_hand) for name, why, by_hand in PASSES))
    yield Text(BEFORE)
    if cluster.encryption.provider != "none":
        yield from (Heading("See which key a Secret is under"), Text(SHOWN))
        yield from _shown(cluster, f"k8s:enc:{cluster.encryption.provider}:v1:key1")


def _shown(cluster: Cluster, begins: str) -> Iterator[Part]:
    member = cluster.etcd_members[0]
    key = f"{cluster.etcd_prefix}/secrets/default/by-hand"
    get = f"{ETCDCTL} get --print-value-only {key}"
    show = f"{Way(member.name, member.ssh.user != 'root').run(get)} | head -c {len(begins)}; echo"
    create = f"{KUBECTL} -n default create secret generic by-hand --from-literal=word=hidden >/dev/null"
    yield Code(f"{create}\n{show}\n{KUBECTL} -n default delete secret by-hand >/dev/null")
    yield from (Text("It prints:"), Code(begins, "text"))
