"""Give the nodes their labels and taints from the inventory.

hardway remembers on each node which ones it set; a label taken out of the inventory is taken off
the node, one that somebody else set is left alone.

By hand: `kubectl get nodes --show-labels`.

Goes wrong: a taint without a matching toleration keeps every pod off all workers, and they stay Pending.
"""

from ..phase import API, Inputs, Phase
from ..resources import NodeMarks


def desired(inputs: Inputs, host) -> list:
    return [NodeMarks(worker) for worker in inputs.cluster.workers]


PHASE = Phase(
    name="node-marks",
    title="Label and taint the nodes",
    targets=lambda cluster: (API,),
    desired=desired,
    needs=lambda inputs: ("kubelet",),
)
