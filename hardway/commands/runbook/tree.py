"""Every file of one host in a folder, laid out as on the host, with a list of what a folder cannot hold."""

from __future__ import annotations

import json
from pathlib import Path

from ...assets import AssetStore
from ...assets.placeholders import Placeholders
from ...cluster import Cluster, Host
from ...errors import PkiError, UsageError
from ...phase import Inputs
from ...phases import wanted_on
from ...pki.credentials import Credentials
from ...pki.stand_ins import StandIns
from ...resources import Binary, Block, Directory, File, Image, KernelModule, Packages, Unit, User
from ...resources.base import Resource
from ...run.supposed import assumed
from ...state.statedir import Overlay, StateDir, write_synced

MANIFEST = "MANIFEST.json"


def write_tree(cluster: Cluster, host: Host, state: Path | None, folder: Path) -> list[str]:
    """The paths written, below `folder`; without a state directory one line stands in place of each key and
    certificate.

    UsageError when there are files already, PkiError when the state directory holds no keys.
    """
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty", hint="choose a new folder with -o")
    issued = _credentials(cluster, state)
    credentials = issued.credentials if isinstance(issued, StandIns) else issued
    # What was gathered is listed with its digest, the rest by its name alone.
    inputs = Inputs(cluster, assumed(cluster), credentials, Placeholders(AssetStore(cluster)))
    wanted = {resource.key: resource for resource in wanted_on(inputs, host)}
    entries = [_entry(resource, issued) for resource in wanted.values()]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        written = [_write(resource, folder, issued) for resource in wanted.values()]
        manifest = {
            "schema": 1,
            "host": host.name,
            "secrets": state is not None,
            "entries": [entry for entry in entries if entry],
        }
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be written: {error.strerror}", hint="choose another folder with -o"
        ) from error
    return [path for path in written if path]


def _credentials(cluster: Cluster, state: Path | None) -> Credentials | StandIns:
    """What is in the state directory, which must be complete; or stand-ins, whose bytes are written nowhere."""
    if state is None:
        return StandIns(cluster)
    found = Credentials(cluster, Overlay(StateDir(state)))
    missing = found.plan()
    if missing:
        raise PkiError(f"{state} lacks keys or certificates of cluster {cluster.name}", evidence="\n".join(missing),
                       hint="hardway bootstrap creates them; render needs none without --with-secrets")  # fmt: skip
    return found


def _write(resource: Resource, folder: Path, issued: Credentials | StandIns) -> str:
    if isinstance(resource, File):
        data, mode, name = resource.blob.data or b"", int(resource.mode, 8), resource.path
        if isinstance(issued, StandIns) and (resource.blob.secret or issued.file(data)):
            data = b"# specific to the cluster: hardway render --with-secrets writes it\n"
    elif isinstance(resource, Block):
        data, mode, name = resource.blob.data or b"", 0o644, f"{resource.path}.{resource.mark}-block"
    else:
        return ""
    target = folder / name.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    write_synced(target, data, mode)
    return name


def _entry(resource: Resource, issued: Credentials | StandIns) -> dict[str, object]:
    """One line of the manifest."""
    match resource:
        case File(path, blob, mode, owner, group):
            unknown = blob.secret or isinstance(issued, StandIns) and issued.file(blob.data or b"")
            digest = {} if unknown else {"sha256": blob.sha256}
            return {
                "kind": "file",
                "path": path,
                "mode": mode,
                "owner": owner,
                "group": group,
                "secret": blob.secret,
                **digest,
            }
        case Directory(path, mode, owner, group):
            return {"kind": "directory", "path": path, "mode": mode, "owner": owner, "group": group}
        case Binary(path, blob, mode):
            return {
                "kind": "program",
                "path": path,
                "mode": mode,
                "owner": "root",
                "group": "root",
                "sha256": blob.known_sha256,
            }
        case Block(path, mark):
            return {"kind": "block", "path": path, "mark": mark}
        case Unit(name):
            return {"kind": "unit", "name": name, "uses": sorted(used.path for used in resource.uses)}
        case Image(reference):
            return {"kind": "image", "name": reference}
        case User(name, home):
            return {"kind": "user", "name": name, "home": home}
        case KernelModule(name):
            return {"kind": "module", "name": name}
        case Packages():
            return {"kind": "packages", "names": sorted({package for _, package in resource.tools})}
    return {}
