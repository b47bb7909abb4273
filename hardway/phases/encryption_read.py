"""Let every API server read with a new encryption key.

In a new cluster there is nothing to do. Later, when `encryption.provider` in the inventory changes
or the key is rotated, each API server first gets the new key behind those it has, and continues to write with its own.
Only when all of them have loaded it, the phase `control-plane` puts the new key first. So no API
server ever meets a Secret that it cannot read. Old keys stay for reading, also with `none`, until a rotation
has proved that no Secret is under them.

By hand: the metric `apiserver_encryption_config_controller_last_config_info` of each API server has the sha256 of the
file that its process has loaded.

Goes wrong: the new key is put first at once: until the last API server is restarted, the others answer every list
of Secrets with 500 and `no matching prefix found`.
"""

from __future__ import annotations

from ..cluster import Host
from ..facts import etcd_born
from ..living.encryption import CONFIG, UNIT
from ..phase import Inputs, Pending, Phase
from ..resources.base import Resource
from ..targets.live import Live
from ..vocabulary import Probe
from .control_plane import api_server


def desired(inputs: Inputs, host: Host) -> list[Resource]:
    """Nothing in a new cluster, nor where all API servers can read what will be written; else what each has by now and
    the new key behind it, also where nothing but a start is missing: all of them must run."""
    encryption = inputs.encryption
    learns = encryption.learners and host in encryption.servers
    return api_server(inputs, host, encryption.writer(host)) if learns else []


def ready(live: Live, host: Host) -> Pending | None:
    """An API server that is there has loaded its file; where there is none yet, it will start with all keys."""
    if live.unit(host.name, UNIT).get("LoadState") == "not-found":
        return None
    if problem := live.kube(host).not_ready():
        return Pending(f"kube-apiserver on {host.name} to be ready ({problem})", host.name, UNIT)
    if live.encryption(host) != _there(live, host):
        return Pending(f"kube-apiserver on {host.name} to run with its {CONFIG}", host.name, UNIT)
    return None


def _there(live: Live, host: Host) -> str:
    """The sha256 of the file on the host, or nothing."""
    probe = Probe("hash", (CONFIG,))
    return live.remotes[host.name].probe((probe,))[probe].replace("absent", "")


PHASE = Phase(
    name="encryption-read",
    title="Let every API server read with a new encryption key",
    targets=lambda cluster: cluster.control_plane,
    desired=desired,
    needs=lambda inputs: ("pki", "encryption", *(["etcd-promotion"] if etcd_born(inputs.facts) else [])),
    ready=ready,
    deadline=300,
    rolling=True,
)
