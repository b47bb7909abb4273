"""What is a cause and what a consequence: by the diagnoses' own words, over findings as real clusters give them."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardway.assets.placeholders import Placeholders
from hardway.checks import CHECKS
from hardway.checks.suite import READING
from hardway.commands.doctor import DIAGNOSES, Diagnosis, Finding
from hardway.commands.doctor.causes import causes, order
from hardway.commands.doctor.checks import CAUSES, NEEDS_API, WITHOUT_KEYS
from hardway.facts import Facts
from hardway.inventory import load
from hardway.phase import Inputs
from hardway.phases import PHASES
from hardway.pki.credentials import Credentials
from hardway.resources import Unit
from hardway.state.statedir import Overlay, StateDir

INVENTORIES = Path(__file__).parents[2] / "inventory"
NAMES = {one.name for one in DIAGNOSES}


def found(*names: str) -> list[Finding]:
    """Findings written as NAME@HOST, or NAME where it is the cluster's as a whole; a question mark makes a warning."""
    parts = [(name.rstrip("?").partition("@"), name.endswith("?")) for name in names]
    return [Finding(host, "what", "next", name=name, warning=warning) for (name, _, host), warning in parts]


def arranged(*names: str) -> dict[str, list[str]]:
    """Causes with their consequences, in the same writing."""
    written = lambda one: f"{one.name}@{one.host}" if one.host else one.name  # noqa: E731
    return {
        written(cause.finding): [written(one) for one in cause.consequences]
        for cause in causes(DIAGNOSES, found(*names))
    }


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param((), {}, id="healthy"),
        pytest.param(
            ("nodes-ready@w-0", "unit-kubelet@w-0", "disk-full@w-0"),
            {"disk-full@w-0": ["unit-kubelet@w-0", "nodes-ready@w-0"]},
            id="a-full-disk-stops-the-kubelet",
        ),
        pytest.param(
            ("api-down", "apiservers-ready@c-0", "certificate", "certificates-served@c-0"),
            {"certificate": ["apiservers-ready@c-0", "certificates-served@c-0", "api-down"]},
            id="an-expired-certificate-takes-the-api-down",
        ),
        pytest.param(
            (
                "host-away@c-1",
                "host-away@c-2",
                "etcd-member@c-1",
                "etcd-member@c-2",
                "etcd-quorum",
                "unit-starting@c-0",
                "apiservers-ready@c-0",
            ),
            {
                "host-away@c-1": ["etcd-member@c-1", "etcd-quorum", "unit-starting@c-0", "apiservers-ready@c-0"],
                "host-away@c-2": ["etcd-member@c-2"],
            },
            id="members-away-take-the-quorum",
        ),
        pytest.param(
            ("unit-etcd@c-0", "host-away@w-0", "etcd-member@c-0", "etcd-members@c-0"),
            {"host-away@w-0": [], "unit-etcd@c-0": ["etcd-member@c-0", "etcd-members@c-0"]},
            id="a-worker-that-is-away-explains-nothing-about-etcd",
        ),
        pytest.param(
            ("argument-refused@c-0", "unit-kube-apiserver@c-0", "apiservers-ready@c-0", "apiservers-ready@c-1"),
            {"argument-refused@c-0": ["unit-kube-apiserver@c-0", "apiservers-ready@c-0"], "apiservers-ready@c-1": []},
            id="only-on-its-own-host",
        ),
        pytest.param(
            ("api-address@w-0", "unit-haproxy@lb", "nodes-ready@w-0"),
            {"unit-haproxy@lb": ["api-address@w-0", "nodes-ready@w-0"]},
            id="the-load-balancer-is-everybodys",
        ),
        pytest.param(
            ("disk-full@w-0?", "unit-kubelet@w-0"),
            {"disk-full@w-0": [], "unit-kubelet@w-0": []},
            id="a-warning-explains-nothing",
        ),
        pytest.param(
            (
                "cluster-identity",
                "etcd-restore",
                "unit-etcd@c-0",
                "etcd-quorum",
                "etcd-member@c-1",
                "unit-kube-apiserver@c-1",
                "unit-kube-scheduler@c-1",
                "api-down",
            ),
            {
                "etcd-restore": [
                    "cluster-identity",
                    "unit-etcd@c-0",
                    "etcd-member@c-1",
                    "etcd-quorum",
                    "unit-kube-apiserver@c-1",
                    "unit-kube-scheduler@c-1",
                    "api-down",
                ]
            },
            id="a-restore-that-ended-in-the-middle-stopped-everything",
        ),
        pytest.param(
            ("drift@c-0", "unit-etcd@c-0"), {"unit-etcd@c-0": [], "drift@c-0": []}, id="what-differs-comes-last"
        ),
    ],
)
def test_causes(names, expected):
    got = arranged(*names)
    assert {cause: sorted(follow) for cause, follow in got.items()} == {
        cause: sorted(follow) for cause, follow in expected.items()
    }
    assert list(got) == list(expected)


def test_nothing_is_lost_whatever_is_found():
    every = [f"{name}@c-0" for name in NAMES]
    got = arranged(*every)
    assert sorted([*got, *(one for follow in got.values() for one in follow)]) == sorted(every)


def test_no_two_diagnoses_explain_each_other():
    assert set(order(DIAGNOSES)) == NAMES, "every cause named by a diagnosis is one"
    circle = [Diagnosis("a", "", list, here=("b",)), Diagnosis("b", "", list, anywhere=("a",))]
    with pytest.raises(ValueError):
        order(circle)


def test_every_check_that_changes_nothing_is_made_once():
    assert len(NAMES) == len(DIAGNOSES)
    replaced = {name for one in DIAGNOSES for name in one.instead_of}
    assert {check.name for check in READING} == (NAMES & {check.name for check in CHECKS}) | replaced
    assert not replaced & NAMES
    assert not {check.name for check in READING if check.needs_smoke}


def test_the_words_about_checks_name_checks():
    known = {check.name for check in READING}
    assert CAUSES.keys() | NEEDS_API | WITHOUT_KEYS <= known


@pytest.mark.parametrize("name", ["lab", "single", "ha"])
def test_every_unit_has_its_diagnosis(tmp_path, name):
    cluster = load(INVENTORIES / f"{name}.yaml")
    facts = {host.name: Facts(hostname=host.name, addresses={str(host.address): "eth0"}) for host in cluster.hosts}
    inputs = Inputs(cluster, facts, Credentials(cluster, Overlay(StateDir(tmp_path / "none"))), Placeholders())
    wanted = [one for phase in PHASES for host in phase.targets(cluster) for one in phase.desired(inputs, host)]
    units = {f"unit-{one.name.removesuffix('.service')}" for one in wanted if isinstance(one, Unit)}
    assert units <= NAMES, "add its causes in hardway/commands/doctor/units.py"


SOME = st.lists(
    st.tuples(st.sampled_from(sorted(NAMES)), st.sampled_from(["", "c-0", "c-1", "w-0"]), st.booleans()), max_size=7
)


@given(found_=SOME, chance=st.randoms(use_true_random=False))
def test_causes_do_not_depend_on_who_answers_first(found_, chance):
    findings = [
        Finding(host, f"what {number % 2}", "next", name=name, warning=warning)
        for number, (name, host, warning) in enumerate(found_)
    ]
    shuffled = list(findings)
    chance.shuffle(shuffled)
    hosts = ("c-0", "c-1", "w-0")
    assert causes(DIAGNOSES, shuffled, hosts) == causes(DIAGNOSES, findings, hosts)


@pytest.mark.parametrize(
    "names",
    [
        ("argument-refused@c-0", "unit-kube-scheduler@c-0", "leaders"),
        ("host-away@c-1", "host-away@c-2", "etcd-quorum", "etcd-member@c-1"),
        ("disk-full@w-0", "unit-kubelet@w-0", "nodes-ready@w-0", "drift@w-0"),
    ],
)
def test_every_order_of_a_few_gives_the_same_causes(names):
    every = [causes(DIAGNOSES, found(*order_)) for order_ in itertools.permutations(names)]
    assert every == [every[0]] * len(every)


def test_a_refused_flag_explains_the_lease_that_nobody_renews():
    for names in itertools.permutations(("leaders", "unit-kube-scheduler@c-0", "argument-refused@c-0")):
        assert arranged(*names) == {"argument-refused@c-0": ["unit-kube-scheduler@c-0", "leaders"]}
