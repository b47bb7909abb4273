"""Certificates that a CA signs whose key is not here: what is asked for, what comes back. Keys stay where they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ...cluster import Cluster
from ...errors import PkiError, UsageError
from ...pki.authority import Signer, open_signer
from ...pki.certificates import authorities
from ...pki.credentials import Credentials
from ...pki.inspection import authority_fault
from ...pki.issuing import fingerprint
from ...pki.leaf import Leaf
from ...pki.reading import parsed
from ...pki.requests import faults
from ...report import plural
from ...state.store import Overlay, Store
from .choosing import chosen, leaves

GUIDE = "README.txt"


def csr(cluster: Cluster, store: Store, folder: Path, names: Sequence[str], all_: bool, keep_keys: bool) -> list[str]:
    """Write a request for each certificate that is meant, or else for those that are to be signed elsewhere now; the
    paths below `folder`. UsageError when there is none, or the folder cannot be written.

    A certificate of the API keeps the names it has: no host is asked here which of them clients still use.
    """
    Credentials(cluster, store).refuse_other_cluster()
    every = leaves(cluster, store)
    wanted = chosen(every, names, all_) if names or all_ else _due(cluster, store, every)
    if not wanted:
        raise UsageError(
            "no certificate has to be signed elsewhere now",
            hint="name the certificates, or add --all; hardway certs list INV   shows the names",
        )
    some = {name: replace(every[name], kept=frozenset()) for name in wanted}
    requests = {f"{_place(leaf)}.csr": leaf.request(keep_keys) for leaf in some.values()}
    texts = {**requests, GUIDE: _guide(cluster, some).encode()}
    try:
        for name, content in texts.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    except OSError as error:
        raise UsageError(
            f"cannot write to {folder}: {error.strerror}", hint="choose another folder with --out"
        ) from error
    return list(texts)


def _due(cluster: Cluster, store: Store, every: Mapping[str, Leaf]) -> list[str]:
    """Those that must be issued, by a CA whose key is not here."""
    found = []
    for name, leaf in every.items():
        signer = _signer(leaf.row.ca, cluster, store)
        if not (signer and signer.key) and _lacking(leaf, signer):
            found.append(name)
    return found


def _lacking(leaf: Leaf, signer: Signer | None) -> bool:
    return leaf.store.read(f"{leaf.path}.crt") is None or bool(signer and leaf.fault(signer))


def _signer(name: str, cluster: Cluster, store: Store) -> Signer | None:
    """The CA of that name, if it is here; none is made."""
    there = store.read(f"pki/{name}.crt") is not None
    return open_signer(name, cluster.pki, Overlay(store), []) if there else None


def _place(leaf: Leaf) -> str:
    """Where it is in the folder, as below pki/ of the state directory."""
    return leaf.path.removeprefix("pki/")


def _guide(cluster: Cluster, some: Mapping[str, Leaf]) -> str:
    lines = [
        f"Requests for certificates of the cluster {cluster.name}. No key is here, and none is needed.",
        "",
        "Have each file NAME.csr signed by its CA, and put the certificate (PEM) beside it as NAME.crt. With openssl:",
        "  openssl x509 -req -in NAME.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -copy_extensions copy "
        "-out NAME.crt",
        "Where a CA is new to this cluster, add its own certificate: ca.crt, etcd-ca.crt or front-proxy-ca.crt.",
        f"Then: hardway certs import {cluster.source or 'INV'} FOLDER",
        "",
    ]
    for name, leaf in some.items():
        profile = leaf.profile
        lines += [
            f"{_place(leaf)}.csr   {name}",
            f"  signed by  {leaf.row.ca}",
            f"  usages     {', '.join(profile.usages)}",
        ]
        lines += [f"  names      {', '.join(profile.sans)}"] if profile.sans else []
    return "\n".join([*lines, ""])


def import_(cluster: Cluster, store: Store, folder: Path) -> list[str]:
    """Store every certificate (NAME.crt) in a folder that was asked for, and CAs that are new; what changed.

    PkiError naming everything that is wrong with any of them: then none is stored.
    """
    Credentials(cluster, store).refuse_other_cluster()
    given, every = _given(folder), {f"{_place(leaf)}.crt": leaf for leaf in leaves(cluster, store).values()}
    cas = {f"{authority.name}.crt": authority.name for authority in authorities()}
    found = [f"{name}: no certificate of this cluster is called so" for name in given if name not in every | cas]
    trial = Overlay(store)
    for name in (name for name in cas if name in given):
        found += [f"{name}: {why}" for why in _authority_faults(cas[name], given[name], cluster, trial)]
    for name, leaf in ((name, every[name]) for name in given if name in every):
        leaf.complete()
        found += [f"{name}: {why}" for why in faults(leaf, given[name], _signer(leaf.row.ca, cluster, trial))]
    if found:
        raise PkiError(
            f"nothing was imported: {plural(len(found), 'fault')} in the files of {folder}",
            evidence="\n".join(found),
            hint="correct these files and import them again; hardway certs csr INV --out DIR   makes new requests",
        )
    return [*_keep_authorities(store, cas, given), *_keep_leaves(every, given)]


def _given(folder: Path) -> dict[str, bytes]:
    try:
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.crt"))}
    except OSError as error:
        raise UsageError(f"cannot read {folder}: {error.strerror}", hint="name a folder with certificates") from error
    if not files:
        raise UsageError(
            f"there is no certificate (NAME.crt) in {folder}", hint="hardway certs csr INV --out DIR   makes requests"
        )
    return files


def _authority_faults(name: str, pem: bytes, cluster: Cluster, trial: Store) -> list[str]:
    """Why a CA cannot be taken; one that is new is put into the copy in memory, by which its leaves are judged."""
    certificate = next(iter(parsed(pem)), None)
    if certificate is None:
        return ["it is not a readable certificate"]
    if fault := authority_fault(certificate):
        return [fault]
    here = _signer(name, cluster, trial)
    if here is None:
        trial.create(f"pki/{name}.crt", pem)
        return []
    same = fingerprint(here.certificate) == fingerprint(certificate)
    return [] if same else ["this cluster has another CA, which an import never replaces"]


def _keep_authorities(store: Store, cas: Mapping[str, str], given: Mapping[str, bytes]) -> list[str]:
    new = [name for name in cas if name in given and store.read(f"pki/{name}") is None]
    for name in new:
        store.create(f"pki/{name}", given[name])
    return [f"pki/{name}: CA imported" for name in new]


def _keep_leaves(every: Mapping[str, Leaf], given: Mapping[str, bytes]) -> list[str]:
    new = [name for name in every if name in given and every[name].read().cert != given[name]]
    for name in new:
        every[name].keep(given[name])
    return [f"pki/{name}: imported" for name in new]
