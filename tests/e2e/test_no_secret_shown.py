"""A whole life of a cluster, searched for its secrets: what commands said, all processes, the hosts' journals and
files, our own folder."""

from __future__ import annotations

import base64
import io
import os
import tarfile
from collections.abc import Callable, Iterator

import pytest
from processes import Processes
from secrets_of import Secrets, assert_no_secret, private, secrets_of, within
from stage import COMMON, Ran, Stage, run
from test_other_shapes import host

# Two that share an address, since that takes a password too.
INVENTORY = {
    "cluster": "e2e-secrets",
    **COMMON,
    "network": {"node_cidr": "10.234.3.0/24", "pod_cidr": "10.195.0.0/16", "service_cidr": "10.75.0.0/24"},
    "api": {"vip": "10.234.3.5"},
    "addons": {"coredns": {"replicas": 1}},
    "lab": {"gateway": "10.234.3.1"},
    "hosts": [
        host("node-0", "10.234.3.10", "lb", "etcd", "control-plane", "worker"),
        host("node-1", "10.234.3.11", "lb", "worker"),
    ],
}
# Where programs leave things for a while, whoever may read them.
PASSING = "run tmp var/tmp var/log"
# What is kept; images and etcd's data are others' bytes and large.
OTHERS = "--exclude=var/lib/containerd --exclude=var/lib/etcd/member --exclude=var/cache"
KEPT = f"{OTHERS} --exclude=var/log etc root home opt srv var"
# Each holds the key of somebody who has a file of their own, and is as private.
KUBECONFIGS = {"admin.conf", "super-admin.conf"}
MEMBERS = Iterator[tuple[tarfile.TarInfo, bytes]]


@pytest.fixture(scope="module")
def stage(make_stage: Callable[[dict], Stage]) -> Stage:
    stage = make_stage(INVENTORY)
    stage.hardway("assets", "fetch", "INV", timeout=2400).ok()
    stage.lab("up")
    (stage.folder / "tmp").mkdir()
    return stage


@pytest.fixture(scope="module")
def processes(stage: Stage) -> Iterator[Processes]:
    """All that run from now to the end of the story: this computer's, and the machines', which are its own too."""
    with Processes() as watching:
        yield watching


@pytest.fixture(scope="module")
def said() -> list[str]:
    return []


def hardway(stage: Stage, said: list[str], *words: str, code: int = 0) -> Ran:
    """A command whose temporary files are in a folder of its own, and whose words are kept."""
    environment = {**os.environ, "TMPDIR": str(stage.folder / "tmp")}
    ran = run(*stage.argv(*words), cwd=stage.folder, env=environment, timeout=600)
    said += [ran.out, ran.err]
    return ran.ok(code)


def secrets(stage: Stage, ours: bool = False) -> Secrets:
    """All of the state directory; `ours` without the lab's, which belong to the machines."""
    return {name: values for name, values in secrets_of(stage.state).items() if not (ours and name.startswith("lab/"))}


def files(stage: Stage, host: str, folders: str) -> MEMBERS:
    """The files of a machine below some folders, other file systems mounted there left out."""
    packed = stage.ssh(host, f"cd / && tar --one-file-system -cf - {folders} 2>/dev/null | base64")
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(packed))) as archive:
        yield from ((member, archive.extractfile(member).read()) for member in archive if member.isfile())


def found(stage: Stage, host: str, folders: str, wanted: Secrets) -> list[tuple[str, str, int]]:
    """(secret, file, mode) of all secrets that stand in a machine's files."""
    return [
        (name, member.name, member.mode)
        for member, content in files(stage, host, folders)
        for name in within(wanted, content)
    ]


class TestSecrets:
    chain = True

    def test_bootstrap_plan_verify_status(self, stage: Stage, processes: Processes, said: list[str]):
        hardway(stage, said, "bootstrap", "INV", "--output", "json")
        # A key that somebody changed is shown in a plan, told as it is mended, and told in a plan for programs.
        spoiled = "/etc/kubernetes/pki/sa.key /etc/kubernetes/encryption-config.yaml /etc/etcd/pki/peer.key"
        stage.ssh("node-0", f"sed -i '2s/^..../AAAA/' {spoiled}")
        for words in (("plan", "INV", "-v"), ("plan", "INV", "--output", "json"), ("bootstrap", "INV", "-v")):
            assert "sa.key" in hardway(stage, said, *words).out
        hardway(stage, said, "verify", "INV", "--output", "json")
        hardway(stage, said, "status", "INV")

    def test_a_failure_shows_its_evidence(self, stage: Stage, processes: Processes, said: list[str]):
        drop_in = "/etc/systemd/system/keepalived.service.d"
        fails = f"mkdir -p {drop_in}; printf '[Service]\\nExecStartPre=/bin/false\\n' >{drop_in}/fails.conf"
        stage.ssh("node-0", f"{fails}; systemctl daemon-reload; systemctl stop keepalived")
        assert "  | " in hardway(stage, said, "bootstrap", "INV", code=5).err
        stage.ssh("node-0", f"rm -r {drop_in}; systemctl daemon-reload; systemctl start keepalived")

    def test_what_was_said(self, stage: Stage, said: list[str]):
        assert len("".join(said)) > 50_000
        assert_no_secret(secrets(stage), *said)

    def test_our_temporary_files_are_gone(self, stage: Stage):
        assert list((stage.folder / "tmp").iterdir()) == []

    def test_the_state_directory_but_for_the_keys_themselves(self, stage: Stage):
        ordinary = [
            path
            for path in stage.state.rglob("*")
            if path.is_file() and not private(path) and path.name not in KUBECONFIGS
        ]
        assert len(ordinary) > 10
        assert_no_secret(secrets(stage), *ordinary)

    def test_keys_are_for_their_owner_alone(self, stage: Stage):
        keys = [
            path for path in stage.state.rglob("*") if path.is_file() and (private(path) or path.name in KUBECONFIGS)
        ]
        assert {
            path.name for path in keys if path.stat().st_mode & 0o077
        } == set() and stage.state.stat().st_mode & 0o777 == 0o700

    @pytest.mark.parametrize("host", ["node-0", "node-1"])
    def test_journals(self, stage: Stage, host: str):
        journal = stage.ssh(host, "journalctl --no-pager -o export -a | tr -d '\\000'")
        assert "kubelet.service" in journal
        [console] = (stage.folder / "machines").glob(f"*/{host}/console.log")
        assert_no_secret(secrets(stage), journal, console)

    @pytest.mark.parametrize("host", ["node-0", "node-1"])
    def test_logs_and_passing_files_of_the_hosts(self, stage: Stage, host: str):
        assert found(stage, host, PASSING, secrets(stage)) == []

    @pytest.mark.parametrize("host", ["node-0", "node-1"])
    def test_keys_on_the_hosts_are_closed_to_others(self, stage: Stage, host: str):
        places = found(stage, host, KEPT, secrets(stage, ours=True))
        assert [place for place in places if place[2] & 0o077] == []
        names = {name for name, *_ in places}
        assert "passwords/keepalived.key" in names, "the search finds what is there"
        assert host == "node-1" or {"pki/ca.key", "pki/sa.key"} <= names

    def test_no_authority_is_where_it_does_not_belong(self, stage: Stage):
        """Whoever takes a worker can impersonate that worker alone."""
        names = {name for name, *_ in found(stage, "node-1", KEPT, secrets(stage, ours=True))}
        assert [
            name for name in names if name.endswith(("ca.key", "sa.key", "admin.key")) or name.startswith("encryption")
        ] == []

    def test_reset_leaves_no_secret_behind(self, stage: Stage, processes: Processes, said: list[str]):
        hardway(stage, said, "reset", "INV", "--yes", "-v")
        for name in stage.hosts:
            assert found(stage, name, f"{OTHERS} etc root home opt srv var run tmp", secrets(stage, ours=True)) == []
        assert_no_secret(secrets(stage), *said)

    def test_no_process_ever_showed_one(self, stage: Stage, processes: Processes):
        assert processes.looks > 100
        assert b"/usr/local/bin/kube-apiserver" in processes.text, "the hosts' processes are seen"
        assert_no_secret(secrets(stage), processes.text)
