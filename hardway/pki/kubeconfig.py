"""Kubeconfig documents: one identity, one cluster, one context, everything embedded; and merging one into a user's own
file."""

from __future__ import annotations

import base64
import contextlib
import datetime
import errno
import functools
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from ..errors import PkiError
from ..state.durable import sync_directory, write_synced
from ..state.statedir import StateDir
from .secret import Secret

CA = "certificate-authority-data"
HEAD = {"apiVersion": "v1", "kind": "Config"}
SECTIONS = ("clusters", "users", "contexts")
# No name of a cluster, user or server has an underscore.
MARKS = ("_CA_", "_CERTIFICATE_", "_KEY_")


@dataclass(frozen=True)
class Merge:
    """What a merge did: entries as `section/name`, and the copy of the former file when there was one and it
    changed.

    `strange` says in a line what another cluster of the same name was, which this one has replaced, and `mixed` which
    contexts of the file lead somewhere else since, or as somebody else; `context` is the one that was current before,
    where that is another one.
    """

    added: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    backup: Path | None = None
    strange: tuple[str, ...] = ()
    mixed: tuple[str, ...] = ()
    context: str = ""


def document(cluster: str, user: str, server: str, ca: bytes, certificate: bytes, key: Secret) -> Secret:
    """A kubeconfig as YAML; the cluster and the context are both named `cluster`. Equal inputs give equal bytes."""
    text = _without_keys(cluster, user, server)
    for mark, pem in zip(MARKS, (ca, certificate, key.reveal()), strict=True):
        text = text.replace(mark, base64.b64encode(pem).decode())
    return Secret(text.encode())


@functools.lru_cache(maxsize=64)
def _without_keys(cluster: str, user: str, server: str) -> str:
    """The document with marks for what is long: every letter of it costs YAML's writer time, for each of many hosts."""
    content = {
        **HEAD,
        "clusters": [{"name": cluster, "cluster": {"certificate-authority-data": MARKS[0], "server": server}}],
        "users": [{"name": user, "user": {"client-certificate-data": MARKS[1], "client-key-data": MARKS[2]}}],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": user}}],
        "current-context": cluster,
        "preferences": {},
    }
    return yaml.safe_dump(content, sort_keys=False)


def merge(into: Path, addition: Secret, *, switch: bool = True) -> Merge:
    """Put the entries of `addition` into the kubeconfig `into` (made when absent), leaving every other entry as it is.

    Entries of the same name are replaced, but what a context of the same cluster says besides stays. `switch` makes the
    new context the current one, which it also becomes when there was none. The file is replaced in one step with mode
    0600 after a copy was kept beside it; nothing is written when nothing would change. PkiError when the file is not a
    kubeconfig or cannot be written.
    """
    path = Path(into).expanduser()
    path = path.resolve() if path.is_symlink() else path
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise OSError(errno.EINVAL, "it is no file")  # a FIFO would never end, and a device would become a file
        before = path.read_bytes() if path.exists() else b""
        theirs, ours = _load(before, path), yaml.safe_load(addition.reveal())
        content, added, replaced = _combined(theirs, ours, switch)
        if before and content == theirs:
            path.chmod(0o600)  # our key may be in it since a merge, whoever has opened it to others since
            return Merge()
        backup = _backup(path) if before else None
        _write(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode())
    except OSError as error:
        raise PkiError(
            f"cannot merge into {path}: {error.strerror or error}", hint="name another file: --merge FILE"
        ) from error
    former = str(theirs.get("current-context") or "")
    left = "" if former == content["current-context"] else former
    strange = {entry["name"]: entry for entry in _strange(theirs, ours)}
    mixed = tuple(_mixed(theirs, ours, frozenset(strange), frozenset(replaced)))
    return Merge(tuple(added), tuple(replaced), backup, tuple(map(_described, strange.values())), mixed, left)


def users_own() -> Path:
    """The kubeconfig that kubectl would add to: the first of KUBECONFIG's files that exists, or its last; else
    ~/.kube/config.

    The files of state directories (`hardway env` sets them) are passed over: they are their cluster's and nobody's to
    add to.
    """
    named = [Path(name).expanduser() for name in os.environ.get("KUBECONFIG", "").split(os.pathsep) if name]
    theirs = [path for path in named if not StateDir(path.parent).ours]
    there = [path for path in theirs if path.exists()]
    return [*there, *reversed(theirs), Path("~/.kube/config").expanduser()][0]


def _load(data: bytes, path: Path) -> dict:
    try:
        content = yaml.safe_load(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise _foreign(path, "it is not UTF-8") from None
    except yaml.YAMLError as error:
        raise _foreign(path, str(getattr(error, "problem", "")) or "it is not YAML") from None
    if content is None:
        return {}
    if wrong := next(_faults(content), ""):
        raise _foreign(path, wrong)
    return content


def _faults(content: Any) -> Iterator[str]:
    """Why kubectl would not read it, or it is something else."""
    if not isinstance(content, dict):
        yield "it is no mapping"
        return
    if content and not {*SECTIONS, *HEAD} & content.keys():
        yield f"it has none of the keys {', '.join((*SECTIONS, *HEAD))}"
    for key, ours in HEAD.items():
        if content.get(key) not in (None, "", ours):
            yield f"its {key} is {content[key]}"
    for section in SECTIONS:
        yield from (f"{section}: {fault}" for fault in _faults_of(content.get(section)))


def _faults_of(entries: Any) -> Iterator[str]:
    if entries is not None and not isinstance(entries, list):
        yield "it is no list"
        return
    names: set[str] = set()
    for number, entry in enumerate(entries or (), 1):
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            yield f"entry {number} has no name" if name is None else f"the name of entry {number} is no string"
        elif name in names:
            yield f"it has {name} twice"
        else:
            names.add(name)


def _foreign(path: Path, why: str) -> PkiError:
    return PkiError(f"{path} is not a kubeconfig: {why}", hint=f"repair or move {path}, or name another: --merge FILE")


def _combined(content: dict, addition: dict, switch: bool) -> tuple[dict, list[str], list[str]]:
    combined, added, replaced = {**HEAD, **content, **HEAD}, [], []
    for section in SECTIONS:
        entries = list(combined.get(section) or [])
        for new in addition[section]:
            index = next((i for i, old in enumerate(entries) if old["name"] == new["name"]), None)
            if index is None:
                entries.append(new)
                added.append(f"{section}/{new['name']}")
            elif entries[index] != (new := _kept(entries[index], new)):
                entries[index] = new
                replaced.append(f"{section}/{new['name']}")
        combined[section] = entries
    if switch or not combined.get("current-context"):
        combined["current-context"] = addition["current-context"]
    return combined, added, replaced


def _kept(old: dict, new: dict) -> dict:
    """The new entry with what the old one says of the same cluster besides, such as a context's namespace."""
    former, context = old.get("context"), new.get("context")
    if context and isinstance(former, dict) and former.get("cluster") == context["cluster"]:
        return {**old, "context": {**former, **context}}
    return new


def _strange(theirs: dict, ours: dict) -> Iterator[dict]:
    """Each cluster of theirs that has the name of one of ours and another CA."""
    mine = {entry["name"]: entry["cluster"] for entry in ours["clusters"]}
    for entry in theirs.get("clusters") or ():
        new = mine.get(entry["name"])
        if new and _inner(entry, "cluster").get(CA) != new[CA]:
            yield entry


def _described(entry: dict) -> str:
    old = _inner(entry, "cluster")
    return f"cluster {entry['name']} at {old.get('server') or 'no server'}, with {_ca(old)}"


def _mixed(theirs: dict, ours: dict, strange: frozenset[str], replaced: frozenset[str]) -> Iterator[str]:
    """Each context besides ours of whose two entries one has been replaced by one for another cluster."""
    mine = {entry["name"] for entry in ours["contexts"]}
    for entry in theirs.get("contexts") or ():
        context = _inner(entry, "context")
        cluster, user = str(context.get("cluster")), str(context.get("user"))
        renewed = f"users/{user}" in replaced
        if entry["name"] not in mine and strange and (cluster in strange, renewed) in ((True, False), (False, True)):
            changed = f"cluster {cluster}" if cluster in strange else f"user {user}"
            yield f"context {entry['name']} uses cluster {cluster} as user {user}, and its {changed} is another one now"


def _inner(entry: dict, key: str) -> dict:
    """What an entry holds; somebody's file may hold anything there."""
    inner = entry.get(key)
    return inner if isinstance(inner, dict) else {}


def _ca(cluster: dict) -> str:
    """A cluster's CA as it can be compared with `openssl x509 -fingerprint -sha256`."""
    try:
        pem = base64.b64decode(str(cluster[CA]), validate=True)
        return f"the CA {x509.load_pem_x509_certificate(pem).fingerprint(hashes.SHA256()).hex(':').upper()[:23]}..."
    except KeyError:
        return "the CA in a file" if cluster.get("certificate-authority") else "no CA"
    except ValueError:
        return "a CA that cannot be read"


def _backup(path: Path) -> Path:
    moment = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    backup = path.with_name(f"{path.name}.before-{moment}")
    write_synced(backup, path.read_bytes(), 0o600)
    shutil.copystat(path, backup)
    backup.chmod(0o600)
    return backup


def _write(path: Path, data: bytes) -> None:
    if not path.parent.exists():
        path.parent.mkdir(mode=0o700, parents=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        write_synced(temporary, data, 0o600)
        os.rename(temporary, path)
        sync_directory(path.parent)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
