"""The state directory: the part of a cluster on your computer, with its keys.

It belongs to one cluster, and one run uses it at a time; one run changes the cluster at a time, whatever the copy.
"""

from ..case import Case
from .hosts import finding

CASES = (
    Case(
        name="two-bootstraps-at-once",
        sees="another hardway process is using <directory>",
        evidence=("pid <number>", "host <name>", "user <name>", "started <time>"),
        why="Another run holds the lock of this state directory. The evidence shows which.",
        injected=(
            "a second bootstrap while a first one waits for a host; then the first is killed, and the second continues"
        ),
        exit_code=10,
        next="ps -fp <number>   shows it; wait until it finishes",
        remedy="Wait for it to end. The lock of a run that was killed is free at once.",
    ),
    Case(
        name="another-run-at-work",
        sees=(
            "<user>@<computer> has been running `hardway <command>` on this cluster since <time> UTC"
            " (last sign of life <number> s ago)  (host <host>)"
        ),
        evidence=("process <number> on <computer>",),
        why=(
            "Another person, or you on another computer, is changing this cluster from another copy of the state"
            " directory. Two runs at once would mix two inventories."
        ),
        injected=(
            "two bootstraps at the same moment from two copies of the state directory, of which one goes on; then a"
            " bootstrap, a reset and a plan while a bootstrap is at work, which is killed, and the second continues"
        ),
        exit_code=10,
        next=(
            "wait until it ends, then run the same command again; if <computer> is off or has lost its network,"
            " the lease expires by itself at <time> UTC"
        ),
        remedy=(
            "Wait for it to end. The lease of a run that was killed is free at once, that of a computer that sleeps or"
            " lost its network within 90 seconds."
        ),
    ),
    Case(
        name="state-directory-full",
        sees="cannot write <file>: No space left on device  (host operator, phase pki)",
        why="The disk with the state directory is full. hardway uses no key that it could not save.",
        injected=(
            "a file system of a few kilobytes for the keys; it is made larger, and the same command continues with the"
            " keys it has"
        ),
        exit_code=8,
        next="free some disk space",
        remedy="Free some space. A key is written completely or not at all, so the existing keys are good.",
    ),
    Case(
        name="state-of-another-cluster",
        sees="the state directory <directory> belongs to another cluster",
        evidence=("recorded in <file>: <name>", "now: <name>"),
        why="`--state-dir` holds the keys of a cluster with another name, or the cluster was renamed in the inventory.",
        injected="the keys of a cluster of another name; no host is contacted",
        exit_code=8,
        next="use another --state-dir, or correct the cluster's name in <inventory>",
        remedy="Use the folder this cluster was built with, usually `.hardway/<cluster>`.",
    ),
    Case(
        name="folder-of-somebody-else",
        sees="<directory> is not a hardway state directory and not empty",
        evidence=("<its files>",),
        why="hardway writes keys only into a folder that is empty or its own.",
        injected="a `--state-dir` with somebody's files in it",
        exit_code=8,
        next="choose an empty folder with --state-dir",
        remedy="Choose another folder.",
    ),
    finding(
        "state-lost",
        "LostState",
        "belongs to cluster <name>, whose keys are not in <directory>",
        "restore them from a backup, or give up the cluster: hardway reset <inventory>",
        why="The machines belong to this cluster, but the state directory does not have its keys.",
        injected="the state directory moved away while the machines keep theirs; then it is moved back",
        remedy="Restore the folder from a backup. New keys would lock you out of the data.",
    ),
    finding(
        "other-state",
        "OtherState",
        "was built with a CA other than the one in <directory>",
        "use the state directory it was built with; to give that cluster up: hardway reset <inventory> --state-dir"
        " EMPTY",
        why="Your state directory holds keys for a cluster of this name, but not those the machines were built with.",
        injected="a state directory of the same name with keys of its own",
        remedy="Use the right folder: this cluster was built by another person, or on another computer.",
    ),
)
