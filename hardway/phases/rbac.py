"""Let the API server into the kubelets, and people in as administrators.

The API server calls kubelets for logs, exec and metrics with a certificate of its own; its name
must be bound to the right role or `kubectl logs` answers Forbidden. Administrators belong to a
group that is bound to cluster-admin, so their access can be withdrawn; the certificate that
bypasses RBAC altogether never leaves the state directory.

By hand: `kubectl get clusterrolebinding system:kube-apiserver -o yaml`.

Goes wrong: `kubectl logs` answers Forbidden for user kube-apiserver-kubelet-client: the binding is missing,
or the certificate's name is another.
"""

import yaml

from ..phase import API, Inputs, Phase
from ..render import render
from ..resources import ApiObject


def objects(content: bytes) -> list[ApiObject]:
    """One resource per document of a manifest."""
    return [ApiObject(document) for document in yaml.safe_load_all(content) if document]


def desired(inputs: Inputs, host) -> list:
    return [found for name in ("apiserver-to-kubelet.yaml", "admins.yaml") for found in objects(render(name, inputs.cluster))]


PHASE = Phase(
    name="rbac",
    title="Grant the API server and the administrators their rights",
    targets=lambda cluster: (API,),
    desired=desired,
    needs=lambda inputs: ("control-plane",),
)
