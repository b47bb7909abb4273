"""Give the nodes their labels and taints from the inventory, and write on each which pod CIDR it has.

hardway records on each node which labels and taints it set. It removes one that you delete from
the inventory, and leaves all others alone. A node's pod CIDR is written once and never changes.

By hand: `kubectl get nodes --show-labels`; `kubectl get node NAME -o jsonpath='{.spec.podCIDR}'`.

Goes wrong: a taint without a matching toleration keeps every pod off all workers, and they stay Pending.
"""

from ..phase import API, Inputs, Phase
from ..resources import NodeMarks


def desired(inputs: Inputs, host) -> list:
    return [NodeMarks(worker) for worker in inputs.among(inputs.cluster.workers)]


PHASE = Phase(
    name="node-marks",
    title="Label and taint the nodes",
    targets=lambda cluster: (API,),
    desired=desired,
    needs=lambda inputs: ("kubelet",),
)
