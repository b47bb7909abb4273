"""What this machine knows, for a bundle: inventory, versions, status, plan, certificates, the logs of the last runs."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from ... import __version__, plans
from ...errors import AssetError
from ...pki.inspection import sans
from ...plans import look
from ...run.selection import Selection
from ...session import Session

RUNS = 3
TAIL = 1 << 20
Members = Iterator[tuple[str, bytes]]


@dataclass(frozen=True)
class HomeItem:
    """As a host's item, but made here."""

    path: str
    what: str
    members: Callable[[Session], Members]


def inventory(session: Session) -> Members:
    if session.cluster.source:
        yield "inventory.yaml", Path(session.cluster.source).read_bytes()


def versions(session: Session) -> Members:
    wanted = [line.split(";")[0] for line in metadata.requires("hardway") or () if "extra" not in line]
    names = [
        "".join(letter for letter in line.split(">")[0].split("<")[0].split("=")[0] if letter not in " ()")
        for line in wanted
    ]
    libraries = {name: metadata.version(name) for name in names}
    found = {
        "hardway": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "libraries": libraries,
    }
    yield "versions.json", json.dumps(found, indent=2).encode()


def plan(session: Session) -> Members:
    """Of the hosts that answer, and only with what is in the cache already: a bundle fetches nothing."""
    known = session.survey(frozenset())
    if missing := [row.name for row in session.assets.list(known.archs) if row.state != "cached"]:
        raise AssetError(f"the plan needs programs that are not in the cache: {', '.join(missing)}")
    there = tuple(host.name for host in session.cluster.hosts if host.name not in known.away)
    selection = Selection(limit=there)
    found, _ = look(session, selection)
    document = plans.as_document(found, plans.Purpose.of(session.cluster, selection))
    yield "plan.json", "".join(plans.as_json(document)).encode()
    yield "preflight.txt", ("\n".join(map(str, found.findings)) or "no findings").encode()


def certificates(session: Session) -> Members:
    found = {}
    for name in sorted(session.store.names()):
        if name.endswith(".crt"):
            found[name] = _described(session.store.read(name) or b"")
    yield "certificates.json", json.dumps(found, indent=2).encode()


def _described(pem: bytes) -> dict[str, object]:
    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        return {"problem": str(error)}
    return {
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "names": sorted(sans(certificate)),
        "from": certificate.not_valid_before_utc.isoformat(),
        "until": certificate.not_valid_after_utc.isoformat(),
        "sha256": certificate.fingerprint(hashes.SHA256()).hex(),
    }


def runs(session: Session) -> Members:
    newest = sorted((session.state_dir / "logs").glob("*.log"), key=lambda path: path.stat().st_mtime)[-RUNS:]
    for path in newest:
        yield f"logs/{path.name}", path.read_bytes()[-TAIL:]


HOME_ITEMS = (
    HomeItem(
        "inventory.yaml",
        "the inventory as it is; it contains no password, and only the file names of SSH keys",
        inventory,
    ),
    HomeItem("versions.json", "hardway, Python and the libraries that hardway uses", versions),
    HomeItem(
        "plan.json, preflight.txt",
        "what a bootstrap would change, and what preflight finds, on the reachable hosts",
        plan,
    ),
    HomeItem(
        "certificates.json", "each certificate of the state directory: subject, names, dates; no key", certificates
    ),
    HomeItem("logs/", f"the logs of the last {RUNS} runs, if there are any", runs),
)
