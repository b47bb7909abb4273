"""What the units must say, whatever the inventory: judged by systemd itself, by the CIS benchmark and by each other."""

import re
import shutil
import subprocess
from dataclasses import replace
from ipaddress import IPv4Network

import pytest
import yaml
from clusters import CLUSTERS, CONFIGS, EXTRA, OLD, UNITS, VERSIONS, extra, ha, lab, shared, single
from units import flags, unit

from hardway.cluster import Role
from hardway.render import COMPONENTS, render, unit_flags

EVERY = pytest.mark.parametrize("cluster", CLUSTERS.values(), ids=CLUSTERS)
TARGETS = ("sysinit", "basic", "shutdown", "multi-user", "network-online")
PROGRAMS = (
    "bin/sh",
    "sbin/modprobe",
    "usr/local/bin/pod-routes",
    *(f"usr/local/bin/{component}" for component in COMPONENTS),
)


@EVERY
def test_systemd_finds_no_fault(cluster, tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    for program in PROGRAMS:
        _write(tmp_path / program, "", 0o755)
    for target in TARGETS:
        _write(tmp_path / f"usr/lib/systemd/system/{target}.target", "[Unit]\n")
    for name in UNITS:
        _write(tmp_path / "etc/systemd/system" / name, unit(name.removesuffix(".service"), cluster))
    command = ["systemd-analyze", f"--root={tmp_path}", "--man=no", "verify", *UNITS]
    verdict = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (verdict.returncode, verdict.stdout + verdict.stderr) == (0, "")


def _write(file, content, mode=0o644):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    file.chmod(mode)


@EVERY
@pytest.mark.parametrize("component", COMPONENTS)
def test_flags_are_unique_sorted_and_known_to_the_inventory(component, cluster):
    found = flags(component, cluster)
    assert list(found) == sorted(found)
    assert set(found) <= unit_flags(component, cluster)
    assert all(found.values()), "a flag without a value"


@EVERY
@pytest.mark.parametrize("component", COMPONENTS)
def test_services_start_again_for_ever(component, cluster):
    text = unit(component, cluster)
    assert "\nRestart=always\nRestartSec=1\n" in text
    assert text.index("StartLimitIntervalSec=0") < text.index("[Service]"), "it counts in [Unit] only"


def test_etcd_birth_is_not_part_of_its_unit():
    assert unit_flags("etcd", lab()) - flags("etcd", lab()).keys() == {"initial-cluster", "initial-cluster-state"}
    for state in ("new", "existing"):
        environment = render("etcd.env", lab(), lab().host("controller-0"), state=state).decode()
        assert f"\nETCD_INITIAL_CLUSTER_STATE={state}\n" in environment
        assert environment.count("https://10.240.0.1") == 3


@EVERY
def test_service_range_is_the_same_everywhere(cluster):
    wide = replace(cluster, network=replace(cluster.network, service_cidr=IPv4Network("10.96.0.0/16")))
    for component in ("kube-apiserver", "kube-controller-manager"):
        assert flags(component, wide)["service-cluster-ip-range"] == "10.96.0.0/16"
    kubelet = yaml.safe_load(render("kubelet-config.yaml", wide, wide.workers[0], **EXTRA))
    service = next(one for one in yaml.safe_load_all(render("coredns.yaml", wide, **EXTRA)) if one["kind"] == "Service")
    assert kubelet["clusterDNS"] == [service["spec"]["clusterIP"]] == ["10.96.0.10"]


def script(cluster, host) -> str:
    return render("pod-routes", cluster, host, **extra(cluster, host)).decode()


@EVERY
def test_pod_range_is_the_same_everywhere(cluster):
    proxy = yaml.safe_load(render("kube-proxy-config.yaml", cluster, cluster.workers[0]))
    masquerade = re.search(r"-s (\S+) ! -d (\S+)", script(cluster, cluster.workers[0]))
    assert (
        flags("kube-controller-manager", cluster)["cluster-cidr"]
        == proxy["clusterCIDR"]
        == masquerade[2]
        == "10.200.0.0/16"
    )
    assert masquerade[1] == str(cluster.workers[0].pod_cidr)


@EVERY
def test_pod_routes_lead_to_every_other_worker(cluster):
    for host in cluster.hosts:
        text = script(cluster, host)
        others = {(str(w.pod_cidr), str(w.address)) for w in cluster.workers if w != host}
        assert set(re.findall(r"^  route (\S+) via (\S+)", text, re.MULTILINE)) == others
        assert ("MASQUERADE" in text) == host.is_(Role.WORKER)


def test_api_server_uses_the_member_beside_it_or_all_of_them():
    assert flags("kube-apiserver", lab())["etcd-servers"] == "https://127.0.0.1:2379"
    assert flags("kube-apiserver", ha())["etcd-servers"].count(":2379") == 3


def test_api_server_stands_aside_where_haproxy_holds_the_port():
    assert flags("kube-apiserver", lab())["secure-port"] == "6443"
    assert flags("kube-apiserver", shared())["secure-port"] == "6444"
    assert render("haproxy.cfg", shared(), shared().hosts[0], former_ports=()).count(b":6444\n") == 3
    chosen = replace(shared(), api=replace(shared().api, server_port=7443))
    assert flags("kube-apiserver", chosen)["secure-port"] == "7443"


def test_switched_off_features_leave_no_flag():
    found = flags("kube-apiserver", single())
    assert not [flag for flag in found if flag.startswith("audit-") or "encryption" in flag]
    assert "LogsDirectory" not in unit("kube-apiserver", single())


def test_a_cluster_that_was_encrypted_once_keeps_the_flag():
    text = render("kube-apiserver.service", single(), single().hosts[0], encrypted=True).decode()
    assert text.count("--encryption-provider-config=/etc/kubernetes/encryption-config.yaml \\\n") == 1


# The flags that a component has on some versions only, with the first minor without them.
GONE = {"kubelet": {"pod-infra-container-image": (1, 35)}}


@pytest.mark.parametrize("minor", VERSIONS, ids=lambda minor: f"{minor[0]}.{minor[1]}")
@pytest.mark.parametrize("component", COMPONENTS)
def test_only_flags_that_are_gone_differ_between_versions(component, minor):
    old, here = (unit_flags(component, replace(lab(), versions=versions)) for versions in (OLD, VERSIONS[minor]))
    assert old - here == {flag for flag, since in GONE.get(component, {}).items() if minor >= since} and here <= old


# Of the ciphers of TLS 1.2 those with forward secrecy and authenticated encryption, which both benchmarks' lists have.
SUITES = [
    f"TLS_ECDHE_{key}_WITH_AES_{cipher}" for cipher in ("128_GCM_SHA256", "256_GCM_SHA384") for key in ("ECDSA", "RSA")
]
# CIS 1.12, the scored rows that a command line decides: id, component, flag, what must hold (None: must not be set).
CIS = [
    ("1.2.1", "kube-apiserver", "anonymous-auth", None),
    ("1.2.2", "kube-apiserver", "token-auth-file", None),
    ("1.2.4", "kube-apiserver", "kubelet-client-certificate", "/etc/kubernetes/pki/apiserver-kubelet-client.crt"),
    ("1.2.4", "kube-apiserver", "kubelet-client-key", "/etc/kubernetes/pki/apiserver-kubelet-client.key"),
    ("1.2.5", "kube-apiserver", "kubelet-certificate-authority", "/etc/kubernetes/pki/ca.crt"),
    ("1.2.6-8", "kube-apiserver", "authorization-mode", "Node,RBAC"),
    ("1.2.10", "kube-apiserver", "enable-admission-plugins", "NodeRestriction"),
    ("1.2.12-14", "kube-apiserver", "disable-admission-plugins", None),
    ("1.2.15", "kube-apiserver", "profiling", "false"),
    ("1.2.16", "kube-apiserver", "audit-log-path", "/var/log/kubernetes/audit/audit.log"),
    ("1.2.17", "kube-apiserver", "audit-log-maxage", 30),
    ("1.2.18", "kube-apiserver", "audit-log-maxbackup", 10),
    ("1.2.19", "kube-apiserver", "audit-log-maxsize", 100),
    ("1.2.20", "kube-apiserver", "request-timeout", "1m"),
    ("1.2.21", "kube-apiserver", "service-account-lookup", None),
    ("1.2.22", "kube-apiserver", "service-account-key-file", "/etc/kubernetes/pki/sa.pub"),
    ("1.2.23", "kube-apiserver", "etcd-certfile", "/etc/kubernetes/pki/apiserver-etcd-client.crt"),
    ("1.2.23", "kube-apiserver", "etcd-keyfile", "/etc/kubernetes/pki/apiserver-etcd-client.key"),
    ("1.2.24", "kube-apiserver", "tls-cert-file", "/etc/kubernetes/pki/apiserver.crt"),
    ("1.2.24", "kube-apiserver", "tls-private-key-file", "/etc/kubernetes/pki/apiserver.key"),
    ("1.2.25", "kube-apiserver", "client-ca-file", "/etc/kubernetes/pki/ca.crt"),
    ("1.2.26", "kube-apiserver", "etcd-cafile", "/etc/kubernetes/pki/etcd/ca.crt"),
    ("1.2.27", "kube-apiserver", "encryption-provider-config", "/etc/kubernetes/encryption-config.yaml"),
    ("1.2.30", "kube-apiserver", "service-account-extend-token-expiration", "false"),
    ("1.2.29", "kube-apiserver", "tls-cipher-suites", ",".join(SUITES)),
    ("1.3.1", "kube-controller-manager", "terminated-pod-gc-threshold", 1),
    ("1.3.2", "kube-controller-manager", "profiling", "false"),
    ("1.3.3", "kube-controller-manager", "use-service-account-credentials", "true"),
    ("1.3.4", "kube-controller-manager", "service-account-private-key-file", "/etc/kubernetes/pki/sa.key"),
    ("1.3.5", "kube-controller-manager", "root-ca-file", "/etc/kubernetes/pki/ca.crt"),
    ("1.3.6", "kube-controller-manager", "feature-gates", None),
    ("1.3.7", "kube-controller-manager", "bind-address", "127.0.0.1"),
    ("1.4.1", "kube-scheduler", "profiling", "false"),
    ("1.4.2", "kube-scheduler", "bind-address", "127.0.0.1"),
    ("1.1.11", "etcd", "data-dir", "/var/lib/etcd"),
    ("2.1", "etcd", "cert-file", "/etc/etcd/pki/server.crt"),
    ("2.1", "etcd", "key-file", "/etc/etcd/pki/server.key"),
    ("2.2", "etcd", "client-cert-auth", "true"),
    ("2.3", "etcd", "auto-tls", None),
    ("2.4", "etcd", "peer-cert-file", "/etc/etcd/pki/peer.crt"),
    ("2.4", "etcd", "peer-key-file", "/etc/etcd/pki/peer.key"),
    ("2.5", "etcd", "peer-client-cert-auth", "true"),
    ("2.6", "etcd", "peer-auto-tls", None),
    ("4.1.5", "kubelet", "kubeconfig", "/etc/kubernetes/kubelet.conf"),
    ("4.1.9", "kubelet", "config", "/var/lib/kubelet/config.yaml"),
    ("4.2.7", "kubelet", "hostname-override", None),
]


@pytest.mark.parametrize("cluster", [lab(), ha()], ids=["lab", "ha"])
@pytest.mark.parametrize("row", CIS, ids=[f"{row[0]}-{row[2]}" for row in CIS])
def test_cis_row(row, cluster):
    _, component, flag, wanted = row
    value = flags(component, cluster).get(flag)
    assert value == wanted if wanted is None or isinstance(wanted, str) else int(value) >= wanted


@pytest.mark.parametrize("cluster", [lab(), ha()], ids=["lab", "ha"])
def test_cis_rows_of_configuration_files(cluster):
    worker = cluster.workers[0]
    kubelet = yaml.safe_load(render("kubelet-config.yaml", cluster, worker, **EXTRA))
    proxy = yaml.safe_load(render("kube-proxy-config.yaml", cluster, worker))
    assert kubelet["authentication"]["anonymous"]["enabled"] is False, "4.2.1"
    assert kubelet["authorization"]["mode"] == "Webhook", "4.2.2"
    assert kubelet["authentication"]["x509"]["clientCAFile"] == "/etc/kubernetes/pki/ca.crt", "4.2.3"
    assert kubelet["readOnlyPort"] == 0, "4.2.4"
    assert kubelet["makeIPTablesUtilChains"] is True, "4.2.6"
    assert kubelet["eventRecordQPS"] > 0, "4.2.8"
    assert {"tlsCertFile", "tlsPrivateKeyFile"} <= kubelet.keys(), "4.2.9"
    assert kubelet["rotateCertificates"] is True, "4.2.10"
    assert kubelet["streamingConnectionIdleTimeout"] != "0", "4.2.5"
    assert kubelet["tlsCipherSuites"] == SUITES, "4.2.12"
    assert kubelet["podPidsLimit"] > 0, "4.2.13"
    assert proxy["metricsBindAddress"] == "127.0.0.1:10249", "4.3.1"
    assert yaml.safe_load(render("kube-scheduler.yaml", cluster))["enableProfiling"] is False, "1.4.1"
    assert "User=etcd\nGroup=etcd\n" in unit("etcd", cluster) and "StateDirectoryMode=0700" in unit("etcd", cluster), (
        "1.1.11, 1.1.12"
    )


@EVERY
def test_no_template_leaves_blank_edges_or_trailing_space(cluster):
    for template, role in (UNITS | CONFIGS).items():
        host = next(iter(cluster.with_role(role)), cluster.hosts[0])
        if template != "keepalived.conf" or cluster.api.vip:
            text = render(template, cluster, host, **extra(cluster, host)).decode()
            assert (
                text == text.strip() + "\n" and "\n\n\n" not in text and not re.search(r"[ \t]$", text, re.MULTILINE)
            ), template
