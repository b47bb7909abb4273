"""The ConfigMap by which API servers say whom they trust as clients to others: aggregated API servers, the controller
manager and the scheduler believe it.

API servers only ever add to it (kubernetes: pkg/controlplane/controller/clusterauthenticationtrust): a CA that they
trust no more stays in it until it expires, and is in it again after etcd went back to an older snapshot.
"""

from __future__ import annotations

from cryptography import x509

from ..foreign.objects import data_of
from ..pki.reading import parsed
from ..pki.rotation import Rotation
from ..targets.kube import KubeApi

EXTENSIONS = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
FIELDS = {"ca": "client-ca-file", "front-proxy-ca": "requestheader-client-ca-file"}


def listed(api: KubeApi, name: str) -> tuple[x509.Certificate, ...]:
    """Those that are trusted as the CA of that name (a key of FIELDS), by what it says now."""
    return tuple(parsed(data_of(api.get(EXTENSIONS)).get(FIELDS[name], "").encode(errors="replace")))


def take_out(api: KubeApi, rotation: Rotation) -> bool:
    """Remove the CAs that were trusted here before and are no more; whether there was one."""
    gone = {one for pem in rotation.dropped for one in parsed(pem)}
    if gone.isdisjoint(listed(api, rotation.name)):
        return False
    patch = {"data": {FIELDS[rotation.name]: rotation.trusted.decode()}}
    api.send("PATCH", EXTENSIONS, patch, "application/merge-patch+json")
    return True
