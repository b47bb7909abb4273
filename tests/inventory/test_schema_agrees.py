"""The JSON Schema and `validate` say the same of every key: on right inventories, and on right ones made wrong."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from fakes.oddities import places, with_put
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from inventory_text import SHIPPED, changed
from jsonschema import Draft202012Validator, FormatChecker

from hardway import inventory
from hardway.inventory.shape import shape
from hardway.inventory.source import parse

EDITOR = Draft202012Validator(inventory.schema(), format_checker=FormatChecker(["ipv4", "ipv6"]))
ROOT = Path(__file__).parents[2]
WHOLE: dict[str, Any] = {
    **changed({}),
    "kubernetes": "1.36.4",
    "versions": {"etcd": "3.6.14", "pause": 3.1},
    "network": {"node_cidr": "10.240.0.0/24", "pod_cidr": "10.200.0.0/16", "node_prefix": 24, "domain": "cluster.local",
                "node_ports": "30000-32767", "service_cidr": "10.32.0.0/24"},
    "api": {"address": "api.example.org", "port": 6443, "extra_sans": ["*.example.org", "10.0.0.1", "fd00::1"],
            "load_balancer": "none", "vip": "10.240.0.8", "server_port": None},
    "ssh": {"user": "root", "key": "~/.ssh/id", "config": None, "bastion": {"address": "jump", "port": 22, "key": "k"},
            "connect_timeout": 1.5, "agent": False, "sudo": "auto"},
    "pki": {"algorithm": "rsa-2048", "validity_days": 30},
    "kubelet": {"max_pods": 50, "reserved": {"cpu": 0.5, "memory": "1Gi", "ephemeral-storage": None, "pid": 1000}},
    "extra_args": {"kubelet": {"v": 2, "event-qps": "5"}, "etcd": {}},
    "assets": {"source": "mirror", "mirror": "https://x", "checksums": "sums.yaml"},
    "addons": {"coredns": {"forward": ["192.0.2.1", "fd00::1"], "stub_domains": {"corp.example": ["192.0.2.2"]}}},
    "lab": {"gateway": "10.240.0.1", "memory": "2G", "directory": "x"},
    "drills": True,
}  # fmt: skip
WHOLE["hosts"][4] |= {"labels": {"a": "b", "example.org/c": ""}, "taints": ["a=b:NoSchedule"], "ssh": {"port": 2222},
                      "pod_cidr": "10.200.1.0/24", "reserved": {"cpu": "500m"}}  # fmt: skip
VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    5,
    -5,
    23,
    70000,
    10**17,
    1.5,
    -1.5,
    0.05,
    [],
    {},
    [None],
    [True],
    "",
    " ",
    "x",
    "X",
    "a b",
    "a\n",
    "a\tb",
    "\n",
    "true",
    "True",
    "5",
    "1.5",
    "-a",
    "a-",
    "a.b",
    "a..b",
    "a/b",
    "a/b/c",
    "_a",
    "é",
    "\u2003",
    "a" * 63,
    "a" * 64,
    "a" * 253,
    "a." * 126 + "a",
    "a" * 254,
    "10.0.0.1",
    "10.0.0.300",
    "010.0.0.1",
    "10.0.0.1 ",
    "0.0.0.0",
    "10.0.0.0/8",
    "10.0.0.0/08",
    "10.0.0.0/40",
    "10.0.0.1/8",
    "10.0.0.0/255.0.0.0",
    "0.0.0.0/0",
    "10.0.0.0",
    "::1",
    "fe80::1%eth0",
    ":",
    "::ffff:10.0.0.1",
    "*.a",
    "*.*.a",
    "*",
    "*.10.0.0.1",
    "fd00::/8",
    "1.36.4",
    "v1.36.4",
    "1.36",
    "1.36.04",
    "01.36.4",
    "3.6.14-rc.1",
    "512M",
    "500m",
    "1Gi",
    "1.5Gi",
    "+.5e-3",
    "1e300",
    "-1Gi",
    "1gi",
    "1 Gi",
    "2G",
    "2GB",
    "123456789",
    "1234567890",
    "30000-32767",
    "a=b:NoExecute",
    "a:NoSchedule",
    "a=b:NoRun",
    "worker",
    "etcd",
    ["worker"],
    ["worker", "worker"],
    ["etcd", "nobody"],
    "auto",
    "none",
    "haproxy",
    {"a": True},
    {"a": None},
    {"a b": "c"},
    {"a/b": 1.5},
    {"a": "b c"},
    {"": "x"},
    {"v": 2},
    {"V_x": "2"},
    ["10.0.0.1"],
    ["fd00::1"],
    ["x"],
    [5],
    {"address": "x"},
    {"x": {}},
    "jdoe",
]
TEXTS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S"), include_characters=" \n\t"), max_size=70)
NUMBERS = st.integers(-(10**17), 10**17) | st.integers(-999, 999).map(lambda cents: cents + 0.25)
KEYS = st.sampled_from(
    ["labels", "taints", "ssh", "key", "a b", "port", "nodes", "kubelet", "x/y", "mirror", "enabled"]
)
PUT = st.sampled_from(VALUES) | TEXTS | NUMBERS | st.dictionaries(KEYS | TEXTS, st.sampled_from(VALUES), max_size=2)


def printable(value: Any) -> bool:
    """Whether all its texts are: of others the reader says by itself that no inventory may hold them."""
    if isinstance(value, dict):
        return all(printable(key) and key != "<<" and printable(inner) for key, inner in value.items())
    if isinstance(value, list):
        return all(map(printable, value))
    return not isinstance(value, str) or all(char.isprintable() or char in "\n\t" for char in value)


def validated(data: Any) -> list[str]:
    """What `validate` says of each key by itself; of a network that is none, what no schema can say is left out."""
    read = parse(yaml.safe_dump(data, sort_keys=False, allow_unicode=True).encode())
    if read.data is None:
        return [problem.message for problem in read.problems]
    found = [problem.message for problem in [*read.problems, *shape(read.data).problems]]
    hosts = data.get("hosts")
    found += ["no host"] * (hosts == [])
    found += ["a role twice"] * any(twice(host) for host in (hosts if isinstance(hosts, list) else ()))
    return [text for text in found if "is an address inside one" not in text]


def twice(host: Any) -> bool:
    roles = host.get("roles") if isinstance(host, dict) else None
    return isinstance(roles, list) and all(isinstance(role, str) for role in roles) and len(set(roles)) < len(roles)


def agree(data: Any) -> None:
    said, told = validated(data), [error.message for error in EDITOR.iter_errors(data)]
    assert bool(said) == bool(told), {"validate": said, "schema": told}


@st.composite
def inventories(draw: st.DrawFn) -> Any:
    data: Any = copy.deepcopy(WHOLE)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(list(places(data))[1:]))
        action = draw(st.sampled_from(["put", "put", "put", "drop", "add"]))
        if action == "drop":
            *above, last = path
            place = data
            for part in above:
                place = place[part]
            del place[last]
        elif action == "add":
            below = [one for one in places(data) if isinstance(at(data, one), dict)]
            into = draw(st.sampled_from(below))
            data = with_put(data, into, {**at(data, into), draw(KEYS | TEXTS): draw(PUT)})
        else:
            data = with_put(data, path, draw(PUT))
    return data


def at(data: Any, path: tuple) -> Any:
    for part in path:
        data = data[part]
    return data


def test_the_whole_one_is_right():
    assert validated(WHOLE) == [] and not list(EDITOR.iter_errors(WHOLE))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_the_shipped_ones_are_right(path: Path):
    agree(yaml.safe_load(path.read_text("utf-8")))
    assert validated(yaml.safe_load(path.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    ("change", "right"),
    [
        ({"hosts.4.labels": {"a": True}}, True),
        ({"hosts.4.labels": {"a": 5, "b": 1.5}}, True),
        ({"hosts.4.labels": {"a": -5}}, False),
        ({"hosts.4.labels": {"a b": "c"}}, False),
        ({"ssh": None}, True),
        ({"ssh": {"user": None, "key": None}}, True),
        ({"hosts.4.ssh": None}, True),
        ({"hosts.4.name": None}, False),
        ({"cluster": None}, False),
        ({"cluster": 5}, True),
        ({"hosts": []}, False),
        ({"network.pod_cidr": "10.200.0.0/40"}, False),
        ({"network.pod_cidr": "10.200.0.0/255.255.0.0"}, False),
        ({"hosts.4.roles": ["worker", "worker"]}, False),
        ({"ssh.user": True}, True),
        ({"ssh.user": 5}, True),
        ({"ssh.user": "-x"}, False),
        ({"ssh.user": "ACME\\jdoe"}, True),
        ({"ssh.user": "ACME\\"}, False),
        ({"lab": {"gateway": "10.240.0.1", "memory": 512}}, True),
        ({"extra_args": {"kubelet": {"v": "a\n"}}}, False),
        ({"api.extra_sans": ["fe80::1%eth0"]}, False),
        ({"addons": {"coredns": {"forward": ["dns.example"]}}}, False),
        ({"addons": {"coredns": {"stub_domains": {"A.b": ["1.1.1.1"]}}}}, False),
    ],
    ids=str,
)
def test_both_say_what_is_right(change: dict, right: bool):
    data = changed(change)
    agree(data)
    assert (validated(data) == []) is right


@pytest.mark.parametrize("value", [22, 22.0, 22.5, 70000.0, 1e300, float("inf")])
def test_a_whole_number_may_be_written_with_a_point(value: float):
    """JSON knows one kind of number: 22.0 is whole."""
    data = changed({"hosts.4.ssh": {"port": value}})
    agree(data)
    assert (validated(data) == []) is (value == 22)


@pytest.mark.slow
@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(list(places(WHOLE))[1:]), st.sampled_from(VALUES))
def test_every_value_at_every_place(path: tuple, value: Any):
    data = with_put(WHOLE, path, value)
    if printable(data):
        agree(data)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(inventories())
@example({**WHOLE, "cluster": "a\n"})
def test_they_agree_on_whatever_is_made_of_it(data: Any):
    if isinstance(data, dict) and printable(data):
        agree(data)
