"""Write the kubeconfigs: who each component is, and where it finds the API.

A kubeconfig contains a client certificate, the CA to trust, and an address. Components on a
control-plane host talk to the API server on that host (127.0.0.1); kubelets, kube-proxies and
administrators talk to the load balancer. hardway derives each kubeconfig from the PKI and updates
it when a certificate is re-issued.

By hand: `kubectl config view --minify --kubeconfig .hardway/<cluster>/admin.conf`

Goes wrong: `x509: certificate signed by unknown authority` means a kubeconfig of another cluster, or of an
earlier one with the same name; `connection refused` means the address is right but nothing listens there yet.
"""

from ..living import roads
from ..phase import OPERATOR, Inputs, Phase
from ..resources import LocalFile, text


def desired(inputs: Inputs, host) -> list:
    """All of them; while the API moves to another address they are left to the last phase, when the new one answers."""
    return [] if roads.former(inputs.cluster, inputs.facts) else kubeconfigs(inputs)


def kubeconfigs(inputs: Inputs) -> list:
    names = ("admin", "super-admin")
    return [
        LocalFile(f"{name}.conf", text(inputs.credentials.kubeconfig(name).reveal(), secret=True)) for name in names
    ]


PHASE = Phase(
    name="kubeconfigs",
    title="Write the kubeconfigs",
    targets=lambda cluster: (OPERATOR,),
    desired=desired,
    needs=lambda inputs: ("pki",),
)
