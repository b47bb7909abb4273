"""Drains and removals that hardway refuses or stops: pod, budget and owner are named, and no pod is deleted instead."""

from ..case import Case

CASES = (
    Case(
        name="drain-would-lose",
        sees="<host> is not drained: <number> pod… would be lost  (host <host>)",
        evidence=(
            "<pod> (no controller): nothing starts it again elsewhere (--force allows it)",
            "<pod> (Deployment <name>): its emptyDir volumes are deleted with it: <volumes>",
        ),
        why="A pod was created without a controller, or keeps data in a volume that lives only as long as the pod.",
        injected="a pod without a controller and a Deployment with an emptyDir volume; nothing is changed",
        exit_code=5,
        next="if that may be lost: hardway node drain <inventory> <host> --force --delete-emptydir-data",
        remedy="Save what you need, then allow it.",
    ),
    Case(
        name="drain-never-allowed",
        sees="<host> is not drained: <number> pod… can never be evicted  (host <host>)",
        evidence=("<pod> (Deployment <name>): the budget <budget> can never allow it: <numbers>",),
        why="The PodDisruptionBudget needs all pods that there are, so Kubernetes refuses every eviction for ever.",
        injected="a budget that needs as many pods as the Deployment has; hardway names it before it cordons anything",
        exit_code=5,
        next="add replicas or change the budget: kubectl -n <namespace> get pdb",
        remedy="Give the Deployment one replica more than the budget needs, then run the command again.",
    ),
    Case(
        name="drain-blocked",
        sees="<host> is not drained: <number> pod… left  (host <host>)",
        evidence=(
            "waited <seconds> s for: the pods on <host> to be evicted and to end",
            "<pod> (Deployment <name>): The disruption budget <name> needs <number> healthy pods and has <number>",
        ),
        why="The budget allows no eviction as long as other pods of the Deployment are not ready.",
        injected="a Deployment one of whose pods never becomes ready, and a budget that needs the others",
        exit_code=6,
        next="hardway node drain <inventory> <host> …continues; hardway node uncordon <inventory> <host>",
        remedy="Repair the pods that are not ready. The node stays cordoned; the same command continues.",
    ),
    Case(
        name="node-not-gone",
        sees="<host> answers, so it is not gone  (host <host>)",
        why="`--gone` removes a host without asking it. On a machine that runs, its pods would run on beside new ones.",
        injected="`node remove --gone` for a machine that runs; nothing is changed",
        exit_code=5,
        next="remove --gone: hardway node remove <inventory> <host>",
        remedy="Run the command without `--gone`.",
    ),
    Case(
        name="removal-breaks-inventory",
        sees="<host> cannot be removed: the inventory without it is wrong",
        evidence=("no host has the role <role>: at least one must",),
        why="Without the host the cluster would lack what it needs, such as a worker or an odd number of members.",
        injected="`node remove` for the only host with etcd; nothing is changed",
        exit_code=2,
        next="to put another host in its place: hardway node replace <inventory> <host> NEW",
        remedy="Replace the host, or remove the whole cluster with `hardway reset`.",
    ),
)
