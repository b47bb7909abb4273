"""The table of version differences: both ends, the steps between, and versions nobody has seen yet."""

from dataclasses import fields, replace

import pytest
from clusters import NEW, OLD

from hardway.features import CONTAINERD, KUBERNETES, OLDEST, Features, features


def at(kubernetes: str, containerd: str = "2.1.0") -> Features:
    return features(replace(OLD, kubernetes=kubernetes, containerd=containerd))


def test_every_field_has_one_row_and_holds_from_the_start():
    assert sorted([*KUBERNETES, *CONTAINERD]) == sorted(field.name for field in fields(Features))
    for rows in (KUBERNETES | CONTAINERD).values():
        versions = [version for version, _ in rows]
        assert versions[0] == OLDEST and versions == sorted(set(versions))


def test_oldest_and_newest():
    assert features(OLD) == Features(
        insecure_port_flag=True,
        scheduler_api="kubescheduler.config.k8s.io/v1beta1",
        container_runtime_flag=True,
        pod_infra_container_image_flag=True,
        runtime_endpoint_in_config=False,
        fail_cgroup_v1_key=False,
        needs_cgroup_v2=False,
        aws_probe=True,
        kubelet_starts_after="etcd",
        pod_disruption_budget_api="policy/v1beta1",
        coredns_noendpoints=True,
        service_watch_cache=False,
        containerd_config_version=2,
        cni_bin_dirs=False,
    )
    assert features(NEW) == Features(
        insecure_port_flag=False,
        scheduler_api="kubescheduler.config.k8s.io/v1",
        container_runtime_flag=False,
        pod_infra_container_image_flag=False,
        runtime_endpoint_in_config=True,
        fail_cgroup_v1_key=True,
        needs_cgroup_v2=True,
        aws_probe=False,
        kubelet_starts_after="control-plane",
        pod_disruption_budget_api="policy/v1",
        coredns_noendpoints=False,
        service_watch_cache=True,
        containerd_config_version=3,
        cni_bin_dirs=True,
    )


STEPS = [
    ("1.32.0", "1.34.9", "1.35.0", "pod_infra_container_image_flag", True, False),
    ("1.32.0", "1.34.9", "1.35.0", "needs_cgroup_v2", False, True),
    ("1.20.2", "1.30.0", "1.31.0", "fail_cgroup_v1_key", False, True),
    ("1.20.2", "1.26.0", "1.27.0", "runtime_endpoint_in_config", False, True),
    ("1.20.2", "1.20.15", "1.21.0", "coredns_noendpoints", True, False),
]


@pytest.mark.parametrize(("first", "last", "after", "name", "before", "since"), STEPS)
def test_a_step_is_between_two_minors(first, last, after, name, before, since):
    assert [getattr(at(version), name) for version in (first, last, after)] == [before, before, since]


def test_a_version_newer_than_the_table_is_like_the_newest():
    assert at("1.99.0", "9.0.0") == at("1.37.0", "2.3.4")
