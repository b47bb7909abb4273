"""Lab machines that are not fit for a cluster. After each remedy the same machine is fine again."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from stage import SHARED_INVENTORY, Ran, Stage, of_the_lab, run

from hardway.assets import AssetStore, default_versions
from hardway.inventory import load

from .cases import case
from .desk import Desk, keys_of

pytestmark = pytest.mark.lab

MARKED = "mkdir -p /var/lib/hardway; echo refused 0123456789abcdef >/var/lib/hardway/cluster"


@pytest.fixture(scope="module")
def stage(make_stage: Callable[[dict], Stage]) -> Stage:
    """Two bare machines: one is everything, the other a worker."""
    inventory = of_the_lab("refused", node="10.254.0", pods="10.214", services="10.46.0")
    one, two = (host for host in inventory["hosts"] if host["name"] in ("controller-0", "worker-1"))
    one |= {"name": "one", "roles": ["etcd", "control-plane", "worker"], "pod_cidr": "10.214.10.0/24"}
    two |= {"name": "two", "roles": ["worker"], "pod_cidr": "10.214.11.0/24"}
    stage = make_stage({**inventory, "hosts": [one, two], "addons": {"coredns": {"replicas": 1}}})
    stage.lab("up")
    return stage


@pytest.fixture(autouse=True)
def fit_again(stage: Stage) -> Iterator[None]:
    """Whatever a test did to a machine, nothing of it is left: the next plan finds nothing that stands in the way."""
    yield
    ran = stage.hardway("plan", "INV", "--only", "preflight").ok()
    assert "[ERROR" not in ran.out, ran


@contextlib.contextmanager
def mended(stage: Stage, host: str, harm: str, remedy: str) -> Iterator[None]:
    stage.ssh(host, harm)
    try:
        yield
    finally:
        stage.ssh(host, remedy)


@pytest.mark.parametrize(
    ("host", "port"),
    [
        pytest.param("one", 2379, marks=case("port-2379-taken")),
        pytest.param("one", 6443, marks=case("port-6443-taken")),
        pytest.param("two", 10250, marks=case("port-10250-taken")),
    ],
)
def test_port_taken(stage: Stage, told, host: str, port: int):
    listen = (
        f"systemd-run -q --unit=squatter nc -lk 0.0.0.0 {port}; until ss -Hltn sport = :{port} | grep -q .; do :; done"
    )
    with mended(stage, host, listen, "systemctl stop squatter"):
        ran = told(stage.hardway("bootstrap", "INV"), host)
        process = ran.err.partition("systemctl status ")[2].split()[0]
        assert "squatter.service" in stage.ssh(host, f"systemctl status {process}"), (
            "the next command must show whose it is"
        )


@case("disk-full")
def test_disk_full(stage: Stage, told):
    with mended(stage, "two", "mount -t tmpfs -o size=100m tmpfs /usr/local", "umount /usr/local"):
        told(stage.hardway("bootstrap", "INV"), "two")


@case("read-only-file-system")
def test_read_only_file_system(stage: Stage, told):
    with mended(stage, "two", "mount -t tmpfs -o ro tmpfs /usr/local", "umount /usr/local"):
        told(stage.hardway("bootstrap", "INV"), "two")
        stage.ssh("two", "mount -o remount,rw $(findmnt -no TARGET -T /usr/local) && touch /usr/local/written")


@case("machine-id-twice")
def test_machine_id_twice(stage: Stage, told):
    other = stage.ssh("one", "cat /etc/machine-id").strip()
    renewed = "rm -f /etc/machine-id /var/lib/dbus/machine-id && systemd-machine-id-setup"
    with mended(stage, "two", f"echo {other} >/etc/machine-id", renewed):
        told(stage.hardway("bootstrap", "INV"), "two")


@case("hostname-twice")
def test_hostname_twice(stage: Stage, told):
    with mended(stage, "two", "hostname one", "hostnamectl set-hostname two"):
        told(stage.hardway("bootstrap", "INV"), "two")


@case("hostname-not-the-inventorys")
def test_hostname_not_the_inventorys(stage: Stage, told):
    with mended(stage, "two", "hostname two.example.org", "hostnamectl set-hostname two"):
        told(stage.hardway("bootstrap", "INV"), "two")


@case("clock-skew")
def test_clock_skew(stage: Stage, told):
    """Root's PATH has /usr/local/bin before /usr/bin."""
    ahead = (
        'printf \'#!/bin/sh\\nexec /bin/date -d "1 hour" "$@"\\n\' >/usr/local/bin/date; chmod 755 /usr/local/bin/date'
    )
    with mended(stage, "two", ahead, "rm /usr/local/bin/date"):
        told(stage.hardway("bootstrap", "INV"), "two")


@case("leftover-etcd-data")
def test_leftover_etcd_data(stage: Stage, told):
    with mended(
        stage,
        "one",
        "mkdir -p /var/lib/etcd/member/wal /var/lib/etcd/member/snap",
        "mv /var/lib/etcd /var/lib/etcd.old",
    ):
        told(stage.hardway("bootstrap", "INV"), "one")


@case("host-of-another-cluster")
def test_host_of_another_cluster(stage: Stage, told):
    with mended(
        stage,
        "two",
        "mkdir -p /var/lib/hardway; echo shop 0123456789abcdef >/var/lib/hardway/cluster",
        "rm -r /var/lib/hardway",
    ):
        told(stage.hardway("bootstrap", "INV"), "two")


@case("versions-too-far-apart")
def test_versions_too_far_apart(stage: Stage, told):
    older = "printf '#!/bin/sh\\necho Kubernetes v1.18.20\\n' >/usr/local/bin/kubelet; chmod 755 /usr/local/bin/kubelet"
    with mended(stage, "two", f"{older}; {MARKED}", "rm -r /var/lib/hardway /usr/local/bin/kubelet"):
        told(stage.hardway("bootstrap", "INV"), "two")


@case("etcd-patch-too-old")
def test_etcd_patch_too_old(stage: Stage, told):
    wanted = default_versions().etcd.split(".")
    before = f"{wanted[0]}.{int(wanted[1]) - 1}.0"
    older = f"printf '#!/bin/sh\\necho etcd Version: {before}\\n' >/usr/local/bin/etcd; chmod 755 /usr/local/bin/etcd"
    with mended(stage, "one", f"{older}; {MARKED}", "rm -r /var/lib/hardway /usr/local/bin/etcd"):
        told(stage.hardway("bootstrap", "INV"), "one")


@case("version-lowered")
def test_version_lowered(stage: Stage, told):
    path = "/usr/local/bin/containerd"
    newer = f"printf '#!/bin/sh\\necho containerd somewhere v9.0.0 0123\\n' >{path}; chmod 755 {path}"
    with mended(stage, "two", f"{newer}; {MARKED}", f"rm -r /var/lib/hardway {path}"):
        told(stage.hardway("bootstrap", "INV"), "two")


def elsewhere(stage: Stage, desk: Desk, **ssh) -> str:
    """The inventory without its lab, as somebody has it whose machines are others'; `two` is reached by an SSH
    configuration."""
    inventory = yaml.safe_load(stage.inventory.read_text())
    own = stage.state / "lab"
    config = desk.folder / "config"
    config.write_text(
        "".join(f"{key} {value}\n" for key, value in {"Host": "two", "HostName": "10.254.0.21", **ssh}.items())
    )
    del inventory["lab"]
    known = desk.folder / "known_hosts"
    inventory["ssh"] = {
        "key": str(own / "id_ed25519"),
        "known_hosts": str(known),
        "config": str(config),
        "agent": False,
    }
    inventory["ssh"]["host_keys"] = "accept-new"
    path = desk.folder / "elsewhere.yaml"
    path.write_text(yaml.safe_dump(inventory))
    return str(path)


@case("address-of-another-network")
def test_address_of_another_network(stage: Stage, desk: Desk, told):
    path = elsewhere(stage, desk)
    text = open(path).read()
    open(path, "w").write(text.replace("10.254.0.21", "10.254.0.99"))
    told(desk.hardway("bootstrap", path), "two")


@case("next-hop-behind-a-router")
def test_next_hop_behind_a_router(stage: Stage, desk: Desk, told):
    path = elsewhere(stage, desk)
    inventory = yaml.safe_load(Path(path).read_text())
    del inventory["network"]["node_cidr"]
    next(host for host in inventory["hosts"] if host["name"] == "two")["address"] = "10.99.0.2"
    Path(path).write_text(yaml.safe_dump(inventory))
    with mended(stage, "two", "ip address add 10.99.0.2/32 dev lo", "ip address del 10.99.0.2/32 dev lo"):
        told(desk.hardway("bootstrap", path), "one")


@case("no-systemd")
def test_no_systemd(stage: Stage, desk: Desk, told):
    start = "systemd-run -q --unit=inner unshare -pf --mount-proc /usr/sbin/sshd -D -p 2222"
    with mended(stage, "two", f"{start}; until ss -Hltn sport = :2222 | grep -q .; do :; done", "systemctl stop inner"):
        told(desk.hardway("bootstrap", elsewhere(stage, desk, Port=2222)), "two")


def copied_cache(desk: Desk) -> Path:
    """A cache of links into the real one, and one file of its own: a kubelet with a flipped byte."""
    real, own = AssetStore(load(SHARED_INVENTORY)).cache, desk.folder / "cache"
    shutil.copytree(real.directory / real.origin, own / real.origin, copy_function=link)
    [kubelet] = own.glob(f"{real.origin}/kubernetes/{default_versions().kubernetes}/amd64/kubelet")
    content = bytearray(kubelet.read_bytes())
    content[len(content) // 2] ^= 1
    kubelet.unlink()
    kubelet.write_bytes(content)
    return own


def link(source: str, target: str) -> None:
    """Records are copied, since a cache writes them anew; a hard link would change the time stamps of the user's
    file."""
    shutil.copy2(source, target) if Path(source).name.startswith(".") else Path(target).symlink_to(source)


class TestBegun:
    """From here on something of ours is on the machines."""

    @case("no-source-of-packages")
    def test_no_source_of_packages(self, stage: Stage, told):
        harm = "mv /etc/apt/sources.list /root/; rm -rf /var/lib/apt/lists/*; apt-get -qq update"
        with mended(stage, "two", harm, "mv /root/sources.list /etc/apt/; apt-get -qq update"):
            told(stage.hardway("bootstrap", "INV", "--until", "prepare"), "two")
        stage.hardway("bootstrap", "INV", "--until", "prepare").ok()

    @case("disk-full-while-pushing")
    def test_disk_full_while_pushing(self, stage: Stage, told):
        with mended(stage, "two", "mount -t tmpfs -o size=50m tmpfs /usr/local", "umount /usr/local"):
            told(stage.hardway("bootstrap", "INV", "--only", "binaries"), "two")
            assert stage.ssh("two", "ls -A /usr/local").split() == []
        stage.hardway("bootstrap", "INV", "--only", "binaries").ok()

    @case("corrupt-binary-in-the-cache")
    def test_corrupt_binary_in_the_cache(self, stage: Stage, desk: Desk, told):
        own = copied_cache(desk)

        def hardway(*words: str) -> Ran:
            return run(*stage.argv(*words), cwd=stage.folder, env={**os.environ, "HARDWAY_CACHE": str(own)})

        ran = told(hardway("bootstrap", "INV", "--only", "kubelet"))
        assert (first := re.search(r"next: (rm \S+) &&", ran.err)) and str(own) in first[1]
        subprocess.run(first[1], shell=True, check=True)
        assert (
            f"kubelet {default_versions().kubernetes} amd64 is missing" in hardway("assets", "verify", "INV").ok(8).err
        )

    @case("state-lost")
    def test_state_lost(self, stage: Stage, told):
        pki = stage.state / "pki"
        pki.rename(stage.folder / "away")
        try:
            told(stage.hardway("bootstrap", "INV", "--until", "prepare"), "two")
            assert not pki.exists(), "no new keys are made for a cluster that has its own"
        finally:
            (stage.folder / "away").rename(pki)
        assert "no changes" in stage.hardway("plan", "INV", "--until", "prepare", "--exit-code").ok().out

    @case("other-state")
    def test_other_state(self, stage: Stage, desk: Desk, told):
        inventory = elsewhere(stage, desk)
        keys_of(Path(inventory), desk.folder / "mine")
        told(desk.hardway("bootstrap", inventory, "--state-dir", "mine"), "two")
        assert (
            "belongs to another cluster named"
            in desk.hardway("reset", inventory, "--yes", "--state-dir", "mine").ok(5).err
        )
        assert (
            "no changes"
            in desk.hardway("plan", inventory, "--state-dir", stage.state, "--until", "prepare", "--exit-code").ok().out
        )
