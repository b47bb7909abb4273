"""The proof that a new certificate is in force: the port shows it, asked until it does."""

from __future__ import annotations

from collections.abc import Collection

from cryptography import x509

from ...checks.doors import TO_ETCD, Door, doors
from ...checks.scene import told
from ...cluster import Host
from ...errors import NotReadyError
from ...parallel import each
from ...pki.certificates import definition
from ...session import Known
from ...targets.live import UNREACHABLE, wait
from .picture import serial

# An API server, and a kubelet, notice at once that the file has changed, or look at it once in a minute.
SECONDS, PACE = 90.0, 0.5


def shown(known: Known, names: Collection[str]) -> int:
    """Wait until every port shows the certificate of the state directory, of those that are called so; how many did.

    NotReadyError with what a port shows instead. Hosts that were left out of the run are not asked.
    """
    session, left_out = known.session, known.left_out
    hosts = [host for host in session.cluster.control_plane if host.name not in left_out]
    listed = [
        door for door in doors(session.cluster, hosts[0]) if door.label in names and door.host.name not in left_out
    ]

    def look(host: Host) -> None:
        for door in (one for one in listed if one.host == host):
            _await(known, door)

    each(look, list(dict.fromkeys(door.host for door in listed)), session.parallel)
    return len(listed)


def _await(known: Known, door: Door) -> None:
    session = known.session
    here = x509.load_pem_x509_certificate(session.credentials.certificate(door.row, door.host).cert)
    try:
        wait(lambda: _differs(known, door, here), SECONDS, str, PACE)
    except NotReadyError as error:
        unit = {"apiserver": "kube-apiserver", "kubelet-server": "kubelet"}.get(door.row, "etcd")
        raise NotReadyError(
            f"{door.where} does not show the new certificate {door.label}",
            host=door.host.name,
            waited_for=f"serial {serial(here)} at {door.where}",
            waited_seconds=error.waited_seconds,
            evidence=error.waited_for,
            hint=f"on {door.host.name}: systemctl restart {unit}; then: hardway verify INV --only certificates-served",
        ) from None
    session.report.note(f"{door.label}: {door.where} on {door.host.name} shows serial {serial(here)}")


def _differs(known: Known, door: Door, here: x509.Certificate) -> str:
    """What a port shows instead, or why it shows nothing."""
    session = known.session
    ca, client = session.credentials.ca(definition(door.row).ca), session.credentials.certificate(TO_ETCD)
    try:
        there = x509.load_der_x509_certificate(door.shown(session.live.transports, ca, client))
    except (*UNREACHABLE, ValueError) as error:
        return f"no answer: {told(error)}"
    return "" if there == here else f"it shows serial {serial(there)}"
