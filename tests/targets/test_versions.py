"""What a program says of its version is recorded when hardway writes it, and believed while that very file is there."""

import getpass
import grp
import os
from pathlib import Path

import pytest

from hardway.facts import Facts, parse
from hardway.resources import Binary
from hardway.vocabulary import Blob, Op, Probe

pytestmark = pytest.mark.slow

ME, US = getpass.getuser(), grp.getgrgid(os.getgid()).gr_name
SAYS = {
    "kube-apiserver": "Kubernetes v{}",
    "kubelet": "Kubernetes v{}",
    "etcd": "etcd Version: {}\nGit SHA: 0123\nGo Version: go1.26.1",
    "containerd": "containerd github.com/containerd/containerd/v2 v{} 0123",
}
SURVEY = Probe("survey")


@pytest.fixture
def host(remote, tmp_path):
    """A host of ours; `asked` tells which of its programs were asked since it was last called."""
    (tmp_path / "bin").mkdir()
    remote.transport.moves["/usr/local/bin"] = str(tmp_path / "bin")
    remote.change([Op("cluster", ("shop", "0123"))])
    return remote


@pytest.fixture
def asked(tmp_path):
    def names() -> list[str]:
        log = tmp_path / "asked"
        said = log.read_text().split() if log.exists() else []
        log.unlink(missing_ok=True)
        return said

    return names


def program(folder: Path, name: str, version: str, after: str = "exit 0") -> Blob:
    """One that notes that it was asked, and says its version like the real one."""
    body = f"#!/bin/sh\n[ $# = 1 ] && [ $1 = --version ] && echo {name} >>{folder}/asked\n"
    return Blob(data=f"{body}cat <<'END'\n{SAYS[name].format(version)}\nEND\n{after}\n".encode())


def binary(folder: Path, name: str, blob: Blob) -> Op:
    return Op("binary", (f"{folder}/bin/{name}", "755", ME, US, blob.sha256), blob)


def survey(remote) -> Facts:
    return parse(remote.probe([SURVEY])[SURVEY], 0.0, 0.0)


def versions(remote) -> tuple[str, str, str]:
    facts = survey(remote)
    return facts.kubernetes, facts.etcd, facts.containerd


@pytest.mark.parametrize("names", [["kube-apiserver", "kubelet", "etcd", "containerd"], ["kubelet", "containerd"]])
def test_what_a_program_said_when_it_was_written_is_what_it_says(host, tmp_path, asked, names):
    host.change([binary(tmp_path, name, program(tmp_path, name, f"3.{len(name)}.7")) for name in names])
    assert asked() == names
    said = (f"3.{len(names[0])}.7", "3.4.7" if "etcd" in names else "", "3.10.7")
    assert versions(host) == said and asked() == []
    for name in names:
        (tmp_path / f"state/versions{tmp_path}/bin/{name}").unlink()
    assert versions(host) == said and set(asked()) == {*names} - ({"kubelet"} if "etcd" in names else set())


@pytest.mark.parametrize(
    "change",
    [
        lambda path, other: path.write_bytes(other),
        lambda path, other: (path.unlink(), path.write_bytes(other), path.chmod(0o755)),
        lambda path, other: (path.with_name("x").write_bytes(other), path.with_name("x").chmod(0o755),
                             path.with_name("x").rename(path)),
    ],
    ids=["in its place", "removed and written", "renamed"],
)  # fmt: skip
def test_one_that_was_replaced_since_is_asked(host, tmp_path, asked, change):
    host.change([binary(tmp_path, name, program(tmp_path, name, "1.36.4")) for name in ("kubelet", "containerd")])
    stat = (tmp_path / "bin/kubelet").stat()
    change(tmp_path / "bin/kubelet", program(tmp_path, "kubelet", "1.37.2").data)
    os.utime(tmp_path / "bin/kubelet", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    asked()
    assert versions(host) == ("1.37.2", "", "1.36.4") and asked() == ["kubelet"]


def test_one_that_was_brought_beside_is_asked_when_it_takes_its_place(host, tmp_path, asked):
    old, new = (program(tmp_path, "etcd", version) for version in ("3.6.5", "3.7.3"))
    waiting = Binary(f"{tmp_path}/bin/etcd", new)
    host.change([binary(tmp_path, "etcd", old)])
    assert asked() == ["etcd"]
    host.change([Op("binary", (waiting.beside, "755", ME, US, new.sha256), new)])
    assert asked() == [] and survey(host).etcd == "3.6.5"
    host.change([Op("swap", (waiting.path, "755", ME, US, new.sha256))])
    assert asked() == ["etcd"] and survey(host).etcd == "3.7.3" and asked() == []


@pytest.mark.parametrize("after", ["exit 1", "kill -9 $$"])
def test_what_could_not_be_had_is_not_recorded_and_keeps_no_program_from_its_place(host, tmp_path, asked, after):
    host.change([binary(tmp_path, "etcd", program(tmp_path, "etcd", "3.6.5"))])
    host.change([binary(tmp_path, "etcd", program(tmp_path, "etcd", "3.7.3", after))])
    assert asked() == ["etcd", "etcd"] and survey(host).etcd == "3.7.3" and asked() == ["etcd"]


@pytest.mark.parametrize("content", [b"#!/bin/sh\n", b"\x7fELF of another machine", b""])
def test_what_says_nothing_is_not_recorded_either(host, tmp_path, content):
    host.change([binary(tmp_path, "etcd", Blob(data=content))])
    assert (tmp_path / "bin/etcd").read_bytes() == content and not (tmp_path / "state/versions").exists()


def test_half_of_a_record_is_not_believed(host, tmp_path, asked):
    """As a power cut may leave it."""
    host.change([binary(tmp_path, "etcd", program(tmp_path, "etcd", "3.6.5"))])
    record = tmp_path / f"state/versions{tmp_path}/bin/etcd"
    whole = record.read_bytes()
    for end in (0, 5, 19, 20, len(whole) // 2, len(whole) - 3):
        record.write_bytes(whole[:end])
        asked()
        assert survey(host).etcd == "3.6.5" and asked() == ["etcd"]


def test_a_program_that_runs_is_asked_itself(host, tmp_path, asked):
    """It may be older than the file, whatever is recorded of that."""
    host.change([binary(tmp_path, "etcd", program(tmp_path, "etcd", "3.7.3"))])
    exe = tmp_path / "proc/7/exe"
    exe.parent.mkdir(parents=True)
    exe.write_bytes(program(tmp_path, "etcd", "3.6.5").data)
    exe.chmod(0o755)
    run = host.transport.run
    host.transport.run = lambda script, **kw: run(
        "systemctl() { echo 7; }\n" + script.replace("/proc/$pid", f"{tmp_path}/proc/$pid"), **kw
    )
    asked()
    probe = Probe("version", ("etcd.service",))
    assert host.probe([probe])[probe] == "3.6.5" and asked() == ["etcd"]


def test_the_record_goes_with_its_program(host, tmp_path):
    host.change([binary(tmp_path, "etcd", program(tmp_path, "etcd", "3.6.5"))])
    host.change([Op("drop", (f"{tmp_path}/bin/etcd",))])
    assert [path for path in (tmp_path / "state/versions").rglob("*") if path.is_file()] == []
