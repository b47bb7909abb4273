"""Create the key that encrypts Secrets inside etcd.

hardway creates it once for each provider, and another one only when you say `hardway encryption rotate`. It
never replaces a key. Without its key every Secret in etcd is lost: keep the state directory safe, and keep a
copy with etcd's snapshots. Every API server gets the same EncryptionConfiguration.

By hand: `etcdctl get /registry/secrets/default/NAME | hexdump -C` shows `k8s:enc:aescbc:v1:key1`.

Goes wrong: the key is lost, or differs between two control-plane hosts: then one API server reads a Secret and
the other answers `unable to transform key`.
"""

from ..phase import OPERATOR, Phase
from ..resources import Issued

PHASE = Phase(
    name="encryption",
    title="Create the encryption key for Secrets",
    targets=lambda cluster: (OPERATOR,),
    desired=lambda inputs, host: [] if inputs.cluster.encryption.provider == "none" else [Issued("encryption")],
    needs=lambda inputs: ("pki",),
)
