"""Write the kubeconfigs: who each component is, and where it finds the API.

A kubeconfig is a client certificate, the authority to trust, and an address. Components on a
control-plane host talk to the API server beside them (127.0.0.1); kubelets, kube-proxies and
people talk to the load balancer. Each is derived from the PKI, so it follows when a certificate
is re-issued.

By hand: `kubectl config view --minify --kubeconfig .hardway/<cluster>/admin.conf`

Goes wrong: `x509: certificate signed by unknown authority` means a kubeconfig of another cluster or of an
earlier one of the same name; `connection refused` means the address is right and nobody listens there yet.
"""

from ..phase import OPERATOR, Inputs, Phase
from ..resources import LocalFile, text


def desired(inputs: Inputs, host) -> list:
    names = ("admin", "super-admin")
    return [LocalFile(f"{name}.conf", text(inputs.credentials.kubeconfig(name).reveal(), secret=True)) for name in names]


PHASE = Phase(
    name="kubeconfigs",
    title="Write the kubeconfigs",
    targets=lambda cluster: (OPERATOR,),
    desired=desired,
    needs=lambda inputs: ("pki",),
)
