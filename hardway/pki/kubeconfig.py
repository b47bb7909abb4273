"""Kubeconfig documents: one identity, one cluster, one context, everything embedded; and merging one into a user's own
file."""

from __future__ import annotations

import base64
import contextlib
import datetime
import functools
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from ..errors import PkiError
from ..state.durable import sync_directory, write_synced
from ..state.statedir import StateDir
from .secret import Secret

CA = "certificate-authority-data"
SECTIONS = ("clusters", "users", "contexts")
# No name of a cluster, user or server has an underscore.
MARKS = ("_CA_", "_CERTIFICATE_", "_KEY_")


@dataclass(frozen=True)
class Merge:
    """What a merge did: entries as `section/name`, and the copy of the former file when there was one and it
    changed.

    `strange` says in a line what another cluster of the same name was, which this one has replaced; `context` is the
    one that was current before, where that is another one.
    """

    added: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    backup: Path | None = None
    strange: tuple[str, ...] = ()
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
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": {"certificate-authority-data": MARKS[0], "server": server}}],
        "users": [{"name": user, "user": {"client-certificate-data": MARKS[1], "client-key-data": MARKS[2]}}],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": user}}],
        "current-context": cluster,
        "preferences": {},
    }
    return yaml.safe_dump(content, sort_keys=False)


def merge(into: Path, addition: Secret, *, switch: bool = True) -> Merge:
    """Put the entries of `addition` into the kubeconfig `into` (made when absent), leaving every other entry as it is.

    Entries of the same name are replaced; `switch` makes the new context the current one, which it also becomes when
    there was none. The file is replaced in one step with mode 0600 after a copy was kept beside it; nothing is
    written when nothing would change. PkiError when the file is not a kubeconfig or cannot be written.
    """
    path = Path(into).expanduser()
    path = path.resolve() if path.is_symlink() else path
    try:
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
            f"cannot merge into {path}: {error.strerror or error}", hint="name another file with -o FILE"
        ) from error
    former = str(theirs.get("current-context") or "")
    left = "" if former == content["current-context"] else former
    return Merge(tuple(added), tuple(replaced), backup, tuple(_strange(theirs, ours)), left)


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


def _load(text: bytes, path: Path) -> dict:
    try:
        content = yaml.safe_load(text) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        problem = str(getattr(error, "problem", "")) or "it is not YAML"
        raise PkiError(
            f"{path} is not a kubeconfig: {problem}", hint=f"repair or move {path}, or name another file with -o FILE"
        ) from None
    if not isinstance(content, dict) or not all(_is_section(content.get(section)) for section in SECTIONS):
        raise PkiError(f"{path} is not a kubeconfig", hint=f"repair or move {path}, or name another file with -o FILE")
    return content


def _is_section(entries: object) -> bool:
    return entries is None or (
        isinstance(entries, list) and all(isinstance(entry, dict) and "name" in entry for entry in entries)
    )


def _combined(content: dict, addition: dict, switch: bool) -> tuple[dict, list[str], list[str]]:
    combined, added, replaced = {"apiVersion": "v1", "kind": "Config", **content}, [], []
    for section in SECTIONS:
        entries = list(combined.get(section) or [])
        for new in addition[section]:
            index = next((i for i, old in enumerate(entries) if old["name"] == new["name"]), None)
            if index is None:
                entries.append(new)
                added.append(f"{section}/{new['name']}")
            elif entries[index] != new:
                entries[index] = new
                replaced.append(f"{section}/{new['name']}")
        combined[section] = entries
    if switch or not combined.get("current-context"):
        combined["current-context"] = addition["current-context"]
    return combined, added, replaced


def _strange(theirs: dict, ours: dict) -> Iterator[str]:
    """Each cluster of theirs that has the name of one of ours and another CA."""
    mine = {entry["name"]: entry["cluster"] for entry in ours["clusters"]}
    for entry in theirs.get("clusters") or ():
        new, old = mine.get(str(entry["name"])), entry.get("cluster")
        old = old if isinstance(old, dict) else {}
        if new and old.get(CA) != new[CA]:
            yield f"cluster {entry['name']} at {old.get('server') or 'no server'}, with {_ca(old)}"


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
