"""Evictions and budgets as a real API server answers them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from drain_world import LAB
from real_api import NODES, Kubelet, RealApi

from hardway.assets import AssetStore
from hardway.drain import Drain, Options, cordon, uncordon
from hardway.drain.cordon import cordon_of
from hardway.drain.eviction import Verdict, evict
from hardway.drain.pods import pods_on
from hardway.errors import AssetError, DrainRefused, DrainStopped
from hardway.inventory import load

pytestmark = pytest.mark.slow

A, WEB = NODES[0], {"app": "web"}


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[RealApi]:
    store = AssetStore(load(LAB))
    try:
        programs = store.binary("etcd").path, store.binary("kube-apiserver").path
    except AssetError as error:
        pytest.skip(f"{error.message}; hardway assets fetch {LAB}")
    server = RealApi(tmp_path_factory.mktemp("api"), *programs)
    yield server
    server.stop()


@pytest.fixture
def api(server: RealApi) -> RealApi:
    server.clear()
    return server


def drain(api: RealApi, **options) -> Drain:
    client = api.client()
    return Drain(lambda: client, A, Options(**options))


def names(api: RealApi) -> list[str]:
    return [pod.name for pod in pods_on(api.client(), A)]


def test_pods_are_evicted_and_waited_for(api):
    for number in range(3):
        api.pod(f"web-{number}", A, WEB)
    api.pod("elsewhere", NODES[1], WEB)
    with Kubelet(api):
        made = drain(api)
        made.run()
    assert names(api) == [] and made.evicted == 3
    assert [pod.name for pod in pods_on(api.client(), NODES[1])] == ["elsewhere"]
    assert cordon_of(api.client().get(f"/api/v1/nodes/{A}")).command == "node drain"


def test_a_budget_that_never_allows_it_is_named_before_the_cordon(api):
    api.pod("web-0", A, WEB)
    api.budget("web", WEB, disruptionsAllowed=0, currentHealthy=1, desiredHealthy=1, expectedPods=1)
    with pytest.raises(DrainRefused, match="can never be evicted"):
        drain(api).run()
    assert names(api) == ["web-0"] and cordon_of(api.client().get(f"/api/v1/nodes/{A}")) is None


def test_a_budget_with_nothing_to_give_stops_the_drain_at_its_deadline(api):
    api.pod("web-0", A, WEB)
    api.budget("web", WEB, disruptionsAllowed=0, currentHealthy=1, desiredHealthy=1, expectedPods=2)
    with pytest.raises(DrainStopped) as caught:
        drain(api, timeout=3).run()
    assert "default/web-0 (ReplicaSet web): The disruption budget web needs 1 healthy pods" in caught.value.evidence
    assert names(api) == ["web-0"]


def test_a_budget_gives_what_it_has_and_no_more(api):
    for number in range(2):
        api.pod(f"web-{number}", A, WEB)
    api.budget("web", WEB, disruptionsAllowed=1, currentHealthy=2, desiredHealthy=1, expectedPods=2)
    client = api.client()
    one, other = pods_on(client, A)
    assert evict(client, one) == (Verdict.EVICTED, "")
    verdict, why = evict(client, other)
    assert verdict is Verdict.LATER and why.startswith("The disruption budget web ")


def test_two_budgets_for_one_pod_are_never_resolved(api):
    api.pod("web-0", A, WEB)
    for name in ("one", "two"):
        api.budget(name, WEB, disruptionsAllowed=1, currentHealthy=1, desiredHealthy=0, expectedPods=1)
    client = api.client()
    [pod] = pods_on(client, A)
    verdict, why = evict(client, pod)
    assert verdict is Verdict.NEVER and "more than one PodDisruptionBudget" in why
    with pytest.raises(DrainRefused):
        drain(api).run()


def test_another_pod_of_the_name_is_not_evicted(api):
    api.pod("web-0", A, WEB)
    client = api.client()
    [old] = pods_on(client, A)
    api.clear()
    api.pod("web-0", A, WEB)
    verdict, _ = evict(client, old)
    assert verdict is Verdict.LATER and not pods_on(client, A)[0].ending


def test_a_pod_that_is_gone_is_gone(api):
    api.pod("web-0", A, WEB)
    client = api.client()
    [old] = pods_on(client, A)
    api.clear()
    assert evict(client, old)[0] is Verdict.GONE


def test_a_cordon_is_set_and_undone_with_its_mark(api):
    client = api.client()
    made = cordon(client, A, "upgrade")
    assert cordon_of(client.get(f"/api/v1/nodes/{A}")) == made
    assert uncordon(client, A, of="node drain") == made and cordon_of(client.get(f"/api/v1/nodes/{A}")) == made
    uncordon(client, A, of="upgrade")
    assert "annotations" not in client.get(f"/api/v1/nodes/{A}")["metadata"]
