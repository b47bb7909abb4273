"""kubectl on this computer: what is installed, what is never touched, and what an interruption leaves."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from hardway.assets.asset import Asset
from hardway.commands import kubectl
from hardway.errors import AssetError, UsageError

CLUSTER = SimpleNamespace(versions=SimpleNamespace(kubernetes="1.37.2"))
PROGRAM = '#!/bin/sh\n[ "$1" = completion ] && echo "# $2 completion of {}"\n'


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A home directory, and a program that is kubectl enough."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", "/bin/bash")
    monkeypatch.setenv("PATH", f"{tmp_path}/.local/bin:/usr/bin:/bin")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    offer(tmp_path, monkeypatch, "1.37.2")
    return tmp_path


def offer(home: Path, monkeypatch, version: str, digest: str = "") -> None:
    """What the cache has."""
    file = home / f"kubectl-{version}"
    file.write_text(PROGRAM.format(version))
    sha256 = digest or hashlib.sha256(file.read_bytes()).hexdigest()
    asset = Asset("kubernetes", "kubectl", version, "amd64", file, sha256, file.stat().st_size, "")
    monkeypatch.setattr(kubectl, "_asset", lambda cluster: asset)


def install(path: Path, force: bool = False) -> str:
    return "\n".join(kubectl.install(CLUSTER, path, force))


def files(home: Path) -> set[str]:
    return {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()} - {"kubectl-1.37.2"}


COMPLETION = ".local/share/bash-completion/completions/kubectl"
RECORD = ".local/share/hardway/kubectl.json"


def test_it_is_installed_with_its_completion_and_removed_without_a_trace(home):
    path = kubectl.place(None)
    said = install(path)
    assert path == home / ".local/bin/kubectl" and path.stat().st_mode & 0o777 == 0o755
    assert "installed kubectl 1.37.2 for amd64" in said and "not in PATH" not in said
    assert (home / COMPLETION).read_text() == "# bash completion of 1.37.2\n"
    assert "already" in install(path)
    assert files(home) == {".local/bin/kubectl", COMPLETION, RECORD}
    kubectl.uninstall(path)
    assert files(home) == {RECORD} and json.loads((home / RECORD).read_text()) == {}


def test_another_version_takes_the_place_of_the_one_that_was_installed(home, monkeypatch):
    path = home / "bin/kubectl"
    assert "is not in PATH" in install(path)
    offer(home, monkeypatch, "1.37.3")
    assert "installed kubectl 1.37.3" in install(path)
    assert "1.37.3" in path.read_text() and "1.37.3" in (home / COMPLETION).read_text()


def test_an_interruption_between_the_note_and_the_file_is_continued(home, monkeypatch):
    path = home / "bin/kubectl"
    install(path)
    offer(home, monkeypatch, "1.37.3")
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", lambda self, target: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            install(path)
    assert "1.37.2" in path.read_text()
    assert "installed kubectl 1.37.3" in install(path)


@pytest.mark.parametrize("kind", ["file", "link", "broken link"])
def test_another_program_is_never_overwritten_without_being_told(home, kind):
    path, other = home / "kubectl", home / "mine"
    other.write_text("mine")
    if kind == "file":
        other.rename(path)
    else:
        path.symlink_to(other if kind == "link" else home / "nothing")
    with pytest.raises(UsageError, match="is another program"):
        install(path)
    with pytest.raises(UsageError, match="has not installed"):
        kubectl.uninstall(path)
    assert not (home / RECORD).exists()
    assert "is kept as" in install(path, force=True)
    assert "before-hardway" in str(files(home)) or path.with_name("kubectl.before-hardway").is_symlink()
    assert "again the program" in "\n".join(kubectl.uninstall(path))
    assert path.is_symlink() if kind != "file" else path.read_text() == "mine"


def test_what_was_changed_since_is_no_longer_ours(home):
    path = home / "bin/kubectl"
    install(path)
    path.write_text("theirs")
    with pytest.raises(UsageError, match="not what hardway installed"):
        kubectl.uninstall(path)
    with pytest.raises(UsageError, match="is another program"):
        install(path)
    assert path.read_text() == "theirs" and (home / COMPLETION).exists()


def test_a_completion_of_somebody_else_stays(home):
    (home / COMPLETION).parent.mkdir(parents=True)
    (home / COMPLETION).write_text("mine")
    assert "is not from hardway" in install(home / "bin/kubectl")
    kubectl.uninstall(home / "bin/kubectl")
    assert (home / COMPLETION).read_text() == "mine"


def test_a_copy_with_another_checksum_is_not_installed(home, monkeypatch):
    offer(home, monkeypatch, "1.37.2", digest="0" * 64)
    with pytest.raises(AssetError, match="changed while it was copied"):
        install(home / "bin/kubectl")
    assert files(home) == set()


@pytest.mark.parametrize(("shell", "said"), [("/bin/ksh", "SHELL is ksh"), ("", "SHELL is not set")])
def test_a_shell_without_completion_is_named(home, monkeypatch, shell, said):
    monkeypatch.setenv("SHELL", shell)
    assert said in install(home / "bin/kubectl") and files(home) == {"bin/kubectl", RECORD}


@pytest.mark.parametrize(("system", "machine"), [("Darwin", "arm64"), ("Linux", "riscv64")])
def test_a_computer_for_which_there_is_none_is_told_so(monkeypatch, system, machine):
    monkeypatch.setattr(kubectl.platform, "system", lambda: system)
    monkeypatch.setattr(kubectl.platform, "machine", lambda: machine)
    with pytest.raises(UsageError, match=f"this computer is {system} on {machine}"):
        kubectl.install(CLUSTER, Path("/nowhere/kubectl"), False)


def test_a_damaged_record_is_named(home):
    install(home / "bin/kubectl")
    (home / RECORD).write_text("{")
    with pytest.raises(UsageError, match="kubectl.json is damaged"):
        kubectl.uninstall(home / "bin/kubectl")
