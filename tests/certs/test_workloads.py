"""Which pods may not trust what their namespace's ConfigMap says by now, and whose they are."""

from __future__ import annotations

import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from hardway.commands.certs.rotation import workloads
from hardway.commands.certs.rotation.workloads import Owner, behind, lacking, mounts, older
from hardway.pki.issuing import certificate_pem, issue_ca, new_key

MOMENT = datetime.datetime(2026, 11, 30, 12, 0, tzinfo=datetime.UTC)
BEFORE, AFTER, LATE = "2026-11-30T11:00:00Z", "2026-11-30T12:01:00Z", "2026-11-30T12:10:00Z"
OLD, NEW = (issue_ca(name, new_key("ecdsa-p256"), 10) for name in ("old", "new"))


def pod(name: str = "web-1", started: str = BEFORE, container: str = BEFORE, owner: tuple = (), mounted: bool = True):
    sources = [{"serviceAccountToken": {}}, {"configMap": {"name": workloads.ROOT if mounted else "other"}}]
    meta: dict[str, Any] = {"name": name, "namespace": "shop"}
    if owner:
        meta["ownerReferences"] = [{"kind": owner[0], "name": owner[1], "controller": True}]
    status = {"startTime": started, "containerStatuses": [{"state": {"running": {"startedAt": container}}}]}
    return {"metadata": meta, "spec": {"volumes": [{"projected": {"sources": sources}}]}, "status": status}


def api(pods=(), namespaces=("shop",), **maps: bytes):
    """An API with these pods, and in each namespace this list of CAs."""
    told = [{"manager": "kube-controller-manager", "time": "2026-11-30T12:00:00Z"}]
    config = [{"metadata": {"name": workloads.ROOT, "namespace": name, "managedFields": told},
               "data": {"ca.crt": pem.decode()}} for name, pem in maps.items()]  # fmt: skip
    answers = {
        workloads.CONFIG_MAPS: {"items": config},
        workloads.PODS: {"items": list(pods)},
        "/api/v1/namespaces": {
            "items": [{"metadata": {"name": name}, "status": {"phase": "Active"}} for name in namespaces]
        },
        f"{workloads.APPS}/shop/replicasets/web-5": pod("web-5", owner=("Deployment", "web")),
    }
    return SimpleNamespace(get=answers.get)


@pytest.mark.parametrize(
    ("started", "container", "is_older"),
    [
        (BEFORE, BEFORE, True),
        (BEFORE, AFTER, True),  # the kubelet may not have brought it into the pod yet
        (BEFORE, LATE, False),
        (AFTER, AFTER, False),
    ],
)
def test_a_program_is_older_when_it_may_have_read_the_former_list(started, container, is_older):
    assert older(pod(started=started, container=container), MOMENT) is is_older


def test_a_pod_of_which_nothing_is_known_counts_as_older():
    assert older({"status": {}}, MOMENT) and older({}, MOMENT)


def test_only_pods_with_the_list_count():
    assert mounts(pod()) and not mounts(pod(mounted=False)) and not mounts({"spec": {}})


def test_pods_are_told_by_what_can_replace_them():
    pods = [
        pod("web-5-a", owner=("ReplicaSet", "web-5")),
        pod("web-5-b", owner=("ReplicaSet", "web-5")),
        pod("db-0", owner=("StatefulSet", "db")),
        pod("job-1", owner=("Job", "job")),
        pod("orphan", owner=("ReplicaSet", "gone")),
        pod("alone"),
        pod("fresh", started=AFTER, container=AFTER),
    ]
    found = behind(api(pods, shop=b""))
    assert found == {
        Owner("shop", "Deployment", "web"): 2,
        Owner("shop", "StatefulSet", "db"): 1,
        Owner("shop", "Pod", "alone"): 1,
        Owner("shop", "Pod", "job-1"): 1,
        Owner("shop", "Pod", "orphan"): 1,
    }
    assert [bool(owner.path) for owner in found] == [True, False, False, False, True]


def test_namespaces_are_named_that_do_not_list_the_new_one_or_still_list_the_old_one():
    both, one = certificate_pem(OLD) + certificate_pem(NEW), certificate_pem(OLD)
    asked = api(namespaces=("a", "b", "c"), a=both, b=one)
    assert lacking(asked, NEW, None) == ["b", "c"]
    assert lacking(asked, None, OLD) == ["a", "b"]
