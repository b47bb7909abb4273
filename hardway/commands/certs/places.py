"""Where on the hosts each certificate lies, out of what the phases want there: there is no second list of files."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography import x509

from ...cluster import Cluster
from ...phases import PHASES
from ...phases.control_plane import SIGNING
from ...pki.certificates import authorities, issued, label
from ...pki.inspection import is_authority
from ...pki.leaf import Leaf
from ...pki.reading import Held, of, parsed
from ...resources import File, OwnCertificate
from ...resources.base import Resource
from ...run.supposed import supposed
from ...state.store import Store


class Kind(enum.StrEnum):
    """What lies there: a certificate, a kubeconfig with it, what a kubelet has had signed for itself, what is trusted,
    the CA that signs."""

    FILE = "certificate"
    KUBECONFIG = "kubeconfig"
    OWN = "own certificate"
    TRUST = "trusted CAs"
    SIGNER = "signing CA"


@dataclass(frozen=True)
class Place:
    """A file on a host of the certificate, or CA, that is called `label`; `phase` is the first that writes it."""

    label: str
    host: str
    path: str
    kind: Kind
    phase: str


def places(cluster: Cluster) -> list[Place]:
    """All of them, in the order of the phases; found with certificates that are made for this and thrown away."""
    inputs = supposed(cluster)
    names = _names(cluster, inputs.credentials.store)
    found: dict[tuple[str, str, str], Place] = {}
    for phase in PHASES:
        for host in (host for host in cluster.hosts if phase.works_on(cluster, host)):
            for resource in phase.desired(inputs, host):
                for called, path, kind in _held(resource, names):
                    found.setdefault((called, host.name, path), Place(called, host.name, path, kind, phase.name))
    return list(found.values())


def _names(cluster: Cluster, store: Store) -> dict[x509.Certificate, str]:
    """Each certificate of a state directory, and what it is called."""
    files = {f"pki/{one.name}.crt": one.name for one in authorities()}
    files |= {f"{Leaf(row, host, cluster, store).path}.crt": label(row, host) for row, host in issued(cluster)}
    return {parsed(store.read(path) or b"")[0]: name for path, name in files.items()}


def _held(resource: Resource, names: dict[x509.Certificate, str]) -> Iterator[tuple[str, str, Kind]]:
    """(label, path, kind) of each certificate in a file."""
    if isinstance(resource, OwnCertificate):
        yield names[parsed(resource.first)[0]], resource.path, Kind.OWN
    elif isinstance(resource, File):
        found = of(resource.blob.data or b"")
        for certificate in filter(None, (found.client, *found.authorities, *found.own)):
            yield names[certificate], resource.path, _kind(resource.path, certificate, found)


def _kind(path: str, certificate: x509.Certificate, found: Held) -> Kind:
    if certificate == found.client:
        return Kind.KUBECONFIG
    if path == SIGNING[0]:
        return Kind.SIGNER
    return Kind.TRUST if is_authority(certificate) else Kind.FILE
