"""The running of checks: selection, what a failed preparation means for the rest, and that clearing up always
happens."""

import datetime
import json
from types import SimpleNamespace

import pytest

from hardway.checks import manifests, pods, smoke, suite
from hardway.checks.check import Check
from hardway.checks.outcome import Status, passed
from hardway.errors import RemoteCommandError, UsageError
from hardway.pki.secret import Secret
from hardway.settings import Taint


def test_names_are_unique_and_every_check_says_why_and_what_next():
    assert len({check.name for check in suite.CHECKS}) == len(suite.CHECKS)
    for check in suite.CHECKS:
        assert (
            check.name == check.name.lower()
            and check.title
            and check.reason.endswith((".", "surprise."))
            and check.remedy
        )


def test_a_smoke_check_brings_making_and_clearing_along():
    names = [check.name for check in suite.chosen({"hairpin"})]
    assert names == ["pods-run", "hairpin", "cleaned-up"]
    assert [check.name for check in suite.chosen({"pod-routes"})] == ["pod-routes"]
    assert suite.chosen(()) == suite.CHECKS


def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(UsageError) as error:
        suite.chosen({"hairpins"})
    assert "hairpins" in error.value.message and "hairpin" in error.value.hint


class FakeSuite:
    """Remembers whether it was asked to clear up."""

    def __init__(self, scene):
        self.cleared = 0

    def clear(self):
        self.cleared += 1


@pytest.fixture
def verification(monkeypatch):
    """A verification of given checks over a scene without a cluster."""
    monkeypatch.setattr(smoke, "SmokeSuite", FakeSuite)

    def make(health, smoke_checks=(), made=True):
        scene = SimpleNamespace(smoke=None, stop=SimpleNamespace(set=lambda: None))

        def prepare(scene):
            scene.smoke = object() if made else None
            return passed("")

        ready = Check("pods-run", "", "", "", prepare)
        late = Check("cleaned-up", "", "", "", lambda scene: passed(f"cleared {scene.suite.cleared}"))
        monkeypatch.setattr(smoke, "PODS", ready)
        monkeypatch.setattr(suite, "HEALTH", health)
        monkeypatch.setattr(suite, "SMOKE", smoke_checks)
        monkeypatch.setattr(suite, "LATE", (late,))
        return suite.Verification(scene, (*health, ready, *smoke_checks, late), None)

    return make


def check(name, run, needs_smoke=False):
    return Check(name, "", "", "", run, needs_smoke)


def raising(error):
    def run(scene):
        raise error

    return run


def test_outcomes_are_in_order_with_their_seconds_and_the_clearing_comes_first_of_the_last(verification):
    run = verification((check("a", lambda scene: passed("fine")),), (check("b", lambda scene: passed("too"), True),))
    results = run.run()
    assert [(each.name, outcome.detail) for each, outcome in results] == [
        ("a", "fine"),
        ("pods-run", ""),
        ("b", "too"),
        ("cleaned-up", "cleared 1"),
    ]
    assert all(outcome.seconds >= 0 for _, outcome in results)


def test_an_unreachable_host_is_a_failed_check_and_not_the_end(verification):
    error = RemoteCommandError("the API answered 500", evidence="one\nlast words")
    (_, outcome), *others = verification(
        (check("a", raising(error)), check("b", raising(ConnectionResetError("reset"))))
    ).run()
    assert outcome.status is Status.FAILED and outcome.detail == "the API answered 500; last words"
    assert others[0][1].detail == "reset"


def test_without_pods_smoke_checks_are_skipped_with_the_reason(verification):
    results = verification((), (check("b", raising(AssertionError("must not run")), True),), made=False).run()
    assert results[1][1].status is Status.SKIPPED and "pods-run failed" in results[1][1].detail


def test_an_odd_answer_fails_its_check_which_says_where_and_not_the_others(verification):
    results = verification((check("a", raising(KeyError("status"))), check("b", lambda scene: passed("fine")))).run()
    assert results[0][1].status is Status.FAILED and "'status' is missing, test_suite.py:" in results[0][1].detail
    assert results[1][1].status is Status.PASSED


@pytest.mark.parametrize("error", [KeyboardInterrupt, AssertionError])
def test_an_interrupt_or_a_bug_clears_up_and_goes_on(verification, error):
    run = verification((check("a", raising(error())),))
    with pytest.raises(error):
        run.run()
    assert run.scene.suite.cleared == 1


def pod(node, ready=True, address="10.200.0.7", **status):
    conditions = [
        {"type": "Ready", "status": "True" if ready else "False", "message": "containers with unready status"}
    ]
    described = {"phase": "Running", "podIP": address, "conditions": conditions, **status}
    return {"metadata": {"name": f"echo-{node}"}, "spec": {"nodeName": node} if node else {}, "status": described}


def test_every_worker_has_its_pod(cluster):
    both = [pod("worker-0"), pod("worker-1")]
    assert pods.pod_findings(both, cluster.workers) == []
    assert [each.worker.name for each in pods.ready_pods(both[::-1], cluster.workers)] == ["worker-0", "worker-1"]


def test_reasons_of_pods_that_are_not_ready(cluster):
    unscheduled = pod(None, ready=False)
    unscheduled["status"]["conditions"] = [
        {"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available"}
    ]
    pulling = pod(
        "worker-0",
        ready=False,
        containerStatuses=[{"state": {"waiting": {"reason": "ErrImagePull", "message": "not found"}}}],
    )
    first, second = pods.pod_findings([pulling, unscheduled], cluster.workers)
    assert first == "worker-0: pod echo-worker-0 is Running: ErrImagePull not found"
    assert second == "worker-1: no pod was scheduled to it: 0/2 nodes are available"
    assert pods.ready_pods([pulling, unscheduled], cluster.workers) == ()


def test_slices_tell_what_is_ready():
    ready, unready, unsaid = (
        {"addresses": [address], "conditions": said}
        for address, said in zip("abc", ({"ready": True}, {"ready": False}, {}), strict=True)
    )
    assert pods.ready_addresses([{"endpoints": [ready, unready]}, {"endpoints": None}, {"endpoints": [unsaid]}]) == {
        "a",
        "c",
    }


def namespace(name="hardway-verify-0a1b2c3d", minutes=11, labels=None, phase="Active"):
    born = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC) - datetime.timedelta(minutes=minutes)
    metadata = {
        "name": name,
        "labels": {manifests.LABEL: "true"} if labels is None else labels,
        "creationTimestamp": born.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return {"metadata": metadata, "status": {"phase": phase}}


def test_only_our_own_old_namespaces_are_stale():
    now = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
    others = [
        namespace(minutes=9),
        namespace(name="hardway-verify-mine"),
        namespace(name="default"),
        namespace(labels={}),
        namespace(phase="Terminating"),
    ]
    assert smoke.stale([*others, namespace()], now) == ["hardway-verify-0a1b2c3d"]


def test_a_suite_names_its_namespace_so_that_it_is_known_as_ours():
    assert manifests.is_ours(smoke.SmokeSuite(None).namespace)


def test_pods_go_to_the_workers_only_whatever_their_taints(cluster):
    spec = manifests.deployment("busybox:1", cluster.workers)["spec"]
    terms = spec["template"]["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ]
    assert spec["replicas"] == 2 and [term["matchFields"][0]["values"] for term in terms] == [
        ["worker-0"],
        ["worker-1"],
    ]
    taint = Taint("dedicated", "NoSchedule", "batch")
    assert manifests.tolerations([taint, taint]) == [
        {"key": "dedicated", "operator": "Equal", "value": "batch", "effect": "NoSchedule"}
    ]


def test_the_secret_is_nowhere_but_in_its_own_object():
    value = Secret(b"open sesame")
    made = manifests.secret(value)
    assert made["data"] == {"token": "b3BlbiBzZXNhbWU="}
    assert "sesame" not in json.dumps(
        [made["metadata"], repr(smoke.Smoke("ns", value, (), "10.32.0.7", 30000))], default=str
    )
