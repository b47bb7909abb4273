"""Snapshots of etcd, and the way back to one.

Nothing is stopped before the file, the cluster and every host are found to fit.
"""

from ..case import Case

CASES = (
    Case(
        name="snapshot-damaged",
        sees="<file> is damaged: its checksum is not that of its content",
        evidence=("at its end <digest>", "found     <digest>"),
        why="The file has changed since etcd sent it: a faulty disk, a copy that was changed on its way.",
        injected="one byte of a snapshot is changed",
        exit_code=8,
        next="use another snapshot; this one has changed since etcd sent it",
        remedy="`hardway etcd backup` verifies each file before it gets its name. Copy it again, or use another one.",
    ),
    Case(
        name="snapshot-without-checksum",
        sees="<file> is not a whole snapshot: etcd's checksum is missing at its end",
        evidence=("<number> bytes; a whole snapshot has 32 bytes more than a multiple of 512",),
        why="The file was cut short, or is a copy of a member's own database, which has no checksum.",
        injected="a snapshot without its last 32 bytes",
        exit_code=8,
        next=(
            "use another snapshot; if it is a copy of the file member/snap/db of a member that was stopped, add the"
            " checksum: (cat <file>; openssl dgst -sha256 -binary <file>) > NEW"
        ),
        remedy=(
            "Add the checksum only to the file of a member that was stopped when it was copied: else its content is a"
            " mixture. For a member that is left, `hardway etcd restore INV --from-member HOST` does all of it."
        ),
    ),
    Case(
        name="snapshot-of-another-cluster",
        sees="<file> is a snapshot of another cluster",
        evidence=("it does not contain <uid>, the UID of kube-system of this cluster",),
        why="The file is another cluster's, or this cluster was created again since: all its objects are others.",
        injected="a snapshot without the UID of kube-system",
        exit_code=9,
        next=(
            "use a snapshot of this cluster; to restore it here anyway: hardway etcd restore <inventory> FILE"
            " --of-another-cluster <name>"
        ),
        remedy=(
            "Nothing was stopped. `FILE.json` beside the snapshot says which cluster it is of. With"
            " `--of-another-cluster` this cluster becomes a copy of the other one."
        ),
    ),
    Case(
        name="backup-damaged",
        sees="<file> is damaged or cut: it is not as it was written",
        why="The file has changed since hardway wrote it: a faulty disk, a copy that was cut on its way.",
        injected="one byte of a backup of a whole cluster is changed; then its end is missing",
        exit_code=8,
        next="use another copy of the file, or an older backup",
        remedy="Nothing of such a file is ever used. Keep two copies; `age -d -i KEY FILE | tar -t` tries one.",
    ),
    Case(
        name="backup-other-key",
        sees="<file> is encrypted to other recipients than this identity",
        why="The private key belongs to none of the public keys that the backup was encrypted to.",
        injected="a backup is opened with a key of somebody else",
        exit_code=8,
        next="name the file with a recipient's private key: --identity FILE",
        remedy="Nobody can open it without one of these keys. Give two recipients when you save the next one.",
    ),
    Case(
        name="backup-wrong-passphrase",
        sees="the passphrase does not open <file>",
        why="It is another passphrase than that of the day on which the backup was written.",
        injected="a backup is opened with another passphrase",
        exit_code=8,
        next="type it again; it must be that of the day",
        remedy="Nobody can open it without the passphrase.",
    ),
    Case(
        name="restore-not-finished",
        sees="[etcd-restore] a restore of etcd began at <time> and is not finished (snapshot with sha256 <digest>)",
        evidence=("noted on <hosts>",),
        why=(
            "`hardway etcd restore` was killed, or lost its network or a host. It had stopped the control plane and"
            " etcd, and they stay stopped, also after a reboot."
        ),
        injected="a restore is killed while the snapshot is restored; then the same command continues it",
        exit_code=7,
        next="hardway etcd restore <inventory> FILE   with that snapshot continues it; another snapshot replaces it",
        remedy="Run the same command again. See [Operating a running cluster](operating.md#restore).",
    ),
)
