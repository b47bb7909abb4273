"""Issue the CAs and certificates.

There are three CAs, so that a certificate for one purpose is useless for another: one for
Kubernetes, one for etcd (a client that etcd trusts controls the cluster, so no kubelet may be
one), one for the front proxy. `pki/certificates.yaml` lists every certificate and why it exists.
hardway creates all keys here, on your machine, and each host gets only what it needs. It never
replaces what exists and is valid; a changed list of names re-issues only that certificate.

By hand: `openssl x509 -noout -text -in .hardway/<cluster>/pki/apiserver.crt`

Goes wrong: a client uses an address that is not in the API server's certificate (add it to `api.extra_sans`);
a host's clock is behind your machine's, so a new certificate is "not yet valid"; the state directory is lost,
and with it the only keys that can sign.
"""

from ..phase import OPERATOR, Phase
from ..resources import Issued

PHASE = Phase(
    name="pki",
    title="Issue the CAs and certificates",
    targets=lambda cluster: (OPERATOR,),
    desired=lambda inputs, host: [Issued("pki")],
)
