"""Let the API server into the kubelets, people in as administrators, and kubelets renew their certificates.

The API server calls kubelets for logs, exec and metrics with a certificate of its own; its name
must be bound to the right role or `kubectl logs` answers Forbidden. Administrators belong to a
group that is bound to cluster-admin, so their access can be withdrawn; the certificate that
bypasses RBAC altogether never leaves the state directory. A kubelet asks for a certificate of its own at its
first start and before each one ends; it gets one because its group may ask for itself, without anybody's approval.

By hand: `kubectl get clusterrolebinding system:kube-apiserver-to-kubelet -o yaml`; `kubectl get csr` says
`Approved,Issued`.

Goes wrong: `kubectl logs` answers Forbidden for user kube-apiserver-kubelet-client: the binding is missing,
or the certificate's name is another.
"""

import yaml

from ..phase import API, Inputs, Phase
from ..render import render
from ..resources import ApiObject

MANIFESTS = ("apiserver-to-kubelet.yaml", "admins.yaml", "kubelet-renewal.yaml")


def objects(content: bytes) -> list[ApiObject]:
    """One resource per document of a manifest."""
    return [ApiObject(document) for document in yaml.safe_load_all(content) if document]


def desired(inputs: Inputs, host) -> list:
    return [found for name in MANIFESTS for found in objects(render(name, inputs.cluster))]


PHASE = Phase(
    name="rbac",
    title="Grant the API server, the administrators and the kubelets their rights",
    targets=lambda cluster: (API,),
    desired=desired,
    needs=lambda inputs: ("control-plane",),
)
