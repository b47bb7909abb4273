"""The CIS Kubernetes Benchmark 1.12, all 131 rows, judged by what a bootstrap has left on the hosts and in the API.

A row either holds, or it is left to the user: no row that the benchmark scores may be left.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from cis import (
    KUBERNETES,
    PKI,
    UNITS,
    Judge,
    Look,
    among,
    at_least,
    audited,
    bound,
    containers,
    encrypted,
    files,
    flag,
    grants_none,
    is_set,
    kubelet,
    own_ca,
    pods,
)

SECTIONS = {
    "1.1": 21, "1.2": 30, "1.3": 7, "1.4": 2, "2": 7, "3.1": 3, "3.2": 2, "4.1": 10, "4.2": 14, "4.3": 1,
    "5.1": 13, "5.2": 12, "5.3": 2, "5.4": 2, "5.5": 1, "5.6": 4,
}  # fmt: skip
ROWS = [f"{section}.{number}" for section, rows in SECTIONS.items() for number in range(1, rows + 1)]
# The others are called "manual": the benchmark leaves the judgement to whoever reads it.
UNSCORED = {
    "1.1.9", "1.1.10", "1.1.20", "1.1.21", "1.2.1", "1.2.3", "1.2.9", "1.2.11", "1.2.20", "1.2.27", "1.2.28", "1.2.29",
    "1.3.1", "2.7", "4.1.3", "4.1.4", "4.1.7", "4.1.8", "4.2.4", "4.2.5", "4.2.7", "4.2.8", "4.2.9", "4.2.11", "4.2.12",
    "4.2.13", "4.2.14", *(row for row in ROWS if row[0] in "35"),
}  # fmt: skip
# What hardway leaves to the user, and why: docs/limits.md has those that are a switch.
LEFT = {
    "1.2.1": "load balancers read the API's health without a name; authentication.yaml allows that and nothing else",
    "1.2.3": "clusters without a cloud use externalIPs",
    "1.2.9": "it drops events just when many things fail at once",
    "1.2.11": "pods would not start while the registry is down",
    "3.1.1": "who has no identity provider has certificates",
    "4.2.14": "pods that need other system calls would fail",
    "5.1.5": "pods of the user's may use the default service account",
    "5.2.1": "which pods are admitted, the user decides with labels of namespaces",
    **dict.fromkeys((f"5.2.{row}" for row in range(7, 13)), "the same"),
    "5.3.1": "the bridge plugin has no network policies",
    "5.3.2": "the same",
    "5.4.2": "an external store of secrets is another product",
    "5.5.1": "a service that judges images is another product",
}


API, MANAGER, SCHEDULER = "kube-apiserver", "kube-controller-manager", "kube-scheduler"
WRITE = {"create", "update", "patch", "delete", "*"}
HOLDS: dict[str, Judge] = {
    **{
        f"1.1.{row}": files(where, f"{UNITS}/{name}.service", 0o600)
        for first, (where, name) in {
            1: ("controllers", API), 3: ("controllers", MANAGER), 5: ("controllers", SCHEDULER), 7: ("members", "etcd")
        }.items()
        for row in (first, first + 1)
    },
    **{f"1.1.{row}": files("workers", r"/etc/cni/net\.d/.*", 0o600) for row in (9, 10)},
    "1.1.11": lambda look: all("StateDirectoryMode=0700" in unit for unit in look.unit("etcd")),
    "1.1.12": lambda look: all(host.disk.dirs["/var/lib/etcd"] == "700 etcd etcd" for host in look.members),
    **{
        f"1.1.{row}": files("controllers", f"{KUBERNETES}/{name}.conf", 0o600)
        for first, name in {13: "admin", 15: "scheduler", 17: "controller-manager"}.items()
        for row in (first, first + 1)
    },
    "1.1.19": files("controllers", f"{PKI}/.*", 0o644),
    "1.1.20": files("controllers", rf"{PKI}/.*\.crt", 0o644),
    "1.1.21": files("controllers", rf"{PKI}/.*\.key", 0o600),
    "1.2.2": flag(API, "token-auth-file", lambda value: value is None),
    "1.2.4": is_set("kubelet-client-certificate", "kubelet-client-key")(API),
    "1.2.5": is_set("kubelet-certificate-authority")(API),
    **{f"1.2.{row}": flag(API, "authorization-mode", lambda value: value == "Node,RBAC") for row in (6, 7, 8)},
    "1.2.10": flag(API, "enable-admission-plugins", among("AlwaysAdmit")),
    "1.2.12": flag(API, "disable-admission-plugins", among("ServiceAccount")),
    "1.2.13": flag(API, "disable-admission-plugins", among("NamespaceLifecycle")),
    "1.2.14": flag(API, "enable-admission-plugins", lambda value: "NodeRestriction" in (value or "").split(",")),
    "1.2.15": flag(API, "profiling", lambda value: value == "false"),
    "1.2.16": is_set("audit-log-path")(API),
    "1.2.17": flag(API, "audit-log-maxage", at_least(30)),
    "1.2.18": flag(API, "audit-log-maxbackup", at_least(10)),
    "1.2.19": flag(API, "audit-log-maxsize", at_least(100)),
    "1.2.20": is_set("request-timeout")(API),
    "1.2.21": flag(API, "service-account-lookup", lambda value: value in (None, "true")),
    "1.2.22": is_set("service-account-key-file")(API),
    "1.2.23": is_set("etcd-certfile", "etcd-keyfile")(API),
    "1.2.24": is_set("tls-cert-file", "tls-private-key-file")(API),
    "1.2.25": is_set("client-ca-file")(API),
    "1.2.26": is_set("etcd-cafile")(API),
    "1.2.27": is_set("encryption-provider-config")(API),
    "1.2.28": encrypted,
    "1.2.29": flag(API, "tls-cipher-suites", lambda value: all("_ECDHE_" in one for one in (value or "").split(","))),
    "1.2.30": flag(API, "service-account-extend-token-expiration", lambda value: value == "false"),
    "1.3.1": flag(MANAGER, "terminated-pod-gc-threshold", at_least(1)),
    "1.3.2": flag(MANAGER, "profiling", lambda value: value == "false"),
    "1.3.3": flag(MANAGER, "use-service-account-credentials", lambda value: value == "true"),
    "1.3.4": is_set("service-account-private-key-file")(MANAGER),
    "1.3.5": is_set("root-ca-file")(MANAGER),
    "1.3.6": flag(MANAGER, "feature-gates", lambda value: "RotateKubeletServerCertificate=false" not in (value or "")),
    "1.3.7": flag(MANAGER, "bind-address", lambda value: value == "127.0.0.1"),
    "1.4.1": flag(SCHEDULER, "profiling", lambda value: value == "false"),
    "1.4.2": flag(SCHEDULER, "bind-address", lambda value: value == "127.0.0.1"),
    "2.1": is_set("cert-file", "key-file")("etcd"),
    "2.2": flag("etcd", "client-cert-auth", lambda value: value == "true"),
    "2.3": flag("etcd", "auto-tls", lambda value: value != "true"),
    "2.4": is_set("peer-cert-file", "peer-key-file")("etcd"),
    "2.5": flag("etcd", "peer-client-cert-auth", lambda value: value == "true"),
    "2.6": flag("etcd", "peer-auto-tls", lambda value: value != "true"),
    "2.7": own_ca,
    # No account's token and no bootstrap token is made for a person.
    "3.1.2": lambda look: not look.objects("Secret"),
    "3.1.3": flag(API, "enable-bootstrap-token-auth", lambda value: value in (None, "false")),
    "3.2.1": is_set("audit-policy-file")(API),
    "3.2.2": audited,
    **{f"4.1.{row}": files("workers", f"{UNITS}/kubelet.service", 0o600) for row in (1, 2)},
    **{f"4.1.{row}": files("workers", f"{KUBERNETES}/kube-proxy.conf", 0o600) for row in (3, 4)},
    **{f"4.1.{row}": files("workers", f"{KUBERNETES}/kubelet.conf", 0o600) for row in (5, 6)},
    **{f"4.1.{row}": files("workers", f"{PKI}/ca.crt", 0o644) for row in (7, 8)},
    **{f"4.1.{row}": files("workers", "/var/lib/kubelet/config.yaml", 0o600) for row in (9, 10)},
    "4.2.1": kubelet(lambda found: found["authentication"]["anonymous"]["enabled"] is False),
    "4.2.2": kubelet(lambda found: found["authorization"]["mode"] == "Webhook"),
    "4.2.3": kubelet(lambda found: found["authentication"]["x509"]["clientCAFile"]),
    "4.2.4": kubelet(lambda found: found["readOnlyPort"] == 0),
    "4.2.5": kubelet(lambda found: found.get("streamingConnectionIdleTimeout", 0) not in ("0", "0s", 0)),
    "4.2.6": kubelet(lambda found: found["makeIPTablesUtilChains"] is True),
    "4.2.7": flag("kubelet", "hostname-override", lambda value: value is None),
    "4.2.8": kubelet(lambda found: found["eventRecordQPS"] > 0),
    "4.2.9": kubelet(lambda found: found["tlsCertFile"] and found["tlsPrivateKeyFile"]),
    "4.2.10": kubelet(lambda found: found["rotateCertificates"] is True),
    # The serving certificate comes from hardway, which renews it.
    "4.2.11": kubelet(lambda found: not found.get("serverTLSBootstrap") and found["tlsCertFile"]),
    "4.2.12": kubelet(lambda found: all("_ECDHE_" in suite for suite in found.get("tlsCipherSuites", ["any"]))),
    "4.2.13": kubelet(lambda found: found.get("podPidsLimit", 0) > 0),
    "4.3.1": lambda look: all(
        yaml.safe_load(host.disk.read("/var/lib/kube-proxy/config.yaml"))["metricsBindAddress"].startswith("127.")
        for host in look.workers
    ),
    "5.1.1": lambda look: bound(look) == {("Group", "hardway:cluster-admins")},
    "5.1.2": grants_none({"secrets", "*"}, {"get", "list", "watch", "*"}),
    "5.1.3": lambda look: not any("*" in (*rule.get("resources", ()), *rule["verbs"]) for rule in look.rules()),
    "5.1.4": grants_none({"pods", "*"}, {"create", "*"}),
    "5.1.6": lambda look: all(pod["spec"].get("serviceAccountName") for pod in look.pods()),
    # The certificate of that group stays in the state directory.
    "5.1.7": lambda look: (
        ("Group", "system:masters") not in bound(look)
        and not any("super-admin" in path for host in look.controllers for path in host.disk.files)
    ),
    "5.1.8": lambda look: not any({"bind", "impersonate", "escalate"} & set(rule["verbs"]) for rule in look.rules()),
    "5.1.9": grants_none({"persistentvolumes"}, WRITE),
    "5.1.10": grants_none({"nodes/proxy"}, WRITE | {"get"}),
    "5.1.11": grants_none({"certificatesigningrequests/approval"}, WRITE),
    "5.1.12": grants_none({"validatingwebhookconfigurations", "mutatingwebhookconfigurations"}, WRITE),
    "5.1.13": grants_none({"serviceaccounts/token"}, WRITE),
    "5.2.2": containers(lambda found: not found.get("privileged")),
    "5.2.3": pods("hostPID"),
    "5.2.4": pods("hostIPC"),
    "5.2.5": pods("hostNetwork"),
    "5.2.6": containers(lambda found: found.get("allowPrivilegeEscalation") is False),
    "5.4.1": lambda look: not any(container.get("env") for container in look.containers()),
    "5.6.1": lambda look: all(body["metadata"]["namespace"] == "kube-system" for body in look.objects("Deployment")),
    "5.6.2": lambda look: all(
        pod["spec"]["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault" for pod in look.pods()
    ),
    "5.6.3": containers(lambda found: found["capabilities"]["drop"] == ["ALL"] and found["readOnlyRootFilesystem"]),
    "5.6.4": lambda look: not [path for path in look.world.objects.by_path if "/namespaces/default/" in path],
}  # fmt: skip


def test_every_row_is_judged_or_left_with_a_reason_and_none_that_is_scored_is_left():
    assert len(ROWS) == 131 and len(ROWS) - len(UNSCORED) == 65 and UNSCORED <= set(ROWS)
    assert not set(HOLDS) & set(LEFT) and set(HOLDS) | set(LEFT) == set(ROWS)
    assert set(LEFT) <= UNSCORED and len(LEFT) <= 20


@pytest.mark.parametrize("name", ["ha", "single"])
def test_no_row_fails(name, built):
    look = Look(built(name))
    assert [row for row, holds in HOLDS.items() if not holds(look)] == []


def test_what_is_a_switch_is_in_the_documentation():
    text = (Path(__file__).parents[2] / "docs/limits.md").read_text()
    said = set(re.findall(r"^\| (\d\.\d\.\d+) \|", text, re.MULTILINE))
    assert said and said <= set(LEFT)
