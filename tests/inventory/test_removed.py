"""Flags, feature gates and plugins that a minor no longer accepts: where they are refused, and that the table tells of
the real programs."""

import functools
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from inventory_text import changed, found, text_of

from hardway.assets import default_versions
from hardway.assets.asset import Item
from hardway.assets.cache import Cache, default_directory
from hardway.assets.choice import Origin
from hardway.assets.versions import minors
from hardway.inventory.removed import GATES, refused, table

SETS = {minor: default_versions(".".join(map(str, minor))) for minor in minors()}


@pytest.mark.parametrize(
    ("kubernetes", "args", "said"),
    [
        ("1.37.2", {"kubelet": {"boot-id-file": "/x"}}, "kubelet of Kubernetes 1.37 has no such flag"),
        ("1.36.3", {"kubelet": {"boot-id-file": "/x"}}, ""),
        ("1.37.2", {"kube-controller-manager": {"concurrent-service-syncs": "2"}}, "Kubernetes 1.37"),
        ("1.37.2", {"etcd": {"experimental-memory-mlock": "true"}}, "etcd of etcd 3.7 has no such flag"),
        ("1.36.3", {"etcd": {"experimental-memory-mlock": "true"}}, ""),
        ("1.36.3", {"kube-apiserver": {GATES: "ConsistentListFromCache=false"}}, ""),
        (
            "1.37.2",
            {"kube-apiserver": {GATES: "ConsistentListFromCache=false"}},
            "no feature gate ConsistentListFromCache",
        ),
        (
            "1.37.2",
            {"kubelet": {GATES: "NodeSwap=true, MemoryManager=true"}},
            "Kubernetes 1.36 has no feature gate Memory",
        ),
        ("1.37.2", {"kubelet": {GATES: "kube:MemoryManager=true"}}, "no feature gate MemoryManager"),
        ("1.35.4", {"kubelet": {GATES: "ImageMaximumGCAge=false"}}, "can only be true since Kubernetes 1.35"),
        ("1.34.4", {"kubelet": {GATES: "ImageMaximumGCAge=false"}}, ""),
        ("1.37.2", {"kubelet": {GATES: "ImageMaximumGCAge=True"}}, ""),
        ("1.36.3", {"kube-apiserver": {GATES: "GitRepoVolumeDriver=true"}}, "can only be false since Kubernetes 1.36"),
        (
            "1.37.2",
            {"kube-apiserver": {"disable-admission-plugins": "JobValidation"}},
            "no admission plugin JobValidation",
        ),
        ("1.37.2", {"etcd": {GATES: "MemoryManager=true"}}, ""),
    ],
)
def test_what_a_program_of_this_version_does_not_accept_is_refused(
    tmp_path: Path, kubernetes: str, args: dict, said: str
):
    problems = found(tmp_path, text_of(changed({"kubernetes": kubernetes, "extra_args": args})))
    [(component, flags)] = args.items()
    assert [f"extra_args.{component}.{next(iter(flags))}: " in one and said in one for one in problems] == [
        True
    ] * bool(said)


def test_an_overridden_flag_is_looked_at_as_well(tmp_path: Path):
    given = {"kube-apiserver": {"enable-admission-plugins": "NodeRestriction,PodGroupWorkloadExists"}}
    [problem] = found(tmp_path, text_of(changed({"kubernetes": "1.37.2", "override_args": given})))
    assert "no admission plugin PodGroupWorkloadExists" in problem


def test_each_minor_but_the_oldest_has_a_row():
    rows = [row.minor for row in table() if row.component == "kubernetes"]
    assert rows == minors()[1:], (
        "say in removed.yaml what the new minor no longer accepts; its head says where that is found"
    )
    for row in table():
        assert not set(row.gates) & set(row.locked)


LIST = "test/compatibility_lifecycle/reference/versioned_feature_list.yaml"


@functools.cache
def module_cache() -> Path:
    """Where Go keeps sources; where there is no Go, a folder that is not there."""
    go = shutil.which("go")
    said = subprocess.run([go, "env", "GOMODCACHE"], capture_output=True, text=True, timeout=60).stdout if go else ""
    return Path(said.strip() or "/nonexistent")


def sources(minor: tuple[int, ...]) -> Path | None:
    """Kubernetes' own list of its gates, where the sources of a minor are in Go's cache."""
    file = module_cache() / f"k8s.io/kubernetes@v{SETS[minor].kubernetes}" / LIST
    return file if file.is_file() else None


def program(name: str, minor: tuple[int, ...]) -> Path | None:
    """A program of a minor's tested set, where it is in the cache."""
    component = "etcd" if name == "etcd" else "kubernetes"
    item = Item(component, name, getattr(SETS[minor], component), "amd64")
    paths = (Cache(default_directory(), origin).path(item) for origin in Origin)
    return next((path for path in paths if path.is_file()), None)


def here(found: Callable[[tuple[int, ...]], Path | None]) -> list[tuple[int, ...]]:
    """The minors of which something is on this computer; the newest, so that its test says what is missing, if none."""
    return [minor for minor in minors() if found(minor)] or minors()[-1:]


@pytest.mark.slow
@pytest.mark.parametrize("minor", here(sources), ids=str)
def test_gates_are_those_of_kubernetes_own_list(minor: tuple[int, ...]):
    module = f"k8s.io/kubernetes@v{SETS[minor].kubernetes}"
    if not sources(minor) and shutil.which("go"):  # its programs may have been built long ago
        subprocess.run(["go", "mod", "download", module], capture_output=True, timeout=600)
    file = sources(minor)
    if not file:
        pytest.skip(f"the sources of Kubernetes cannot be had: go mod download {module}")
    gates = {one["name"]: one["versionedSpecs"] for one in yaml.safe_load(file.read_text())}
    for row in (row for row in table() if row.component == "kubernetes" and row.minor <= minor):
        assert not set(row.gates) & set(gates)
        for name, value in row.locked.items():
            specs = [one for one in gates.get(name, ()) if tuple(map(int, str(one["version"]).split("."))) <= minor]
            assert not specs or (specs[-1]["lockToDefault"], specs[-1]["default"]) == (True, value), name


def accepts(path: Path, flag: str, value: str) -> bool:
    """Whether it goes as far as printing its version; it starts nothing."""
    ran = subprocess.run([path, f"--{flag}={value}", "--version"], capture_output=True, text=True, timeout=60)
    said = ran.stdout + ran.stderr
    refusal = ("unknown flag", "flag provided but not defined", "unrecognized feature gate", "cannot set feature gate")
    return not any(words in said for words in refusal)


def there(name: str, minor: tuple[int, ...]) -> Path:
    return program(name, minor) or pytest.skip(f"{name} of {SETS[minor].kubernetes} is not in the cache")


PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
BUILT = here(lambda minor: all(program(name, minor) for name in PROGRAMS) and program("etcd", minor) or None)


@pytest.mark.slow
@pytest.mark.parametrize("minor", BUILT, ids=str)
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_programs_refuse_what_is_said_to_be_gone_and_take_it_before(name: str, minor: tuple[int, ...]):
    path = there(name, minor)
    for row in (row for row in table() if (row.component == "etcd") == (name == "etcd")):
        gone = row.minor <= tuple(map(int, getattr(SETS[minor], row.component).split(".")[:2]))
        for flag in row.flags.get(name, ()):
            assert accepts(path, flag, "1") != gone, flag


@pytest.mark.slow
@pytest.mark.parametrize("minor", BUILT, ids=str)
def test_the_api_server_refuses_the_gates_that_are_gone_or_locked(minor: tuple[int, ...]):
    path = there("kube-apiserver", minor)
    row = next((row for row in table() if row.component == "kubernetes" and row.minor == minor), None)
    for gate in row.gates if row else ():
        assert not accepts(path, GATES, f"{gate}=true"), gate
    for gate, value in row.locked.items() if row else ():
        assert not accepts(path, GATES, f"{gate}={str(not value).lower()}"), gate
    assert accepts(path, GATES, "NodeSwap=true")


def test_versions_are_asked_by_component():
    """A newer etcd than the set's comes first in an upgrade."""
    versions = replace(SETS[1, 36], etcd=SETS[1, 37].etcd)
    assert [flag for _, flag, _ in refused({"etcd": {"discovery": "x"}}, versions)] == ["discovery"]
