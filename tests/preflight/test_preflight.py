"""What preflight finds on hosts, given what they say about themselves."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hardway import preflight
from hardway.cluster import Role
from hardway.errors import PreflightError, UsageError
from hardway.facts import Facts, authority, etcd_born, parse
from hardway.inventory import load
from hardway.living import Lives
from hardway.phase import Inputs
from hardway.phases.preflight import desired
from hardway.pki.credentials import Credentials
from hardway.preflight import findings, judge
from hardway.resources import Packages
from hardway.run.selection import Selection
from hardway.settings import CoreDns
from hardway.state.statedir import Overlay, StateDir

VAGRANT = load(Path(__file__).parents[2] / "inventory" / "vagrant.yaml")


@pytest.fixture
def inputs(tmp_path):
    """inputs(HOST, fact=value, ...): healthy hosts, one of them with something wrong."""

    def make(name: str = "", **wrong) -> Inputs:
        facts = {
            host.name: Facts(
                hostname=host.name,
                machine_id=host.name,
                memory_mb=8192,
                addresses={str(host.address): "eth0"},
                nameservers=("192.0.2.53",),
            )
            for host in VAGRANT.hosts
        }
        facts |= {name: replace(facts[name], **wrong)} if name else {}
        return Inputs(VAGRANT, facts, Credentials(VAGRANT, Overlay(StateDir(tmp_path / "none"))), None)

    return make


def test_healthy_hosts_pass(inputs):
    assert judge(inputs()) == []


def test_nothing_is_concluded_from_a_host_that_could_not_be_asked(inputs):
    assert judge(inputs("worker-1", known=False, arch="", addresses={}, memory_mb=0)) == []


def test_data_of_our_own_is_not_in_the_way(inputs, tmp_path):
    ours = inputs("controller-0", cluster="vagrant", occupied=("/var/lib/etcd",))
    assert "Occupied" not in {finding.name for finding in findings(ours)}


@pytest.mark.parametrize(
    ("cluster", "unit", "told"), [("vagrant", "etcd", True), ("vagrant", "kubelet", False), ("", "etcd", False)]
)
def test_what_a_host_of_ours_did_in_another_role_is_told(inputs, cluster, unit, told):
    ours = inputs("worker-0", cluster=cluster, components=frozenset({unit}) if cluster else frozenset())
    found = [finding for finding in findings(ours) if finding.name == "Role"]
    assert [finding.host for finding in found] == (["worker-0"] if told else [])
    assert all("etcd.service" in finding.what and "role etcd" in finding.what for finding in found)


CASES = [
    ("Architecture", "worker-0", {"arch": "riscv64"}),
    ("Systemd", "lb", {"init": "openrc"}),
    ("Privileges", "lb", {"uid": 1000}),
    ("ReadOnly", "worker-0", {"read_only": ("/usr/local",)}),
    ("Overlay", "worker-1", {"overlay": False}),
    ("Address", "controller-0", {"addresses": {"10.0.2.15": "eth0"}}),
    ("Clock", "controller-1", {"clock_offset": -31.0}),
    ("Foreign", "worker-0", {"cluster": "another"}),
    ("LostState", "worker-0", {"cluster": "vagrant"}),
    ("Disk", "worker-0", {"disk_free_mb": 699}),
    ("Disk", "controller-0", {"var_free_mb": 999}),
    ("Port-6443", "lb", {"listening": frozenset({6443})}),
    ("Port-2379", "controller-0", {"listening": frozenset({2379})}),
    ("Port-2381", "controller-0", {"listening": frozenset({2381})}),
    ("Port-10248", "worker-0", {"listening": frozenset({10248})}),
    ("Port-10250", "worker-1", {"listening": frozenset({10250})}),
    ("Cgroup", "worker-0", {"cgroup": 1}),
    ("Occupied", "controller-0", {"occupied": ("/var/lib/etcd",)}),
    ("VersionJump", "controller-0", {"kubernetes": "1.34.11"}),
    ("Downgrade", "controller-0", {"kubernetes": "1.38.0"}),
    ("VersionJump", "controller-0", {"etcd": "3.5.40"}),
    ("Downgrade", "controller-0", {"etcd": "3.8.0"}),
    ("VersionJump", "worker-0", {"containerd": "2.2.9"}),
    ("Downgrade", "worker-0", {"containerd": "3.0.0"}),
    ("NodeName", "worker-0", {"hostname": "worker-0.example.org"}),
    ("FixedFlag", "controller-0", {"etcd_state": "existing", "flags": {"etcd": "", "etcd.wal-dir": "/fast"}}),
]


@pytest.mark.parametrize(("name", "host", "wrong"), CASES)
def test_what_stands_in_the_way_is_an_error_with_a_remedy(inputs, name, host, wrong):
    bad = [
        finding for finding in findings(inputs(host, **wrong)) if not finding.warning and finding.name != "ClockSkew"
    ]
    assert [(finding.name, finding.host) for finding in bad] == [(name, host)] and bad[0].remedy
    with pytest.raises(PreflightError) as caught:
        judge(inputs(host, **wrong))
    assert f"[ERROR {name}] {host}: " in caught.value.evidence
    assert caught.value.exit_code == 5 and "nothing has been changed" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "host", "wrong"),
    [
        ("Memory", "controller-0", {"memory_mb": 512}),
        ("PackageManager", "worker-0", {"package_manager": ""}),
        ("OlderPatch", "controller-0", {"kubernetes": "1.37.9"}),
        ("MinorUpgrade", "worker-0", {"kubernetes": "1.36.9"}),
        ("OlderPatch", "controller-0", {"etcd": "3.7.9"}),
        ("OlderPatch", "worker-0", {"containerd": "2.4.9"}),
        ("Firewall", "lb", {"firewall": "ufw"}),
        ("Firewall", "worker-0", {"firewall": "firewalld"}),
        ("Nameserver", "worker-0", {"nameservers": ("127.0.0.1",)}),
    ],
)
def test_what_may_do_harm_is_a_warning(inputs, name, host, wrong):
    assert [(finding.name, finding.host, finding.warning) for finding in judge(inputs(host, **wrong))] == [
        (name, host, True)
    ]


@pytest.mark.parametrize(("there", "named"), [("1.37.0", []), ("1.37.2", []), ("1.36.8", ["MinorUpgrade"]), ("", [])])
def test_the_next_minor_and_any_patch_are_no_jump(inputs, there, named):
    found = findings(inputs("controller-0", kubernetes=there))
    assert VAGRANT.versions.minor == (1, 37) and [one.name for one in found if one.warning] == named
    assert not [one for one in found if not one.warning]


@pytest.mark.parametrize(
    ("kernel", "named"), [("5.12.19", ["Kernel"]), ("5.13.0-1-amd64", []), ("6.1.0-9-amd64", []), ("", [])]
)
def test_nftables_needs_a_kernel_of_its_time(inputs, kernel, named):
    made = inputs("worker-0", kernel=kernel)
    assert [
        finding.name for finding in findings(replace(made, cluster=replace(VAGRANT, proxy_mode="nftables")))
    ] == named
    assert findings(made) == []


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        ({"cpu": "1999m", "memory": "8091Mi", "pid": "1k"}, []),
        ({"cpu": "0", "memory": "0"}, []),
        ({"cpu": "2"}, ["2000m of cpu are kept from pods, but it has 2000m"]),
        ({"memory": "8092Mi"}, ["8092Mi of memory are kept from pods and the kubelet 100Mi more, but it has 8192Mi"]),
        ({"cpu": "1e9", "memory": "1Ti"}, ["1000000000000m of cpu", "1048576Mi of memory"]),
    ],
)
def test_a_worker_keeps_less_from_pods_than_it_has(inputs, kept, words):
    made = inputs("worker-0", cpus=2)
    hosts = [replace(host, reserved=kept) if host.name == "worker-0" else host for host in VAGRANT.hosts]
    found = findings(replace(made, cluster=replace(VAGRANT, hosts=tuple(hosts))))
    assert [one.name for one in found] == ["Reserved"] * len(words)
    assert all(word in one.what and not one.warning for one, word in zip(found, words, strict=True))


def test_a_name_server_of_ones_own_is_no_matter_where_the_inventory_names_others(inputs):
    made = inputs("worker-0", nameservers=("127.0.0.1",))
    assert findings(replace(made, cluster=replace(VAGRANT, coredns=CoreDns(forward=("192.0.2.53",))))) == []
    assert findings(inputs("controller-0", nameservers=("127.0.0.1",))) == []


@pytest.mark.parametrize(("name", "fact"), [("Hostname", "hostname"), ("MachineId", "machine_id")])
def test_two_hosts_that_are_the_same_machine_are_both_named(inputs, name, fact):
    found = [finding for finding in findings(inputs("worker-0", **{fact: "worker-1"})) if finding.name == name]
    assert [finding.host for finding in found] == [
        "worker-0",
        "worker-1",
    ] and "worker-1 is also used by worker-1" in found[0].what


def test_of_many_hosts_that_are_the_same_machine_a_few_are_named_with_each(tmp_path):
    hosts = tuple(replace(VAGRANT.hosts[0], name=f"worker-{n}") for n in range(40))
    facts = {
        host.name: Facts(hostname=host.name, machine_id="same", memory_mb=8192, nameservers=("192.0.2.53",))
        for host in hosts
    }
    cluster = replace(VAGRANT, hosts=hosts)
    made = Inputs(cluster, facts, Credentials(cluster, Overlay(StateDir(tmp_path / "none"))), None)
    told = {finding.host: finding.what for finding in findings(made) if finding.name == "MachineId"}
    assert told["worker-0"].endswith("used by worker-1, worker-2, worker-3, worker-4, worker-5 and 34 more")
    assert told["worker-2"].endswith("used by worker-0, worker-1, worker-3, worker-4, worker-5 and 34 more")
    assert told["worker-39"].endswith("used by worker-0, worker-1, worker-2, worker-3, worker-4 and 34 more")
    assert len(told) == 40


def test_a_member_without_data_founds_no_etcd_while_others_cannot_be_asked(inputs):
    """With --limit they may be away, and an etcd may run on them: this member's disk may be a new one."""
    made = inputs()
    away = {name: Facts(known=False) for name in ("controller-1", "controller-2")}
    found = findings(replace(made, facts={**made.facts, **away}))
    assert [(finding.name, finding.host, finding.warning) for finding in found] == [
        ("EtcdUnknown", "controller-0", False)
    ]
    for known in ({"etcd_data": True}, {"etcd_state": "existing"}):
        told = {**made.facts, **away, "controller-0": replace(made.facts["controller-0"], **known)}
        assert findings(replace(made, facts=told)) == []


def test_a_name_that_differs_in_case_alone_is_the_same_node(inputs):
    assert findings(inputs("worker-0", hostname="Worker-0")) == []


def test_flags_are_free_before_etcd_has_had_a_quorum(inputs):
    flags = {"etcd": "", "etcd.wal-dir": "/fast"}
    assert findings(inputs("controller-0", flags=flags)) == []


def test_an_api_server_that_the_inventory_does_not_name_is_an_error(inputs):
    made, own = inputs(), {str(host.address) for host in VAGRANT.control_plane}
    serving = lambda *more: replace(made, lives=Lives(servers=frozenset(own | set(more))))  # noqa: E731
    assert findings(serving()) == [] and findings(replace(made, lives=Lives(servers=None))) == []
    [found] = findings(serving("192.168.56.77"))
    assert (found.name, found.host) == ("ApiServer", "controller-0") and "192.168.56.77" in found.what
    assert "hardway node remove INV HOST" in found.remedy
    # A host that lost the role alone is Role's business.
    assert findings(serving(str(VAGRANT.host("worker-0").address))) == []


def test_an_api_server_may_still_announce_the_former_address_of_its_host(inputs):
    made = inputs("controller-1", flags={"kube-apiserver.advertise-address": "192.168.56.77"})
    moved = replace(made, lives=Lives(servers=frozenset({"192.168.56.77"})))
    assert findings(moved) == []
    unasked = {**made.facts, "controller-1": Facts(known=False)}
    silent = [one.name for one in findings(replace(moved, facts=unasked))]
    assert "ApiServer" not in silent, "nothing follows when a host could not be asked: it may have been there"


def test_a_clock_apart_from_the_others_is_named(inputs):
    found = [finding for finding in findings(inputs("worker-1", clock_offset=45.0)) if finding.name == "ClockSkew"]
    assert [finding.host for finding in found] == ["worker-1"] and "+45 s" in found[0].what


@pytest.mark.parametrize(
    ("host", "port", "unit"), [("lb", 6443, "haproxy.service"), ("controller-0", 2380, "etcd.service")]
)
def test_a_port_our_own_unit_holds_is_free(inputs, host, port, unit):
    assert findings(inputs(host, listening=frozenset({port}), units=frozenset({unit}))) == []


def test_a_port_on_which_another_preflight_listens_for_a_moment_is_free(inputs):
    held = {"listening": frozenset({2380}), "holders": {2380: ("systemd-socket-", "812")}}
    assert findings(inputs("controller-0", **held)) == []


@pytest.mark.parametrize(
    ("host", "ours", "free"),
    [
        ("lb", {"bound": (8443,), "units": frozenset({"haproxy.service"})}, False),
        ("lb", {"bound": (8443, 6443), "units": frozenset({"haproxy.service"})}, True),
        ("controller-0", {"units": frozenset({"kube-apiserver.service"})}, True),
    ],
)
def test_a_unit_that_runs_does_not_hold_every_port_it_is_to_have(inputs, host, ours, free):
    """HAProxy may run with a former port, and the new one be somebody else's."""
    found = [finding.name for finding in findings(inputs(host, listening=frozenset({6443}), **ours))]
    assert ("Port-6443" not in found) == free


def test_many_workers_that_move_are_told_in_one_line(inputs):
    made = inputs()
    former = {name: replace(facts, servers=("https://192.0.2.1:6443",)) for name, facts in made.facts.items()}
    [finding] = [one for one in findings(replace(made, facts=former)) if one.name == "ApiMoves"]
    names = [host.name for host in VAGRANT.with_role(Role.CONTROL_PLANE, Role.WORKER)]
    assert finding.warning and finding.what.startswith(
        f"{', '.join(names[:3])} and {len(names) - 3} more use the API at"
    )
    lost = dict(former) | {"worker-1": Facts(known=False)}
    [finding] = [one for one in findings(replace(made, facts=lost)) if one.name == "ApiMoves"]
    assert "https://192.0.2.1:6443 stays open, because worker-1 may use it and cannot be reached" in finding.what


def test_every_finding_on_every_host_is_shown_at_once(inputs):
    made = inputs("lb", uid=1000)
    facts = dict(made.facts) | {"worker-0": replace(made.facts["worker-0"], init="openrc", read_only=("/etc",))}
    with pytest.raises(PreflightError) as caught:
        judge(replace(made, facts=facts))
    assert (
        caught.value.evidence.count("[ERROR ") == caught.value.evidence.count("  next: ") == 3
        and caught.value.message == "preflight failed: 3 errors"
    )


def test_a_host_built_with_other_keys_is_refused_and_one_built_with_ours_is_not(inputs):
    made = inputs("worker-0", cluster="vagrant", authority="0" * 64)
    ours = authority(made.credentials.ca())
    assert [finding.name for finding in findings(made)] == ["OtherState"]
    facts = dict(made.facts) | {"worker-0": replace(made.facts["worker-0"], authority=ours)}
    assert findings(replace(made, facts=facts)) == []


def test_a_full_disk_does_not_refuse_a_host_that_has_our_programs(inputs):
    made = inputs("worker-0", cluster="vagrant", disk_free_mb=100)
    facts = dict(made.facts) | {"worker-0": replace(made.facts["worker-0"], authority=authority(made.credentials.ca()))}
    assert [finding.name for finding in findings(replace(made, facts=facts)) if not finding.warning] == []


SURVEY = """arch=aarch64
kernel=6.1.0
clock=1000.500000000
memory_kb=2097152
addresses=127.0.0.1=lo 10.0.0.9=ens3
listening=1F90 0016
holders=8080=haproxy=71 22=sshd=8
read_only=/usr/local /etc
cluster=lab abc123
filesystem_overlay=yes
etcd_state=existing
kubernetes=1.36.4
flags=etcd= kube-apiserver= kube-apiserver.etcd-prefix=/a=b
"""


def test_a_survey_is_read():
    facts = parse(SURVEY, sent=1000.0, received=1001.0)
    assert (facts.arch, facts.memory_mb, facts.addresses["10.0.0.9"]) == ("arm64", 2048, "ens3")
    assert facts.listening == {8080, 22} and facts.overlay and (facts.cluster, facts.authority) == ("lab", "abc123")
    assert facts.kubernetes == "1.36.4"
    assert facts.flags == {"etcd": "", "kube-apiserver": "", "kube-apiserver.etcd-prefix": "/a=b"}
    assert facts.holders[8080] == ("haproxy", "71") and facts.read_only == ("/usr/local", "/etc")
    assert facts.clock_offset == 0.0 and etcd_born({"one": Facts(), "two": facts}) and not etcd_born({"one": Facts()})


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("units=ssh.service firewalld.service", "firewalld"),
        ("firewall=ufw", "ufw"),
        ("firewall=\nunits=ufw.service", ""),
    ],
)
def test_a_firewall_is_one_that_is_switched_on(said, found):
    """Ubuntu's ufw.service is active on every machine."""
    assert parse(said, 0.0, 0.0).firewall == found


@pytest.mark.parametrize(("clock", "offset"), [("900.0", -100.0), ("1101", 100.0), ("1000.N", 0.0)])
def test_a_clock_is_only_off_when_it_is_outside_of_the_question(clock, offset):
    assert parse(f"clock={clock}", sent=1000.0, received=1001.0).clock_offset == offset


def test_a_host_that_says_nothing_is_no_crash():
    assert parse("", 0.0, 0.0).arch == ""


@pytest.mark.parametrize(("mode", "extra"), [("iptables", set()), ("nftables", {("nft", "nftables")})])
def test_workers_get_the_tools_of_their_proxy_mode(inputs, mode, extra):
    made = inputs()
    wanted = {}
    for proxy_mode in ("iptables", mode):
        given = replace(made, cluster=replace(VAGRANT, proxy_mode=proxy_mode))
        packages = [resource for resource in desired(given, VAGRANT.host("worker-0")) if isinstance(resource, Packages)]
        wanted[proxy_mode] = {pair for each in packages for pair in each.tools}
    assert ("iptables", "iptables") in wanted[mode] and wanted[mode] - wanted["iptables"] == extra


@pytest.mark.parametrize(
    ("links", "named"),
    [
        (("192.168.56.0/24",), []),
        (("10.0.2.0/24", "192.168.0.0/16"), []),
        (("0.0.0.0/0",), []),
        ((), []),
        (("10.0.2.0/24",), ["worker-0", "worker-1"]),
        (("192.168.56.20",), ["worker-1"]),
    ],
)
def test_a_next_hop_behind_a_router_is_told_before_the_kernel_refuses_it(inputs, links, named):
    found = [one for one in findings(inputs("lb", links=links)) if one.name == "NextHop"]
    assert [one.host for one in found] == ["lb"] * bool(named) and not any(one.warning for one in found)
    for worker in VAGRANT.workers:
        assert all((f"{worker.name} ({worker.address})" in one.what) is (worker.name in named) for one in found)


HERE, THERE = (str(VAGRANT.host(name).address) for name in ("worker-0", "worker-1"))


@pytest.mark.parametrize(
    ("beyond", "links", "words"),
    [
        ({}, ("192.168.56.1/32",), ""),  # /32 addresses, and a route of its own to each
        ({}, (), ""),
        (
            {THERE: "192.168.56.1"},
            ("192.168.56.0/24",),
            "",
        ),  # a detour that somebody set; the kernel takes it all the same
        (
            {THERE: "192.168.56.1"},
            ("192.168.56.1/32",),
            "worker-1 (ADDRESS): the way there is through a router, 192.168.56.1",
        ),
        ({THERE: "none"}, (), "worker-1 (ADDRESS): it has no route there"),
        ({HERE: "10.0.0.1", THERE: "none"}, (), "through a router, 10.0.0.1"),
    ],
)
def test_what_the_kernel_says_of_the_way_to_a_next_hop_counts(inputs, beyond, links, words):
    found = [one for one in findings(inputs("lb", links=links, beyond=beyond)) if one.name == "NextHop"]
    assert len(found) == bool(words) and all(words.replace("ADDRESS", THERE) in one.what for one in found)
    assert all("one network without a router" in one.remedy and not one.warning for one in found)


def test_a_worker_routes_to_the_others_alone(inputs):
    own = next(host for host in VAGRANT.workers if host.name == "worker-0")
    found = [one for one in findings(inputs("worker-0", links=(f"{own.address}/32",))) if one.name == "NextHop"]
    assert [one.host for one in found] == ["worker-0"] and "worker-0" not in found[0].what


@pytest.mark.parametrize(
    ("boot", "words", "next_"),
    [
        (
            "starting 23 systemd-networkd-wait-online.service start running 84",
            "has not finished its boot: 23 jobs in systemd's queue; it waits for systemd-networkd-wait-online.service"
            " (start running for 84 s)",
            "if it stays so: systemctl list-jobs; systemctl status systemd-networkd-wait-online.service",
        ),
        (
            "initializing 1 x.mount start running",
            "1 job in systemd's queue; it waits for x.mount (start running)",
            "x.m",
        ),
        ("stopping 9 x.service stop running 3", "is shutting down", "hardway status INV"),
        ("stopping", "is shutting down", "hardway status INV"),
        ("starting", "", ""),
        ("", "", ""),
    ],
)
def test_a_machine_that_is_not_up_yet_is_told(inputs, boot, words, next_):
    found = [one for one in findings(inputs("worker-0", boot=boot)) if one.name == "Booting"]
    assert len(found) == bool(words)
    assert all(one.warning and words in one.what and next_ in one.remedy for one in found)


def test_what_is_ignored_is_a_warning_and_everything_else_is_not(inputs):
    found = replace(inputs("worker-0", memory_mb=8192, arch="s390x"), ignored=frozenset({"Architecture"}))
    [warning] = judge(found)
    assert warning.name == "Architecture" and warning.warning
    with pytest.raises(PreflightError) as caught:
        judge(replace(found, ignored=frozenset({"Memory"})))
    assert caught.value.hint.endswith("(or add: --ignore Architecture=worker-0)")


def test_what_is_ignored_on_one_host_still_counts_on_another(inputs):
    made = inputs("worker-0", arch="s390x")
    facts = {**made.facts, "worker-1": replace(made.facts["worker-1"], arch="s390x")}
    found = findings(replace(made, facts=facts, ignored=frozenset({"Architecture=worker-1"})))
    assert [(one.host, one.warning) for one in found] == [("worker-0", False), ("worker-1", True)]


def test_what_keeps_a_cluster_from_harm_offers_no_way_around(inputs):
    with pytest.raises(PreflightError) as caught:
        judge(inputs("worker-0", arch="s390x", cluster="another"))
    assert "--ignore" not in caught.value.hint


def test_a_check_to_ignore_is_one_of_the_machine_itself():
    for words in (("Cgroup", "Port-6443"), ("Cgroup=worker-1", "Port-6443=lb")):
        assert Selection(ignore=words).ignored(VAGRANT) == words
    assert str(Selection(ignore=("Cgroup=lb",))) == "--ignore Cgroup=lb"
    with pytest.raises(UsageError, match="there is no such host") as caught:
        Selection(ignore=("Cgroup=worker-9",)).ignored(VAGRANT)
    assert "did you mean worker-" in caught.value.hint
    for name in ("Foreign", "PodBlock", "EtcdMembers", "Port-", "nonsense", "", "Foreign=lb"):
        with pytest.raises(UsageError, match="has no check"):
            Selection(ignore=(name,)).ignored(VAGRANT)
    every = {check.name for check in (*preflight.CHECKS, *preflight.AROUND, *preflight.OF_OTHERS, *preflight.TOGETHER)}
    kept = every - set(preflight.ignorable())
    assert {"Foreign", "Occupied", "VersionJump", "FixedFlag", "Renamed", "NetworkFixed", "EtcdUnknown"} <= kept


def test_a_check_that_nobody_may_ignore_is_refused_before_a_host_is_asked(tmp_path):
    """Through the command line; the hosts of this inventory are nowhere."""
    words = ["plan", str(VAGRANT.source), "--state-dir", str(tmp_path / "state"), "--ignore", "Foreign"]
    ran = subprocess.run([sys.executable, "-m", "hardway.cli.app", *words], capture_output=True, text=True, timeout=60)
    assert ran.returncode == UsageError("").exit_code, ran
    assert (
        "no check Foreign that can be ignored" in ran.stderr
        and "next: " in ran.stderr
        and "Traceback" not in ran.stderr
    )
