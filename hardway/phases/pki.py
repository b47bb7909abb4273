"""Issue the certificate authorities and certificates.

Three authorities, so that a certificate good for one thing is worth nothing elsewhere: one for
Kubernetes, one for etcd (whoever etcd trusts is root on the cluster; no kubelet may be), one for
the front proxy. Every leaf stands in `pki/certificates.yaml` with the reason why it exists. All
keys are made here, on your machine, and each host is later given only what it needs. What exists
and is valid is never replaced; a changed list of names re-issues that one leaf.

By hand: `openssl x509 -noout -text -in .hardway/<cluster>/pki/apiserver.crt`

Goes wrong: a client uses an address that is not in the API server's certificate (add it to `api.extra_sans`);
a clock behind ours makes a new certificate "not yet valid"; the state directory is lost, and with it the only
keys that can sign.
"""

from ..phase import OPERATOR, Phase
from ..resources import Issued

PHASE = Phase(
    name="pki",
    title="Issue the certificate authorities and certificates",
    targets=lambda cluster: (OPERATOR,),
    desired=lambda inputs, host: [Issued("pki")],
)
