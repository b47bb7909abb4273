"""Whether every Secret stays readable: keys that only a host has, and API servers that cannot learn a new key in this
run."""

from __future__ import annotations

from collections.abc import Iterator

from ..cluster import Host
from ..errors import PkiError
from ..facts import Facts
from ..living.encryption import CONFIG, in_file, ours
from ..phase import Inputs
from ..pki.encryption import file_of, kind_of, of_hardway
from ..pki.encryption.retirement import retired
from .finding import ClusterCheck, HostCheck

Found = Iterator[tuple[str, str]]
FoundOn = Iterator[tuple[Host, str, str]]
TO_READ = (
    "existing ones stay as they are until you write them again: kubectl get secrets -A -o json | kubectl replace -f -"
)


def foreign_keys(inputs: Inputs, host: Host, facts: Facts) -> Found:
    """Somebody rotated a key by hand, or the state directory lost one: our configuration could not read everything."""
    if host not in _concerned(inputs) or inputs.credentials.store.read("pki/ca.crt") is None:
        return
    try:
        foreign = inputs.encryption.foreign(host)
    except PkiError as error:
        yield error.message, error.hint
    else:
        where = inputs.credentials.store.where("encryption")
        if foreign:
            yield f"{CONFIG} has {', '.join(foreign)}, which is not in {where}", _remedy(inputs, host, foreign[0])


def _remedy(inputs: Inputs, host: Host, foreign: str) -> str:
    key, keys = foreign.partition("=")[0], inputs.credentials.encryption_keys()
    if of_hardway(key) and kind_of(key) not in map(kind_of, keys):
        file = inputs.credentials.store.where(file_of(key))
        return f"restore the state directory from a backup, or copy the secret of that key from {host.name} to {file}"
    by_hand = "return to the keys of hardway first: docs/operating.md, A key that hardway did not create"
    if of_hardway(key) and key not in keys:
        return f"{by_hand}; or, if a rotation ran on another computer, copy its state directory here"
    return by_hand


def strange_process(inputs: Inputs, host: Host, facts: Facts) -> Found:
    if _is_judged(inputs, host) and not inputs.encryption.foreign(host) and inputs.encryption.strange(host):
        what = "runs kube-apiserver with an encryption configuration that hardway did not write"
        yield what, "with the former encryption.provider: hardway bootstrap INV; or: systemctl restart kube-apiserver"


def change(inputs: Inputs, host: Host, facts: Facts) -> Found:
    """What a new provider means, said once in a run: of the first host that does not write with it."""
    if inputs.lives.loaded is None or not _is_judged(inputs, host):
        return
    encryption = inputs.encryption
    wanted = encryption.wanted
    now = {one: encryption.writer(one) for one in _judged(inputs) if one in encryption.servers}
    if host == next((one for one, writer in now.items() if writer != wanted), None):
        learn = "every API server learns to read it first (encryption-read), then writes it (control-plane)"
        how = learn if encryption.learners else "every API server can read it"
        yield _another(now[host], wanted, how)


def _another(now: str, wanted: str, how: str) -> tuple[str, str]:
    """Another provider, or another key of the same one: a rotation writes the existing Secrets again itself."""
    if kind_of(now) != kind_of(wanted):
        return f"writes Secrets with {kind_of(now)}, the inventory says {kind_of(wanted)}: {how}", TO_READ
    rotate = "hardway encryption rotate INV   continues the rotation, and writes the existing ones again"
    return f"writes Secrets with {now}, and the newest key is {wanted}: {how}", rotate


def retired_key(inputs: Inputs, host: Host, facts: Facts) -> Found:
    """Its machine was put back to an image from before a rotation: what it writes, the others cannot read."""
    if host not in _concerned(inputs):
        return
    gone, first = retired(inputs.credentials.store), next(iter(in_file(facts)), "")
    if first in gone:
        what = f"writes Secrets with {first}, which is retired since {gone[first].since}: others cannot read them"
        yield what, "hardway encryption rotate INV   lets all read with that key and writes them again"


def unreadable(inputs: Inputs, hosts: list[Host]) -> FoundOn:
    """API servers that could not read what others write after this run, because it leaves them out."""
    for host in _judged(inputs)[:1]:
        reached = [one for one in inputs.among(inputs.cluster.control_plane) if one in hosts]
        left = [one for one in inputs.encryption.learners if one not in reached]
        if left:
            names, wanted = ", ".join(one.name for one in left), inputs.encryption.wanted
            away = [one.name for one in left if one not in hosts]
            first = f"make {away[0]} reachable, then" if away else "for all control-plane hosts"
            what = f"cannot write Secrets with {wanted} yet: kube-apiserver on {names} may be unable to read them"
            yield host, what, f"{first}: hardway bootstrap INV; or go back to the former encryption.provider"


def _judged(inputs: Inputs) -> list[Host]:
    """The control-plane hosts of this run, as long as the state directory has all its keys."""
    try:
        inputs.credentials.encryption_keys()
    except PkiError:
        return []
    return _concerned(inputs)


def _is_judged(inputs: Inputs, host: Host) -> bool:
    """The same of one host; keys are read for those alone that have any."""
    return host in _concerned(inputs) and host in _judged(inputs)


def _concerned(inputs: Inputs) -> list[Host]:
    hosts = inputs.among(inputs.cluster.control_plane) if ours(inputs.cluster) else ()
    return [host for host in hosts if inputs.encryption.of(host).known]


CHECKS = (
    HostCheck("EncryptionKey", "hardway has every encryption key that an API server uses.", foreign_keys),
    HostCheck(
        "EncryptionUnknown",
        "Every API server's encryption configuration is one that hardway understands.",
        strange_process,
    ),
    HostCheck("EncryptionRetired", "No API server writes with an encryption key that is retired.", retired_key),
    HostCheck("Encryption", "Another encryption provider needs more than one pass.", change, warning=True),
)
TOGETHER = (
    ClusterCheck(
        "EncryptionUnread", "Before encryption keys change, every API server reports which keys it has.", unreadable
    ),
)
