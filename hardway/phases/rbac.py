"""Grant the API server, the administrators, the kubelets and the kube-proxies their rights.

The API server calls kubelets for logs, exec and metrics with its own certificate. The name in it
must be bound to the right role, or `kubectl logs` answers Forbidden. Administrators belong to a
group that is bound to cluster-admin, so their access can be revoked. The certificate that bypasses
RBAC never leaves the state directory. A kubelet requests its own certificate when it first starts
and before each one expires. Its group may request one for itself, so nobody has to approve it.
kube-proxies have a certificate each; their group is bound to the role that Kubernetes provides for them.

By hand: `kubectl get clusterrolebinding system:kube-apiserver-to-kubelet -o yaml`; `kubectl get csr` says
`Approved,Issued`.

Goes wrong: `kubectl logs` answers Forbidden for user kube-apiserver-kubelet-client: the binding is missing,
or the certificate has another name.
"""

import yaml

from ..phase import API, Inputs, Phase
from ..render import render
from ..resources import ApiObject

# The loader in C reads ten times as fast; some builds of the library lack it.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MANIFESTS = ("apiserver-to-kubelet.yaml", "admins.yaml", "kubelet-renewal.yaml", "kube-proxies.yaml")


def objects(content: bytes) -> list[ApiObject]:
    """One resource per document of a manifest."""
    return [ApiObject(document) for document in yaml.load_all(content, LOADER) if document]


def desired(inputs: Inputs, host) -> list:
    return [found for name in MANIFESTS for found in objects(render(name, inputs.cluster))]


PHASE = Phase(
    name="rbac",
    title="Grant the API server, the administrators, the kubelets and the kube-proxies their rights",
    targets=lambda cluster: (API,),
    desired=desired,
    needs=lambda inputs: ("control-plane",),
)
