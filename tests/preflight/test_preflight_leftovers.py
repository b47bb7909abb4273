"""What others left on a host: read by the real shells, and told by preflight."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from hardway.facts import Facts, parse
from hardway.inventory import load
from hardway.leftovers import DropIn, Folder, Leftovers
from hardway.phase import Inputs
from hardway.pki.credentials import Credentials
from hardway.preflight import Finding, findings, refuses
from hardway.state.statedir import Overlay, StateDir
from hardway.targets.host import READ

INVENTORIES = Path(__file__).parents[2] / "inventory"
OWN, LAB = load(INVENTORIES / "vagrant.yaml"), load(INVENTORIES / "lab.yaml")
SHELLS = [["sh"], *([["busybox", "sh"]] if shutil.which("busybox") else [])]
KUBEADM = """# the flags are in a file
[Service]
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
Environment="KUBELET_CONFIG=--config=/x y" OTHER=1
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_CONFIG
"""


@pytest.fixture
def read(tmp_path):
    """read(): what the survey says of everything in `tmp_path`, the root of a machine."""

    def ask(shell: list[str] = SHELLS[0]) -> Leftovers:
        words = [*shell, "-euc", f'{READ}\ns_beside "$1"', "sh", str(tmp_path)]
        ran = subprocess.run(words, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        return parse(ran.stdout, 0.0, 0.0).beside

    return ask


def written(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def put(root: Path, path: str, text: str = "") -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_an_empty_machine_has_nothing_but_no_resolver(read, shell):
    found = read(shell)
    assert (found.drop_ins, found.cni, found.static_pods, found.bridge, found.resolver) == ((), (), (), (), "missing")


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@pytest.mark.parametrize("folder", ["etc/systemd/system", "run/systemd/system", "usr/lib/systemd/system"])
def test_each_file_that_changes_a_unit_is_read_with_what_it_sets(read, tmp_path, shell, folder):
    put(tmp_path, f"{folder}/kubelet.service.d/10-kubeadm.conf", KUBEADM)
    put(tmp_path, f"{folder}/kube-.service.d/all.conf", "[Service]\n Nice = 5\n")
    put(tmp_path, f"{folder}/kubelet.service.d/README", "Exec=no")
    put(tmp_path, f"{folder}/ssh.service.d/x.conf", "[Service]\nNice=5\n")
    found = {(one.unit, one.path, one.keys) for one in read(shell).drop_ins}
    shared = {(unit, f"/{folder}/kube-.service.d/all.conf", ("Nice",)) for unit in ("kube-apiserver", "kube-proxy")}
    shared |= {
        (unit, f"/{folder}/kube-.service.d/all.conf", ("Nice",))
        for unit in ("kube-controller-manager", "kube-scheduler")
    }
    keys = ("EnvironmentFile", "Environment:KUBELET_CONFIG", "Environment:OTHER", "ExecStart", "ExecStart")
    assert found == {("kubelet", f"/{folder}/kubelet.service.d/10-kubeadm.conf", keys), *shared}


def test_what_the_distribution_says_of_all_services_is_its_own_matter(read, tmp_path):
    put(tmp_path, "usr/lib/systemd/system/service.d/10-timeout-abort.conf", "[Service]\nTimeoutStopFailureMode=abort\n")
    assert read().drop_ins == ()
    put(tmp_path, "etc/systemd/system/service.d/mine.conf", "[Service]\nEnvironment=A=b\n")
    assert {one.unit for one in read().drop_ins} >= {"etcd", "kubelet", "haproxy"}


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_networks_manifests_and_a_dangling_resolver_are_read(read, tmp_path, shell):
    for name in ("05-other.conflist", "10-bridge.conflist", "99-loopback.conf", "README.txt"):
        put(tmp_path, f"etc/cni/net.d/{name}")
    put(tmp_path, "etc/kubernetes/manifests/kube-apiserver.yaml")
    put(tmp_path, "etc/kubernetes/manifests/with space.yaml")
    (tmp_path / "etc/resolv.conf").symlink_to("/nowhere/resolv.conf")
    found = read(shell)
    assert set(found.cni) == {"05-other.conflist", "99-loopback.conf"}
    assert found.static_pods == ("kube-apiserver.yaml", "with?space.yaml")
    assert found.resolver == "link to /nowhere/resolv.conf"


def test_a_folder_is_measured_where_it_will_be(read):
    folders = read().folders
    assert {"/usr/local", "/var/lib/etcd", "/opt/cni"} <= folders.keys()
    assert all(
        one.mount.startswith("/") and one.free_mb > 0 and one.options[0] in ("rw", "ro") for one in folders.values()
    )


@pytest.fixture
def told(tmp_path):
    """told(HOST, leftover=value, ...): what preflight finds when one host of a healthy cluster has these."""

    def find(name: str, *, cluster=OWN, facts=None, **found) -> list[Finding]:
        hosts = {
            host.name: Facts(
                hostname=host.name,
                machine_id=host.name,
                memory_mb=8192,
                addresses={str(host.address): "eth0"},
                nameservers=("192.0.2.53",),
            )
            for host in cluster.hosts
        }
        hosts[name] = replace(hosts[name], beside=Leftovers(**found), **(facts or {}))
        return findings(Inputs(cluster, hosts, Credentials(cluster, Overlay(StateDir(tmp_path / "none"))), None))

    return find


def drop_in(unit: str, *keys: str, path: str = "/etc/systemd/system/x.conf") -> tuple[DropIn, ...]:
    return (DropIn(unit, path, keys),)


WORKER, PLANE, LB = "worker-0", "controller-0", "lb"
BLOCK = IPv4Network(str(OWN.host(WORKER).pod_cidr))
ERRORS = [
    ("DropIn", WORKER, {"drop_ins": drop_in("kubelet", "ExecStart")}, "it sets ExecStart"),
    ("DropIn", WORKER, {"drop_ins": drop_in("pod-routes", "ExecStartPost")}, "changes pod-routes.service"),
    ("DropIn", PLANE, {"drop_ins": drop_in("etcd", "Environment:ETCD_NAME")}, "it sets ETCD_NAME"),
    (
        "DropIn",
        PLANE,
        {"drop_ins": drop_in("kube-apiserver", "EnvironmentFile", "LimitNOFILE")},
        "kube-apiserver.service",
    ),
    ("DropIn", LB, {"drop_ins": drop_in("haproxy", "User")}, "changes haproxy.service"),
    ("DropIn", WORKER, {"drop_ins": drop_in("kubelet", "ConditionPathExists")}, "ConditionPathExists"),
    (
        "PodNetwork",
        WORKER,
        {"cni": ("05-other.conflist", "99-x.conf")},
        "/etc/cni/net.d/05-other.conflist comes before",
    ),
    ("PodNetwork", WORKER, {"cni": ("00.conf",)}, "00.conf"),
    ("StaticPod", WORKER, {"static_pods": ("kube-apiserver.yaml", "etcd.yaml")}, "kube-apiserver.yaml, etcd.yaml"),
    ("Bridge", WORKER, {"bridge": ("10.85.0.1/16",)}, "has 10.85.0.1/16, but"),
    ("Bridge", WORKER, {"bridge": (f"{BLOCK[1]}/16",)}, f"needs {BLOCK[1]}/24"),
    ("Bridge", WORKER, {"bridge": (f"{BLOCK[1]}/24", "192.0.2.1/24")}, "192.0.2.1/24"),
    ("Bridge", WORKER, {"bridge": ("other",)}, "is no bridge"),
    ("Resolver", WORKER, {"resolver": "missing"}, "/etc/resolv.conf is missing"),
    ("Resolver", WORKER, {"resolver": "link to ../run/x"}, "is a link to ../run/x, which does not exist"),
    (
        "NoExec",
        WORKER,
        {"folders": {"/var/lib/containerd": Folder("/data", 9999, ("rw", "noexec"))}},
        "/data is mounted",
    ),
    ("NoExec", PLANE, {"folders": {"/usr/local/bin": Folder("/usr/local", 9999, ("noexec",))}}, "/usr/local/bin"),
    ("Disk", PLANE, {"folders": {"/var/lib/etcd": Folder("/var/lib/etcd", 60)}}, "60 MB free under /var/lib/etcd"),
    ("Disk", WORKER, {"folders": {"/var/lib/containerd": Folder("/c", 60)}}, "60 MB free under /var/lib/containerd"),
]


@pytest.mark.parametrize(("name", "host", "found", "words"), ERRORS)
def test_what_bites_later_is_an_error_before(told, name, host, found, words):
    [one] = told(host, **found)
    assert (one.name, one.host, one.warning) == (name, host, False) and words in one.what and one.remedy
    assert not refuses(name), "a person may know better"


WARNINGS = [
    ("DropIn", WORKER, {"drop_ins": drop_in("containerd", "Environment:HTTPS_PROXY", "Environment:no_proxy")}),
    ("DropIn", PLANE, {"drop_ins": drop_in("etcd", "LimitNOFILE", "Nice")}),
    ("Resolver", LB, {"resolver": "missing"}),
    ("HalfInstalled", PLANE, {"packages": ("man-db",)}),
]


@pytest.mark.parametrize(("name", "host", "found"), WARNINGS)
def test_what_may_be_meant_is_a_warning(told, name, host, found):
    assert [(one.name, one.host, one.warning) for one in told(host, **found)] == [(name, host, True)]


HARMLESS = [
    (LB, {"drop_ins": drop_in("kubelet", "ExecStart")}),
    (WORKER, {"drop_ins": drop_in("etcd", "ExecStart")}),
    (WORKER, {"drop_ins": drop_in("kubelet")}),
    (WORKER, {"cni": ("99-loopback.conf", "10-bridge.conflist.off")}),
    (PLANE, {"cni": ("05-other.conflist",)}),
    (PLANE, {"static_pods": ("etcd.yaml",)}),
    (PLANE, {"bridge": ("10.85.0.1/16",)}),
    (WORKER, {"bridge": (f"{BLOCK[1]}/24",)}),
    (WORKER, {"bridge": ("none",)}),
    (PLANE, {"folders": {"/var/lib/containerd": Folder("/c", 1, ("noexec",))}}),
    (WORKER, {"folders": {"/var/lib/etcd": Folder("/e", 1)}}),
    (PLANE, {"folders": {"/var/lib": Folder("/", 600), "/var/lib/etcd": Folder("/", 60)}}),
]


@pytest.mark.parametrize(("host", "found"), HARMLESS)
def test_what_is_in_nobodys_way_is_not_told(told, host, found):
    assert told(host, **found) == []


@pytest.mark.parametrize(
    ("have", "remedy"),
    [
        (("10.85.0.1/16",), "ip link delete cni0"),
        (("other",), "ip link delete cni0"),
        ((f"{BLOCK[1]}/24", "10.85.0.1/16"), "ip address delete 10.85.0.1/16 dev cni0"),
    ],
)
def test_a_bridge_on_which_our_pods_are_stays(told, have, remedy):
    [one] = told(WORKER, bridge=have)
    assert one.remedy == remedy


def test_a_bridge_of_a_living_worker_whose_block_is_edited_is_told_by_the_block(told):
    found = told(WORKER, bridge=("10.85.0.1/16",), facts={"pod_block": "10.85.0.0/16"})
    assert [one.name for one in found] == ["PodBlock"]


@pytest.mark.parametrize(
    ("nameservers", "told_of"),
    [
        ((), "names no name server"),
        (("fe80::1%eth0",), "fe80::1%eth0"),
        (("fe80::1%eth0", "192.0.2.53"), ""),
        (("192.0.2.53",), ""),
    ],
)
def test_a_name_server_that_no_pod_reaches_is_a_warning(told, nameservers, told_of):
    found = told(WORKER, facts={"nameservers": nameservers})
    assert [(one.name, one.warning) for one in found] == ([("Resolver", True)] if told_of else [])
    assert all(told_of in one.what for one in found)


def test_systemd_resolved_has_a_file_of_its_own(told):
    elsewhere = {"resolv_conf": "/run/systemd/resolve/resolv.conf"}
    assert told(WORKER, resolver="missing", facts=elsewhere) == []


def test_the_lab_has_one_of_its_own_and_no_way_out(told):
    own = drop_in("containerd", "Environment:PATH", path="/run/systemd/system/containerd.service.d/10-lab.conf")
    assert told(WORKER, cluster=LAB, drop_ins=own, facts={"nameservers": ()}) == []
    assert told(WORKER, drop_ins=own) == [], "its machines may be used as any others"


def test_on_a_living_host_the_remedy_is_whole(told):
    [one] = told(WORKER, drop_ins=drop_in("kubelet", "ExecStart"))
    assert one.remedy.endswith(
        "mv /etc/systemd/system/x.conf /etc/systemd/system/x.conf.off && systemctl daemon-reload"
    )
