"""Which versions go together."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardway.assets import default_versions, supported
from hardway.assets.table import table
from hardway.cluster import Versions


@pytest.mark.parametrize(("source", "minor"), [(source, minor) for source, sets in table()["sets"].items() for minor in sets])
def test_every_set_of_the_table_is_supported(source, minor):
    versions = default_versions(minor, source)
    assert versions.kubernetes.startswith(minor + ".")
    assert supported(versions, source) == []


def test_the_defaults_of_each_source():
    assert default_versions().kubernetes == "1.36.4"
    assert default_versions(source="mirror") == default_versions()
    assert default_versions(source="debian").kubernetes == "1.20.2"
    assert default_versions(source="debian").crictl == ""


def test_an_older_patch_keeps_the_companions_of_its_minor():
    assert default_versions("1.35.2") == dataclasses.replace(default_versions("1.35"), kubernetes="1.35.2")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kubernetes": "1.28.3", "crictl": "1.28.0"}, "kubernetes: 1.28.3 is not supported, allowed are 1.20 and 1.32 to 1.37"),
        ({"kubernetes": "1.38.0", "crictl": "1.37.0"}, "kubernetes: 1.38.0 is not supported"),
        ({"etcd": "3.4.21"}, "etcd: 3.4.21"),
        ({"etcd": "3.5.5"}, "etcd: 3.5.5"),
        ({"etcd": "3.7.0"}, "etcd: 3.7.0"),
        ({"containerd": "1.7.34"}, "1.35 was the last for containerd 1.x"),
        ({"containerd": "1.5.9"}, "containerd: 1.5.9 is too old"),
        ({"crictl": "1.34.0"}, "crictl: 1.34.0 is too far from Kubernetes 1.36.4"),
        ({"runc": "1.0.3"}, "runc: 1.0.3 is too old"),
        ({"cni_plugins": "0.9.1"}, "cni_plugins: 0.9.1 is too old"),
        ({"coredns": "latest"}, "coredns: 'latest' is not a version"),
        ({"kubernetes": "v1.36.4"}, "kubernetes: 'v1.36.4' is not a version"),
        ({"etcd": ""}, "etcd: '' is not a version"),
    ],
)
def test_each_broken_rule_is_told_alone(change, words):
    problems = supported(dataclasses.replace(default_versions("1.36.4"), **change))
    assert len(problems) == 1
    assert words in problems[0]


def test_kubernetes_1_20_cannot_run_on_containerd_2():
    assert "which needs containerd 1.6 or 1.7" in supported(dataclasses.replace(default_versions("1.20.2"), containerd="2.3.4"))[0]


def test_all_broken_rules_are_told_at_once():
    assert len(supported(dataclasses.replace(default_versions("1.36.4"), etcd="2.3.8", containerd="1.4.0", crictl="1.20.0"))) == 3


def test_debian_offers_one_set_only():
    wished = dataclasses.replace(default_versions(source="debian"), etcd="3.5.9", crictl="1.20.0")
    problems = supported(wished, "debian")
    assert [problem.partition(":")[0] for problem in problems] == ["etcd", "crictl"]
    assert "Debian does not offer 3.5.9, but 3.4.23" in problems[0]


@given(st.text(), st.sampled_from(["upstream", "mirror", "debian", "nonsense"]))
def test_no_text_makes_either_function_raise(text, source):
    versions = default_versions(text, source)
    assert isinstance(versions, Versions)
    assert all(isinstance(problem, str) for problem in supported(versions, source))
