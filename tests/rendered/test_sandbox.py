"""What the units forbid their programs, and what they must not forbid."""

import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from clusters import CLUSTERS, lab, single
from units import unit

EVERY = pytest.mark.parametrize("cluster", CLUSTERS.values(), ids=CLUSTERS)
# Programs of the control plane: they read and write files of their own, and talk to others.
STRICT = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
FORBIDDEN = {
    "NoNewPrivileges": "yes",
    "PrivateDevices": "yes",
    "PrivateTmp": "yes",
    "ProtectControlGroups": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectSystem": "full",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "LockPersonality": "yes",
    "SystemCallArchitectures": "native",
}
# What Go's standard library and systemd's notification need, whatever a program does.
FAMILIES = {"AF_INET", "AF_INET6", "AF_NETLINK", "AF_UNIX"}


def settings(component, cluster) -> dict[str, str]:
    return dict(re.findall(r"^([A-Z]\w+)=(.*)$", unit(component, cluster), re.MULTILINE))


@EVERY
@pytest.mark.parametrize("component", STRICT)
def test_the_control_plane_may_do_only_what_it_needs(component, cluster):
    found = settings(component, cluster)
    assert {name: found.get(name) for name in FORBIDDEN} == FORBIDDEN
    assert set(found["RestrictAddressFamilies"].split()) == FAMILIES
    powers = set(found["CapabilityBoundingSet"].split())
    assert powers <= {"CAP_DAC_READ_SEARCH", "CAP_NET_BIND_SERVICE"}
    assert not powers or component != "etcd", "its keys are its own, and it has no port below 1024"


@EVERY
@pytest.mark.parametrize("component", STRICT)
def test_each_program_of_the_control_plane_is_a_user_of_its_own(component, cluster):
    found = settings(component, cluster)
    assert found["User"] == found["Group"] == component
    # What its user may do is no more than what the program may.
    assert found.get("AmbientCapabilities", "") == found["CapabilityBoundingSet"]


@pytest.mark.parametrize(
    ("args", "user"),
    [
        ({"override_args": {"kube-apiserver": {"audit-log-path": "/srv/audit.log"}}}, None),
        ({"extra_args": {"kube-apiserver": {"egress-selector-config-file": "/etc/egress.yaml"}}}, None),
        ({"override_args": {"kube-apiserver": {"encryption-provider-config": "/etc/kms.yaml"}}}, None),
        ({"extra_args": {"kube-apiserver": {"max-requests-inflight": 800}}}, "kube-apiserver"),
        ({"extra_args": {"kube-controller-manager": {"concurrent-gc-syncs": 5}}}, "kube-apiserver"),
    ],
)
def test_an_api_server_that_uses_what_belongs_to_root_is_root(args, user):
    assert settings("kube-apiserver", replace(lab(), **args)).get("User") == user
    assert settings("kube-scheduler", replace(lab(), **args))["User"] == "kube-scheduler"


# What systemd says of it without starting anything: 0 is a program that may do nothing, 9.6 one that may do all.
EXPOSED = {**dict.fromkeys(STRICT, 4.5), "kube-proxy": 6.0}


@pytest.mark.parametrize(("component", "most"), EXPOSED.items(), ids=EXPOSED)
def test_systemd_rates_it(component, most, tmp_path):
    analyze = shutil.which("systemd-analyze")
    if not analyze or "--offline" not in subprocess.run([analyze, "--help"], capture_output=True, text=True).stdout:
        pytest.skip("systemd-analyze of systemd 250 or later is not installed")
    (tmp_path / f"{component}.service").write_text(unit(component, single()))
    command = [analyze, "security", "--offline=yes", "--no-pager", tmp_path / f"{component}.service"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
    assert float(re.search(r"Overall exposure level[^:]*: ([0-9.]+)", said)[1]) <= most, said


@EVERY
def test_kube_proxy_may_change_the_network_and_nothing_else(cluster):
    found = settings("kube-proxy", cluster)
    # It sets kernel parameters, and iptables loads modules.
    for name in ("ProtectKernelTunables", "ProtectKernelModules", "PrivateDevices", "PrivateNetwork"):
        assert name not in found
    kept = {name: value for name, value in FORBIDDEN.items() if name in found}
    assert {name: found[name] for name in kept} == kept and "NoNewPrivileges" in kept and "ProtectSystem" in kept
    assert {"CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_SYS_MODULE"} <= set(found["CapabilityBoundingSet"].split())
    assert "CAP_SYS_ADMIN" not in found["CapabilityBoundingSet"]


@EVERY
@pytest.mark.parametrize("component", ["kubelet", "containerd"])
def test_what_starts_pods_has_the_mounts_of_the_host_and_no_filter_that_pods_would_inherit(component, cluster):
    """With a mount namespace of its own, volumes would be mounted where no container sees them."""
    forbidding = r"^(Protect|Private|Restrict|NoNew|CapabilityB|SystemCall|LockP|ReadOnly|MountFlags|TemporaryF)\w*="
    assert not re.search(forbidding, unit(component, cluster), re.MULTILINE)
