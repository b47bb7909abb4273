"""Renew the certificate with which every API server shows itself to etcd.

In a new cluster there is nothing to do. An API server reads the certificate again at each handshake, so a connection
that lives hides one that has expired on the disk. When a member of etcd restarts, its API servers have to connect
again: all of them have a certificate that is good by then.

By hand: `openssl x509 -noout -enddate -in /etc/kubernetes/pki/apiserver-etcd-client.crt` on a control-plane host.

Goes wrong: a certificate that expired while the cluster ran is renewed after etcd's restart: until then /readyz stays
at 500 with `etcd failed`, and the journal of kube-apiserver says `tls: expired certificate`.
"""

from __future__ import annotations

from ..cluster import Host
from ..facts import etcd_born
from ..phase import Inputs, Phase
from ..resources import Directory, Restamp
from ..resources.base import Resource
from .control_plane import KUBERNETES, PKI, api_server, pair


def desired(inputs: Inputs, host: Host) -> list[Resource]:
    if not etcd_born(inputs.facts):
        return []
    *_, unit = api_server(inputs, host)
    return [Directory(KUBERNETES), Directory(PKI), *pair(inputs, "apiserver-etcd-client"), Restamp(unit)]


PHASE = Phase(
    name="etcd-clients",
    title="Renew the API servers' certificates for etcd",
    targets=lambda cluster: cluster.control_plane,
    desired=desired,
    needs=lambda inputs: ("pki",),
)
