"""The chapter after the phases: the records that hardway itself would have written, so that it manages the cluster.

Not part of Kubernetes: without these records hardway would install the same files again and restart what runs.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...cluster import Cluster, Host
from ...phase import Inputs
from ...phases import wanted_on
from ...pki.certificates import authorities
from ...resources import Binary, Directory, File, Unit, User
from ...resources.base import Resource
from .shell import SSH, heredoc
from .writing.document import Code, Heading, Part, Text

VERBS = frozenset({"stamp", "cluster", "check"})

STAMP = (
    "stamp() {\n  unit=$1; shift\n"
    """  for file; do echo "$file $(sha256sum < "$file" | cut -d ' ' -f 1)"; done | """
    """sha256sum | cut -d ' ' -f 1 > "stamps/$unit"\n"""
    "}\n"
)


def handover(inputs: Inputs) -> list[Part]:
    """Notes in the state directory, then on each host."""
    parts: list[Part] = [
        Text(
            "The cluster is complete. If you want hardway to manage it from now on, write the records that hardway "
            "would have written. Afterwards `hardway plan` finds nothing to change, and `hardway reset` knows which "
            "files to remove. A reset keeps packages, because this guide does not know which of them were installed "
            "before."
        ),
        Heading("In the state directory"),
        Text("The cluster of this directory, its CAs and its encryption key. From now on hardway refuses all others."),
        Code(_local(inputs.cluster)),
    ]
    for host in inputs.cluster.hosts:
        parts += [Heading(f"On `{host.name}`"), Code(_remote(inputs, host))]
    parts[4:4] = [
        Text(
            "On each host: its cluster and CA, a digest of the files with which each unit was started, and the files, "
            "directories and users that hardway manages."
        ),
    ]
    return parts


def _local(cluster: Cluster) -> str:
    lines = ["umask 077", f'echo {cluster.name} > "$STATE/cluster"']
    for authority in authorities():
        digest = f'$(openssl x509 -in "$STATE/pki/{authority.name}.crt" -outform DER | sha256sum | cut -d " " -f 1)'
        lines.append(f'echo "sha256:{digest}" > "$STATE/pki/{authority.name}.sha256"')
    if cluster.encryption.provider != "none":
        key = f"$STATE/encryption/{cluster.encryption.provider}-key1"
        lines.append(f'base64 -d < "{key}.key" | sha256sum | cut -d " " -f 1 > "{key}.sha256"')
    lines.append('AUTHORITY=$(printf %s "$(cat "$STATE/pki/ca.crt")" | sha256sum | cut -c 1-16)')
    return "\n".join(lines)


def _remote(inputs: Inputs, host: Host) -> str:
    resources = wanted_on(inputs, host)
    shell = "sudo sh" if host.ssh.user != "root" else "sh"
    script = "".join(
        [
            "set -e; umask 077\n",
            "mkdir -p /var/lib/hardway/stamps /var/lib/hardway/users; cd /var/lib/hardway\n",
            f'echo "{inputs.cluster.name} $1" > cluster\n',
            STAMP,
            *(
                f"stamp {unit.name} {' '.join(sorted(used.path for used in unit.uses))}\n"
                for unit in _kind(resources, Unit)
            ),
            _mark(
                "ours",
                [file.path for file in _kind(resources, File, Binary)],
                '  mkdir -p "ours${path%/*}"; : > "ours$path"',
            ),
            _mark(
                "dirs",
                [folder.path for folder in _kind(resources, Directory)],
                '  mkdir -p "dirs$path"; : > "dirs$path/.made"',
            ),
            *(f": > users/{user.name}\n" for user in _kind(resources, User)),
        ]
    )
    return f'{SSH} {host.name} "{shell} -s $AUTHORITY" {heredoc(script)}'


def _mark(kind: str, paths: Sequence[str], line: str) -> str:
    if not paths:
        return ""
    return f"for path in {(' ' + chr(92) + chr(10) + '  ').join(dict.fromkeys(paths))}; do\n{line}\ndone\n"


def _kind(resources: Sequence[Resource], *kinds: type) -> list:
    return [resource for resource in resources if isinstance(resource, kinds)]
