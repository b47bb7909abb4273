"""The state directory: your half of a cluster, with its keys. It fits one cluster, and one run works with it at a time."""

from ..case import Case
from .hosts import finding

CASES = (
    Case(
        name="two-bootstraps-at-once",
        sees="another hardway is at work on <directory>",
        evidence=("pid <number>", "host <name>", "user <name>", "started <time>"),
        why="A run holds the lock of this state directory. The evidence names it.",
        injected="a second bootstrap while a first one waits for a host; then the first is killed, and the second goes on",
        exit_code=8,
        next="ps -fp <number>   shows it; wait for its end",
        remedy="Wait for it to end. The lock of a run that was killed is free at once.",
    ),
    Case(
        name="state-directory-full",
        sees="cannot write <file>: No space left on device  (host operator, phase pki)",
        why="The disk with the state directory is full. No key is used that could not be kept.",
        injected="a file system of a few kilobytes for the keys; it is made larger, and the same command goes on with the keys it has",
        exit_code=8,
        next="free some disk space",
        remedy="Make room. A key is written whole or not at all, so those that are there are good.",
    ),
    Case(
        name="state-of-another-cluster",
        sees="the state directory <directory> belongs to another cluster",
        evidence=("recorded in <file>: <name>", "now: <name>"),
        why="`--state-dir` points at the keys of a cluster with another name, or the inventory was renamed.",
        injected="the keys of a cluster of another name; no host is contacted",
        exit_code=8,
        next="use another --state-dir, or correct the cluster's name in <inventory>",
        remedy="Name the folder this cluster was built with, usually `.hardway/<cluster>`.",
    ),
    Case(
        name="folder-of-somebody-else",
        sees="<directory> is not a hardway state directory and not empty",
        evidence=("<its files>",),
        why="Keys are only put into a folder that is empty or hardway's own.",
        injected="a `--state-dir` with somebody's files in it",
        exit_code=8,
        next="name an empty folder with --state-dir",
        remedy="Choose another folder.",
    ),
    finding(
        "state-lost",
        "LostState",
        "belongs to cluster <name>, whose keys are not in <directory>",
        "restore it from a backup, or give up the cluster: hardway reset <inventory>",
        why="The machines belong to this cluster, but the state directory with its keys is gone.",
        injected="the state directory moved away while the machines keep what is theirs; then it is moved back",
        remedy="Restore the folder from a backup. New keys would lock you out of the data.",
    ),
    finding(
        "other-state",
        "OtherState",
        "was built with another authority than the one in <directory>",
        "use the state directory it was built with; to give that cluster up: hardway reset <inventory> --state-dir EMPTY",
        why="Your state directory holds keys for a cluster of this name, but not those the machines were built with.",
        injected="a state directory of the same name with keys of its own",
        remedy="Use the right folder: somebody else, or you on another computer, built this cluster.",
    ),
)
