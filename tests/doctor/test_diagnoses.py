"""What each diagnosis thinks of what it sees: what is well is no finding, every way of being ill is named with its
remedy."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from hardway.commands.doctor import DIAGNOSES
from hardway.commands.doctor.checks import placed
from hardway.commands.doctor.etcd_cluster import QUOTA, SIZE, half_restored, numbers, room_finding
from hardway.commands.doctor.hosts import space_findings, spaces, unfit
from hardway.commands.doctor.pods import image_finding
from hardway.commands.doctor.units import Sick, described
from hardway.facts import Facts
from hardway.preflight import Finding as Unfit
from hardway.resources.unit_state import UnitState
from hardway.run.refusals import last_words, refusal
from hardway.settings import Assets
from hardway.targets.pods import CRASH_REASONS, IMAGE_REASONS, stuck

SYSTEMD = """kube-apiserver.service: Main process exited, code=exited, status=1/FAILURE
kube-apiserver.service: Failed with result 'exit-code'.
Failed to start Kubernetes API server.
kube-apiserver.service: Scheduled restart job, restart counter is at 7.
Stopped Kubernetes API server.
Starting Kubernetes API server...
"""


@pytest.mark.parametrize(
    ("unit", "line", "key"),
    [
        ("kube-apiserver.service", "Error: unknown flag: --no-such-flag", "extra_args.kube-apiserver.no-such-flag"),
        ("etcd.service", "flag provided but not defined: -no-such", "extra_args.etcd.no-such"),
        (
            "kube-apiserver.service",
            'Error: invalid argument "x" for "--no-such-flag" flag: strconv',
            "extra_args.kube-apiserver.no-such-flag",
        ),
        ("kubelet.service", "F1126 15:00:00.1 7 server.go:1] unknown flag: --no-such-flag", ""),
        ("etcd.service", 'invalid value "x" for flag -no-such: parse error', "extra_args.etcd.no-such"),
    ],
)
def test_a_refused_flag_is_told_with_its_place_in_the_inventory(cluster, unit, line, key):
    found = refusal(cluster, unit, f"{SYSTEMD}{line}\n{SYSTEMD}")
    assert (found.key, found.line) == (key, line)
    assert (key or "versions.") in found.remedy and "hardway bootstrap INV" in found.remedy


@pytest.mark.parametrize("journal", ["", SYSTEMD, "E1126 connection refused\n" + SYSTEMD])
def test_other_ends_are_no_refusals(cluster, journal):
    assert refusal(cluster, "kube-apiserver.service", journal) is None


def test_the_last_words_are_the_programs_own_and_each_once():
    again = "I1126 15:00:0{0} 1{0} main.go:1] begins\nF1126 15:00:0{0} 1{0} main.go:9] no such file: x\n"
    assert last_words("".join(again.format(number) + SYSTEMD for number in range(5))) == tuple(
        again.format(4).splitlines()
    )


def sick(
    cluster,
    active,
    enabled="enabled",
    restarts="0",
    result="exit-code",
    journal="F panic\n",
    finding="x.service is odd",
    **more,
):
    state = {"ActiveState": active, "UnitFileState": enabled, "NRestarts": restarts, "Result": result, **more}
    return described(Sick(cluster.host("c-0"), "x.service", UnitState(state), finding, journal))


@pytest.mark.parametrize(
    ("state", "what", "evidence"),
    [
        ({"active": "inactive", "result": "success"}, "x.service is stopped", ()),
        ({"active": "inactive", "result": "success", "enabled": "disabled"}, "x.service is stopped and disabled", ()),
        ({"active": "inactive", "result": "success", "enabled": "masked"}, "x.service is stopped and masked", ()),
        (
            {"active": "activating", "restarts": "7"},
            "x.service keeps exiting: systemd restarted it 7 times",
            ("F panic",),
        ),
        ({"active": "activating"}, "x.service is starting and not ready yet", ("F panic",)),
        ({"active": "failed"}, "x.service is odd", ("F panic",)),
        ({"active": "activating", "SubState": "auto-restart"}, "x.service is odd", ("F panic",)),
        ({"active": "inactive", "result": "success", "Job": "7"}, "x.service is odd", ()),
        ({"active": "active", "enabled": "disabled"}, "x.service is odd", ()),
    ],
)
def test_units(cluster, state, what, evidence):
    found = sick(cluster, **state)
    assert (found.host, found.what, found.evidence) == ("c-0", what, evidence)
    assert found.next


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("/ 20% 20971520 1%\n/boot 99% 100", []),
        ("/var/lib 98% 102400 3%", [("the disk of /var/lib: 98% used, 100 MB free", False)]),
        ("/ 91% 2097152 3%", [("the disk of /: 91% used, 2048 MB free", True)]),
        ("/ 20% 2097152 100%", [("the inodes of /: 100% used", False)]),
        ("/ 20% 2097152 -", []),
    ],
)
def test_disks(cluster, answer, words):
    assert [(one.what, one.warning) for one in space_findings(cluster.host("w-0"), spaces(answer))] == words


@pytest.mark.parametrize(("size", "warning"), [(1e6, None), (9e6, True), (9.7e6, False), (12e6, False)])
def test_etcds_room(size, warning):
    seen = numbers(f'# HELP x\nother{{a="b"}} 3\n{SIZE} {size:e}\n{QUOTA} 1e+07\n')
    found = room_finding("c-0", seen)
    assert (found and found.warning) == warning
    assert found is None or "hardway etcd defrag INV --compact" in found.next


def test_a_restore_that_is_not_finished(cluster):
    note = f"20261130T120000Z {'ab' * 32} 1000000"
    facts = {name: Facts(restoring=note if name in ("c-1", "c-2") else "") for name in ("lb", "c-0", "c-1", "c-2")}
    patient = SimpleNamespace(cluster=cluster, known=SimpleNamespace(facts=facts))
    [found] = half_restored(patient)
    assert (found.host, found.evidence, found.warning) == ("", ("noted on c-1, c-2",), False)
    assert "began at 20261130T120000Z" in found.what and found.next.startswith("hardway etcd restore INV FILE")
    unfit_hosts = SimpleNamespace(unfit=[Unfit("Restoring", "c-1", found.what, found.next)])
    assert list(unfit(unfit_hosts)) == [], "told once"
    for one in facts:
        facts[one] = Facts(known=False)
    assert list(half_restored(patient)) == []


def test_a_silent_member_is_not_called_full():
    assert room_finding("c-0", {}) is None


def pod(reason, namespace="kube-system", image="registry.example/coredns:1"):
    waiting = {"image": image, "state": {"waiting": {"reason": reason, "message": "not found"}}}
    about = {"name": "coredns-1", "namespace": namespace}
    return {"metadata": about, "spec": {"nodeName": "w-0"}, "status": {"containerStatuses": [waiting]}}


@pytest.mark.parametrize("reason", sorted(IMAGE_REASONS))
@pytest.mark.parametrize(
    ("images", "namespace", "words"),
    [
        ("push", "kube-system", "hardway bootstrap INV   copies the image there again"),
        ("pull", "kube-system", "write `assets: {images: push}` in INV, then: hardway bootstrap INV"),
        ("push", "shop", "give w-0 access to its registry"),
    ],
)
def test_images(cluster, reason, images, namespace, words):
    from dataclasses import replace

    [waiting] = stuck([pod(reason, namespace), pod("ContainerCreating"), {"metadata": {"name": "new"}}], IMAGE_REASONS)
    found = image_finding(replace(cluster, assets=Assets(images=images)), waiting.image, [waiting])
    assert words in found.next and found.host == "w-0"
    assert f"registry.example/coredns:1 is not on w-0 and cannot be pulled ({reason})" in found.what


def test_a_pod_that_crashes_is_no_image():
    assert [one.reason for one in stuck([pod("CrashLoopBackOff")], CRASH_REASONS)] == ["CrashLoopBackOff"]


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("w-0: kubelet.service is failed", ("w-0", "kubelet.service is failed")),
        ("c-1 is not a member", ("c-1", "c-1 is not a member")),
        ("c-10: is nobody", ("", "c-10: is nobody")),
        ("no process holds the lease", ("", "no process holds the lease")),
    ],
)
def test_a_checks_line_is_put_to_its_host(cluster, line, place):
    assert placed(cluster, line) == place


def preflight(name: str, warning: bool) -> Unfit:
    return Unfit(name, "w-9", "what", "remedy", warning)


def test_what_another_diagnosis_tells_with_more_evidence_is_told_once():
    found = [preflight("Departed", True), preflight("Disk", True), preflight("Disk", False), preflight("Memory", True)]
    told = [(one.what, one.warning) for one in unfit(SimpleNamespace(unfit=found))]
    assert told == [("what", False), ("what", True)]


def test_a_node_that_left_the_inventory_is_a_finding_of_its_own(cluster):
    """By the check of verify: its commands are in the line itself."""
    [known] = [one for one in DIAGNOSES if one.name == "nodes-known"]
    node = {"metadata": {"name": "w-9"}, "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.29"}]}}
    live = SimpleNamespace(nodes=lambda: {"w-9": node})
    scene = SimpleNamespace(cluster=cluster, live=live, inputs=SimpleNamespace(facts={}))
    [found] = known.look(SimpleNamespace(cluster=cluster, scene=scene))
    assert known.needs_api and not found.warning and found.what.startswith("w-9 (10.0.0.29) is a node, but not in")
    assert found.what.endswith(": hardway node remove INV w-9") and found.next
