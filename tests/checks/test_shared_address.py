"""Who holds the address that load balancers share: one of them, and nobody else."""

from dataclasses import replace
from ipaddress import IPv4Address
from types import SimpleNamespace

import pytest

from hardway.checks import shared_address
from hardway.checks.outcome import Status
from hardway.checks.shared_address import ADDRESSES, held_once, holder_finding, holders
from hardway.errors import ConnectionFailed, NotReadyError

VIP = IPv4Address("10.240.0.5")


def test_an_address_is_not_the_beginning_of_another():
    said = {"a": "127.0.0.1=lo 10.240.0.50=eth0", "b": "10.240.0.5=eth0", "c": "110.240.0.5=eth0"}
    assert holders(said, VIP) == ["b"]


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (["lb"], ""),
        ([], "no host has 10.240.0.5"),
        (["lb", "worker-0"], "lb and worker-0 both have 10.240.0.5: clients reach one or the other"),
        (["worker-0"], "worker-0 has 10.240.0.5 and is not a load balancer"),
    ],
)
def test_one_load_balancer_has_it(found, told):
    assert holder_finding(found, VIP, ["lb", "lb-2"]) == told


def scene(cluster, said, api="", vip=VIP):
    """The hosts as they answer, each a list of answers in turn or an error."""
    cluster = replace(cluster, api=replace(cluster.api, vip=vip))

    def ask(host, probes):
        answer = said.get(host.name, "127.0.0.1=lo")
        if isinstance(answer, Exception):
            raise answer
        return {ADDRESSES: answer.pop(0) if isinstance(answer, list) and len(answer) > 1 else "".join(answer)}

    def wait(check, seconds, interval):
        for _ in range(3):
            if not (missing := check()):
                return
        raise NotReadyError("gave up", waited_for=missing)

    live = SimpleNamespace(shared=lambda: SimpleNamespace(not_ready=lambda: api))
    return SimpleNamespace(cluster=cluster, ask=ask, wait=wait, live=live)


HAS = f"127.0.0.1=lo {VIP}=eth0"


def test_where_it_belongs(cluster):
    outcome = held_once(scene(cluster, {"lb": HAS}))
    assert outcome.status is Status.PASSED and "lb has 10.240.0.5" in outcome.detail


def test_a_host_that_is_no_load_balancer_is_asked_too(cluster):
    outcome = held_once(scene(cluster, {"lb": HAS, "controller-1": HAS}))
    assert outcome.status is Status.FAILED and "controller-1 and lb both have" in outcome.detail


def test_an_address_on_its_way_is_waited_for(cluster):
    assert held_once(scene(cluster, {"lb": ["127.0.0.1=lo", HAS, HAS]})).status is Status.PASSED


def test_the_api_must_answer_there(cluster):
    outcome = held_once(scene(cluster, {"lb": HAS}, api="readyz 500"))
    assert outcome.status is Status.FAILED and outcome.detail == "the API does not answer at 10.240.0.5: readyz 500"


def test_a_host_that_does_not_answer_is_no_proof(cluster):
    outcome = held_once(scene(cluster, {"lb": HAS, "worker-1": ConnectionFailed("worker-1 does not answer")}))
    assert outcome.status is Status.FAILED and outcome.detail == "worker-1: worker-1 does not answer"


def test_where_none_is_shared_there_is_nothing_to_ask(cluster):
    assert held_once(scene(cluster, {}, vip=None)).status is Status.SKIPPED


def test_doctor_and_verify_know_it():
    from hardway.checks import suite
    from hardway.commands.doctor.checks import CAUSES

    [check] = shared_address.CHECKS
    assert check in suite.HEALTH and check.name in CAUSES
