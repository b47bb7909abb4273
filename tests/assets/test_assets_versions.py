"""Which versions go together."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardway.assets import default_versions, supported
from hardway.assets.building import pinned
from hardway.assets.table import table
from hardway.assets.versions import minors
from hardway.settings import Versions


@pytest.mark.parametrize("minor", table()["sets"])
def test_every_set_of_the_table_is_supported_and_pinned_as_modules(minor):
    versions = default_versions(minor)
    assert versions.kubernetes.startswith(minor + ".")
    assert supported(versions) == []
    for component in table()["components"]:
        folder = pinned.folder(component, getattr(versions, component))
        assert {"go.mod", "go.sum", "sums.yaml"} <= {path.name for path in folder.iterdir()}


def test_four_minors_are_supported_and_the_newest_is_the_default():
    assert [".".join(map(str, minor)) for minor in minors()] == ["1.34", "1.35", "1.36", "1.37"]
    assert default_versions().kubernetes == default_versions("1.37").kubernetes


def test_an_older_patch_keeps_the_companions_of_its_minor():
    assert default_versions("1.35.2") == dataclasses.replace(default_versions("1.35"), kubernetes="1.35.2")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kubernetes": "1.28.3", "crictl": "1.28.0"}, "kubernetes: 1.28.3 is not supported, allowed: 1.34 to 1.37"),
        ({"kubernetes": "1.20.2", "crictl": "1.20.0"}, "Remove the key to build 1.37.2, the newest"),
        ({"kubernetes": "1.33.1", "crictl": "1.33.0"}, "upgrade it one minor at a time with the hardway that built it"),
        ({"kubernetes": "1.38.0", "crictl": "1.37.0", "etcd": "3.7.3"}, "kubernetes: 1.38.0 is not supported"),
        ({"etcd": "3.5.21"}, "etcd: 3.5.21 does not work with Kubernetes 1.36, allowed: 3.6 to 3.7"),
        ({"kubernetes": "1.37.2", "etcd": "3.6.16"}, "etcd: 3.6.16 does not work with Kubernetes 1.37, allowed: 3.7"),
        ({"etcd": "3.8.0"}, "etcd: 3.8.0"),
        ({"containerd": "1.7.34"}, "containerd: 1.7.34 is too old"),
        ({"crictl": "1.34.0"}, "crictl: 1.34.0 must be within one minor of Kubernetes 1.36.4"),
        ({"runc": "1.0.3"}, "runc: 1.0.3 is too old"),
        ({"cni_plugins": "0.9.1"}, "cni_plugins: 0.9.1 is too old"),
        ({"coredns": "latest"}, "coredns: 'latest' is not a version"),
        ({"kubernetes": "v1.36.4"}, "kubernetes: 'v1.36.4' is not a version"),
        ({"etcd": ""}, "etcd: '' is not a version"),
        ({"crictl": ""}, "crictl: '' is not a version"),
    ],
)
def test_each_broken_rule_is_told_alone(change, words):
    problems = supported(dataclasses.replace(default_versions("1.36.4"), **change))
    assert len(problems) == 1
    assert words in problems[0]


def test_etcd_may_be_ahead_in_an_upgrade():
    assert supported(dataclasses.replace(default_versions("1.36"), etcd=default_versions("1.37").etcd)) == []


def test_all_broken_rules_are_told_at_once():
    assert (
        len(
            supported(
                dataclasses.replace(default_versions("1.36.4"), etcd="2.3.8", containerd="1.4.0", crictl="1.20.0")
            )
        )
        == 3
    )


@given(st.text())
def test_no_text_makes_either_function_raise(text):
    versions = default_versions(text)
    assert isinstance(versions, Versions)
    assert all(isinstance(problem, str) for problem in supported(versions))
