"""The API as a whole: whether any server of it is ready."""

from __future__ import annotations

from collections.abc import Iterator

from ...checks.scene import at_once
from .diagnosis import MEND, Diagnosis, Finding
from .patient import Patient


def down(patient: Patient) -> Iterator[Finding]:
    if not answers(patient):
        names = ", ".join(host.name for host in patient.cluster.control_plane)
        yield Finding("", "no API server is ready", f"on {names}: journalctl -b -u kube-apiserver -n 50; {MEND}")


def answers(patient: Patient) -> bool:
    """Whether any API server is ready, asked once."""

    def ask() -> bool:
        hosts = patient.cluster.control_plane
        return len(at_once(lambda host: patient.session.live.kube(host).not_ready(), hosts)) < len(hosts)

    return patient.scene.once("an API server is ready", ask)


DOWN = Diagnosis(
    "api-down",
    "No API server is ready",
    down,
    anywhere=("etcd-restore", "forwarding", "port-closed", "apiservers-ready"),
    needs_keys=True,
)
