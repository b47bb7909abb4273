"""What must hold before a key is rotated, and before one is retired."""

from __future__ import annotations

from collections.abc import Mapping

from ...cluster import Cluster
from ...errors import NotReadyError, UnreadableError, UsageError
from ...living.encryption import FLAG, Encryption, ours, serves
from ...living.rotation import AGAIN, recalled
from ...pki.encryption import IDENTITY
from ...pki.encryption.retirement import retired
from ...preflight.upgrades import KUBERNETES, UPGRADE, steps
from ...report import plural
from ...session import Known

SHOWN = 20


def require_provider(cluster: Cluster) -> None:
    """UsageError unless the API servers have keys of hardway."""
    if not ours(cluster):
        raise UsageError(
            f"a flag in the inventory names another encryption configuration (--{FLAG}), whose keys are yours",
            hint="rotate them in that file; docs/operating.md says how",
        )
    if cluster.encryption.provider == "none":
        raise UsageError(
            "encryption.provider is none: there is no key to rotate",
            hint="set encryption.provider in INV, then: hardway bootstrap INV",
        )


def require_built(known: Known) -> None:
    """UsageError when the passes, which write all of the control plane's files, would build a host of it, or change its
    version."""
    for host in known.session.cluster.control_plane:
        if not serves(known.facts[host.name]):
            raise UsageError(
                f"{host.name} has no API server yet: a rotation builds no host",
                hint="hardway bootstrap INV   builds it; then rotate",
            )
        for program, there, wanted in steps(known.inputs, host, known.facts[host.name]):
            if program is KUBERNETES:
                raise UsageError(
                    f"{host.name} runs Kubernetes {there}, the inventory says {wanted}: a rotation changes no version",
                    hint=f"{UPGRADE}; or write the version that runs in INV",
                )


def require_known(known: Known) -> None:
    """The API answers, and no API server is outside the inventory."""
    cluster, servers = known.session.cluster, known.lives.servers
    if servers is None:
        raise NotReadyError("no API server answers, so no Secret can be rewritten", hint="hardway doctor INV")
    if strangers := sorted(servers - {str(host.address) for host in cluster.control_plane}):
        raise UnreadableError(
            f"kube-apiserver on {', '.join(strangers)} is in no inventory, and could not read the new key",
            hint="add the host to INV, or stop its API server; then run hardway plan INV",
        )


def require_all(encryption: Encryption) -> None:
    """UnreadableError unless every API server of the inventory writes with the newest key."""
    wanted = encryption.wanted
    others = [host.name for host in encryption.cluster.control_plane if (encryption.loaded(host) or ("",))[0] != wanted]
    if others:
        raise UnreadableError(
            f"kube-apiserver on {', '.join(others)} does not write with {wanted}, so the older keys stay in use",
            host=others[0],
            hint=f"hardway status INV   shows whether it runs; then: {AGAIN}",
        )


def needed_again(known: Known) -> list[str]:
    """The retired keys under which API servers write, or etcd has Secrets. UnreadableError when etcd has some under a
    key that is not in the state directory: nobody could write those again."""
    store, keys = known.inputs.credentials.store, known.inputs.credentials.encryption_keys()
    found = known.session.live.stored()
    if lost := {path: key for path, key in found.keys.items() if key not in (IDENTITY, *keys)}:
        raise UnreadableError(
            f"{plural(len(lost), 'Secret')} in etcd cannot be read: the state directory does not have their key",
            host="etcd",
            evidence=shown(lost),
            hint=f"restore the key from a backup of {store.where('encryption')}; docs/operating.md, A Secret that"
            " nobody can read",
        )
    return sorted({*recalled(known.inputs.encryption), *(found.counts.keys() & retired(store).keys())})


def shown(found: Mapping[str, str]) -> str:
    """Some of the objects with the keys they are under."""
    return "\n".join(f"{path}: {key}" for path, key in sorted(found.items())[:SHOWN])
