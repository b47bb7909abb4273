"""`hardway kubectl`: the cluster's own kubectl on this computer, with its completion, and away again.

What was written is noted beside the user's other data, each file with its checksum: only that is ever replaced or
removed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from ..assets import AssetStore
from ..assets.asset import Asset
from ..cluster import Cluster
from ..errors import AssetError, UsageError
from ..facts import ARCHITECTURES
from ..state.durable import sync_directory
from ..state.growing import growing, sweep

KEPT = ".before-hardway"
PIECE = 1 << 20
SECONDS = 60.0
# Where each shell looks for completions of a user's own, below the home directory.
COMPLETIONS = {
    "bash": ".local/share/bash-completion/completions/kubectl",
    "zsh": ".local/share/zsh/site-functions/_kubectl",
    "fish": ".config/fish/completions/kubectl.fish",
}
LOADED = {"zsh": "zsh reads it when ~/.zshrc has, before compinit: fpath=(~/.local/share/zsh/site-functions $fpath)"}


def place(target: str | None) -> Path:
    """The file that is meant: a folder, there or named with a slash at its end, is where `kubectl` goes."""
    named = target or "~/.local/bin/"
    path = Path(named).expanduser().absolute()
    return path / "kubectl" if named.endswith(os.sep) or path.is_dir() else path


def install(cluster: Cluster, path: Path, force: bool) -> list[str]:
    """Put kubectl and its completion in place; what was done, as sentences.

    UsageError when another program is there, AssetError when kubectl is not in the cache or was not copied whole.
    """
    asset = _asset(cluster)
    return [*_program(asset, path, force), *_completion(path), *_reached(path)]


def uninstall(path: Path) -> list[str]:
    """Remove what `install` has put there; UsageError when that is something else."""
    noted = _noted()
    files = [path, *(Path(name) for name, one in noted.items() if one["of"] == str(path) and name != str(path))]
    if str(path) not in noted:
        raise UsageError(f"hardway has not installed {path}, so it stays", hint="hardway kubectl -h")
    if changed := [str(one) for one in files if one.exists() and not _installed(one, _sha256(one))]:
        raise UsageError(
            f"{', '.join(changed)} is not what hardway installed, so nothing was removed",
            hint=f"remove it yourself if you need it no more: rm {' '.join(changed)}",
        )
    for one in files:
        one.unlink(missing_ok=True)
    _note({name: about for name, about in noted.items() if about["of"] != str(path)})
    return [*(f"removed {one}" for one in files), *_put_back(path)]


def _put_back(path: Path) -> Iterator[str]:
    kept = path.with_name(path.name + KEPT)
    if os.path.lexists(kept):
        kept.rename(path)
        yield f"{path} is again the program that was there before"


def _asset(cluster: Cluster) -> Asset:
    version, system, machine = cluster.versions.kubernetes, platform.system(), platform.machine()
    if system != "Linux" or machine not in ARCHITECTURES:
        raise UsageError(
            f"hardway has kubectl for Linux on {' and '.join(ARCHITECTURES)} only, and this computer is {system} on"
            f" {machine}",
            hint=f"install kubectl {version} for it as kubernetes.io describes; its kubeconfig: hardway kubeconfig INV",
        )
    return AssetStore(cluster).binary("kubectl", ARCHITECTURES[machine])


def _program(asset: Asset, path: Path, force: bool) -> Iterator[str]:
    there = _sha256(path) if path.exists() else ""
    if there == asset.sha256:
        yield f"{path} is kubectl {asset.version} already (sha256 {asset.sha256})"
        return
    if os.path.lexists(path) and not _installed(path, there):
        yield _aside(path, force)
    _written(path, asset)
    yield f"installed kubectl {asset.version} for {asset.arch} as {path} (sha256 {asset.sha256}, checked)"


def _installed(path: Path, digest: str) -> bool:
    """Whether it is what was written, or was to be replaced when that was interrupted."""
    one = _noted().get(str(path), {})
    return digest != "" and digest in (one.get("sha256"), one.get("was"))


def _aside(path: Path, force: bool) -> str:
    """Keep another program; only when that was asked for."""
    kept = path.with_name(path.name + KEPT)
    if not force or os.path.lexists(kept):
        hint = f"move {kept} away first" if force else "choose another place: --install PATH; or replace it: --force"
        raise UsageError(f"{path} is another program, and was not overwritten", hint=hint)
    path.rename(kept)
    return f"the program that was {path} is kept as {kept}"


def _written(path: Path, asset: Asset) -> None:
    """Copy it beside its place, compare the checksum, and let it take the place in one step."""
    digest = hashlib.sha256()
    with _replacing(path, 0o755) as copy, asset.path.open("rb") as source:
        while piece := source.read(PIECE):
            digest.update(piece)
            copy.write(piece)
        if digest.hexdigest() != asset.sha256:
            raise AssetError(f"{asset.path} changed while it was copied", hint="hardway assets verify INV")
        _note({**_noted(), str(path): _about(path, asset.sha256, path)})


@contextlib.contextmanager
def _replacing(path: Path, mode: int) -> Iterator[BinaryIO]:
    """A file that takes the place of another when it is whole; what killed runs have left beside it is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent)
    with growing(path) as (part, file):
        yield file
        file.flush()
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())
        part.replace(path)
        sync_directory(path.parent)


def _completion(path: Path) -> Iterator[str]:
    """For the shell that the user has; another's file is left alone."""
    shell = Path(os.environ.get("SHELL", "")).name
    if shell not in COMPLETIONS:
        yield f"no completion: SHELL is {shell or 'not set'}; for another shell: {path} completion -h"
        return
    file = Path.home() / COMPLETIONS[shell]
    if os.path.lexists(file) and not _installed(file, _sha256(file)):
        yield f"{file} is not from hardway, so it stays as it is"
        return
    try:
        done = subprocess.run([path, "completion", shell], capture_output=True, timeout=SECONDS, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        yield f"no completion: {path} completion {shell} failed: {error}"
        return
    _completed(file, done.stdout, path)
    yield f"installed its completion for {shell} as {file}"
    yield from filter(None, [LOADED.get(shell)])


def _about(file: Path, digest: str, program: Path) -> dict[str, str]:
    """What is noted before a file is replaced: also what it is until then."""
    return {"sha256": digest, "was": _sha256(file), "of": str(program)}


def _completed(file: Path, content: bytes, program: Path) -> None:
    _note({**_noted(), str(file): _about(file, hashlib.sha256(content).hexdigest(), program)})
    _replaced(file, content)


def _replaced(file: Path, content: bytes) -> None:
    with _replacing(file, 0o644) as new:
        new.write(content)


def _reached(path: Path) -> Iterator[str]:
    if str(path.parent) not in os.environ.get("PATH", "").split(os.pathsep):
        yield f'{path.parent} is not in PATH: export PATH="{path.parent}:$PATH"'


def _sha256(path: Path) -> str:
    """Empty for what cannot be read as a file."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _record() -> Path:
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "hardway/kubectl.json"


def _noted() -> Mapping[str, dict[str, str]]:
    """Each file that was written, with its checksum and the program that it belongs to; UsageError when damaged."""
    try:
        return json.loads(_record().read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError:
        hint = f"remove it: rm {_record()}   hardway then leaves every kubectl alone that it has installed"
        raise UsageError(f"{_record()} is damaged", hint=hint) from None


def _note(found: Mapping[str, dict[str, str]]) -> None:
    _replaced(_record(), json.dumps(found, indent=2).encode())
