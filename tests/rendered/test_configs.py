"""Configuration files: valid for the programs that read them, and saying what they must."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from clusters import CLUSTERS, CONFIGS, EXTRA, VERSIONS, ha, lab, shared
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from units import flags, unit

from hardway.phase import API, Inputs
from hardway.phases import rbac
from hardway.render import render

EVERY = pytest.mark.parametrize("cluster", CLUSTERS.values(), ids=CLUSTERS)
EACH_MINOR = pytest.mark.parametrize("versions", VERSIONS.values(), ids=lambda one: one.kubernetes)


def config(template, cluster, **extra):
    host = next(iter(cluster.with_role(CONFIGS[template])), cluster.hosts[0])
    return render(template, cluster, host, **(EXTRA | extra)).decode()


@EVERY
@pytest.mark.parametrize("template", [name for name in CONFIGS if name.endswith(".yaml")])
def test_yaml_is_valid_and_names_its_kind(template, cluster):
    for document in yaml.safe_load_all(config(template, cluster)):
        assert template == "crictl.yaml" or {"apiVersion", "kind"} <= document.keys()


@EVERY
def test_network_configuration(cluster):
    plugins = json.loads(config("10-bridge.conflist", cluster))["plugins"]
    assert [plugin["type"] for plugin in plugins] == ["bridge", "portmap"]
    assert plugins[0]["ipam"]["ranges"] == [[{"subnet": str(cluster.workers[0].pod_cidr)}]]
    assert plugins[0]["hairpinMode"] is True, "or a pod cannot reach itself through its own Service"
    assert plugins[0]["ipMasq"] is False, "or pods see the node's address instead of each other's"


@EVERY
def test_containerd_reads_version_3(cluster):
    found = tomllib.loads(config("containerd-config.toml", cluster))
    runtime, images = found["plugins"]["io.containerd.cri.v1.runtime"], found["plugins"]["io.containerd.cri.v1.images"]
    assert (found["version"], images["pinned_images"]["sandbox"]) == (3, EXTRA["pause_image"])
    assert runtime["cni"] == {"conf_dir": "/etc/cni/net.d", "bin_dirs": ["/opt/cni/bin"]}
    assert runtime["containerd"]["runtimes"]["runc"]["options"]["SystemdCgroup"] is True


@EVERY
def test_kubelet_and_containerd_agree(cluster):
    kubelet = yaml.safe_load(config("kubelet-config.yaml", cluster))
    assert kubelet["cgroupDriver"] == "systemd"
    assert kubelet["containerRuntimeEndpoint"] == "unix:///run/containerd/containerd.sock"


@EACH_MINOR
def test_cgroup_v1_is_allowed_only_when_asked(versions):
    asked = replace(ha(), versions=versions)
    assert yaml.safe_load(config("kubelet-config.yaml", asked))["failCgroupV1"] is False
    assert "failCgroupV1" not in config(
        "kubelet-config.yaml", replace(asked, kubelet=replace(asked.kubelet, fail_cgroup_v1=True))
    )


@EVERY
def test_nothing_we_write_keeps_pods_from_user_namespaces(cluster):
    kubelet = yaml.safe_load(config("kubelet-config.yaml", cluster))
    assert "featureGates" not in kubelet and "userNamespaces" not in kubelet, "both are on by default since 1.33"


@EACH_MINOR
@pytest.mark.parametrize("mode", ["iptables", "nftables"])
def test_kube_proxy_works_as_the_inventory_says(mode, versions):
    proxy = yaml.safe_load(config("kube-proxy-config.yaml", replace(lab(), versions=versions, proxy_mode=mode)))
    assert proxy["mode"] == mode


@EVERY
def test_callers_without_a_name_may_ask_for_health_alone(cluster):
    found = yaml.safe_load(config("authentication.yaml", cluster))
    assert (found["apiVersion"], found["kind"]) == ("apiserver.config.k8s.io/v1", "AuthenticationConfiguration")
    assert found["anonymous"] == {
        "enabled": True,
        "conditions": [{"path": path} for path in ("/healthz", "/livez", "/readyz")],
    }


@pytest.mark.parametrize("cluster", [lab(), ha(), shared()], ids=["lab", "ha", "shared"])
def test_haproxy_hears_of_a_stop_before_the_api_server_stops_serving(cluster):
    text = config("haproxy.cfg", cluster)
    asked, paths = (
        re.search(r"httpchk GET (\S+)", text)[1],
        yaml.safe_load(config("authentication.yaml", cluster))["anonymous"],
    )
    assert {"path": asked} in paths["conditions"], "HAProxy has no name"
    every, times = map(int, re.search(r" inter (\d+)ms fall (\d+) ", text).groups())
    delay = int(re.fullmatch(r"(\d+)s", flags("kube-apiserver", cluster)["shutdown-delay-duration"])[1])
    stop = int(re.search(r"^TimeoutStopSec=(\d+)$", unit("kube-apiserver", cluster), re.MULTILINE)[1])
    assert every * times / 1000 < delay < stop


@EVERY
def test_a_kubelet_that_renews_its_certificate_may_do_so(cluster):
    assert yaml.safe_load(config("kubelet-config.yaml", cluster))["rotateCertificates"] is True
    manifests = rbac.desired(Inputs(cluster, {}, None, None), API)
    granted = {
        one.manifest["roleRef"]["name"]: one.manifest["subjects"] for one in manifests if "roleRef" in one.manifest
    }
    nodes = granted["system:certificates.k8s.io:certificatesigningrequests:selfnodeclient"]
    assert [(one["kind"], one["name"]) for one in nodes] == [("Group", "system:nodes")], (
        "or its requests stay Pending for ever"
    )


def test_a_new_node_reports_early_but_not_often():
    kubelet = yaml.safe_load(config("kubelet-config.yaml", lab()))
    assert (kubelet["nodeStatusUpdateFrequency"], kubelet["nodeStatusReportFrequency"]) == ("1s", "1m")


@EVERY
def test_kube_proxy_waits_for_no_node_object(cluster):
    proxy = yaml.safe_load(config("kube-proxy-config.yaml", cluster))
    assert proxy["bindAddress"] == str(cluster.workers[0].address)
    assert proxy["conntrack"] == {"maxPerCore": 0, "min": 0}


def corefile(cluster, **extra):
    documents = yaml.safe_load_all(config("coredns.yaml", cluster, **extra))
    return next(one for one in documents if one["kind"] == "ConfigMap")["data"]["Corefile"]


def test_coredns_forwards_only_where_it_can():
    given = corefile(lab(), forward=("1.1.1.1", "9.9.9.9"))
    assert "\n    forward . 1.1.1.1 9.9.9.9\n    loop\n" in given and "fallthrough" in given
    alone = corefile(lab(), forward=())
    assert not [word for word in ("forward", "loop\n", "fallthrough") if word in alone], (
        "an unknown name must be NXDOMAIN, not a failure"
    )


@EVERY
def test_coredns_asks_the_servers_of_a_stub_domain(cluster):
    given = replace(cluster, coredns=replace(cluster.coredns, stub_domains={"corp.example": ("10.9.9.9", "10.9.9.8")}))
    text = corefile(given)
    assert text.startswith(corefile(cluster))
    assert text.endswith("\ncorp.example:53 {\n    errors\n    cache 30\n    forward . 10.9.9.9 10.9.9.8\n}\n")


@EVERY
def test_coredns_is_spread_selected_and_served(cluster):
    found = {one["kind"]: one for one in yaml.safe_load_all(config("coredns.yaml", cluster))}
    pods = found["Deployment"]["spec"]["template"]
    selected = pods["metadata"]["labels"]
    assert found["Service"]["spec"]["selector"] == found["Deployment"]["spec"]["selector"]["matchLabels"] == selected
    assert found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == selected
    assert found["Deployment"]["spec"]["replicas"] == cluster.coredns.replicas
    spread = pods["spec"]["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert spread[0]["podAffinityTerm"]["labelSelector"]["matchLabels"] == selected
    assert found["PodDisruptionBudget"]["apiVersion"] == "policy/v1"


@EVERY
def test_coredns_may_do_nothing_but_serve(cluster):
    found = {one["kind"]: one for one in yaml.safe_load_all(config("coredns.yaml", cluster))}
    pod = found["Deployment"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert pod["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}}
    assert container["securityContext"]["capabilities"] == {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]}
    assert (
        container["securityContext"]["readOnlyRootFilesystem"]
        and not container["securityContext"]["allowPrivilegeEscalation"]
    )
    assert {verb for rule in found["ClusterRole"]["rules"] for verb in rule["verbs"]} == {"list", "watch"}


def level(
    policy: str, verb: str, group: str, resource: str, user: str = "alice", groups=("system:authenticated",)
) -> str:
    """The level of a request to a resource, by audit.k8s.io/v1's rule: the first that matches."""
    for rule in yaml.safe_load(policy)["rules"]:
        kinds = [(one["group"], name) for one in rule.get("resources", ()) for name in one["resources"]]
        matches = [
            user in rule.get("users", [user]),
            set(groups) & set(rule.get("userGroups", groups)),
            verb in rule.get("verbs", [verb]),
            (group, resource) in kinds if kinds else "nonResourceURLs" not in rule,
        ]
        if all(matches):
            return rule["level"]
    return "None"


SECRET = [("", "secrets"), ("", "configmaps"), ("", "serviceaccounts/token"), ("authentication.k8s.io", "tokenreviews")]


@pytest.mark.parametrize("template", ["audit-policy-minimal.yaml", "audit-policy-full.yaml"])
@pytest.mark.parametrize(("group", "resource"), SECRET)
@pytest.mark.parametrize("verb", ["get", "list", "create", "update", "patch", "delete"])
def test_audit_notes_secrets_but_never_their_bodies(template, group, resource, verb):
    assert level(config(template, lab()), verb, group, resource) == "Metadata"


@pytest.mark.parametrize(
    ("template", "wanted"), [("audit-policy-minimal.yaml", "Metadata"), ("audit-policy-full.yaml", "Request")]
)
def test_audit_notes_every_change_by_people(template, wanted):
    policy = config(template, lab())
    for group, resource in [
        ("apps", "deployments"),
        ("", "pods/exec"),
        ("", "nodes"),
        ("rbac.authorization.k8s.io", "clusterrolebindings"),
    ]:
        assert level(policy, "create", group, resource) == wanted
    assert level(policy, "patch", "", "nodes") == wanted


@pytest.mark.parametrize("template", ["audit-policy-minimal.yaml", "audit-policy-full.yaml"])
def test_audit_leaves_heartbeats_out(template):
    policy, node = (
        config(template, lab()),
        {"user": "system:node:worker-0", "groups": ("system:nodes", "system:authenticated")},
    )
    assert level(policy, "update", "coordination.k8s.io", "leases", **node) == "None"
    assert level(policy, "patch", "", "nodes/status", **node) == "None"
    assert level(policy, "get", "", "secrets", **node) == "Metadata"
    proxy = {"user": "kube-proxy:worker-0", "groups": ("hardway:kube-proxies", "system:authenticated")}
    assert level(policy, "watch", "", "services", **proxy) == "None"
    assert level(policy, "get", "", "secrets", **proxy) == "Metadata"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ca")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    file = tmp_path_factory.mktemp("haproxy") / "ca.crt"
    file.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    return file


@pytest.mark.parametrize("cluster", [lab(), ha(), shared()], ids=["lab", "ha", "shared"])
def test_haproxy_accepts_its_configuration(cluster, authority, tmp_path):
    if not shutil.which("haproxy", path="/usr/sbin:/usr/bin"):
        pytest.skip("haproxy is not installed")
    text = config("haproxy.cfg", cluster)
    assert text.count("/etc/haproxy/ca.crt") == 1
    (tmp_path / "haproxy.cfg").write_text(text.replace("/etc/haproxy/ca.crt", str(authority)))
    verdict = subprocess.run(
        ["/usr/sbin/haproxy", "-c", "-f", tmp_path / "haproxy.cfg"], capture_output=True, text=True, timeout=60
    )
    assert verdict.returncode == 0 and "WARNING" not in verdict.stderr, verdict.stderr


def test_haproxy_serves_former_ports_beside_the_new_one():
    assert re.findall(r"^    bind (.*)$", config("haproxy.cfg", lab(), former_ports=(8443, 9443)), re.MULTILINE) == [
        ":6443",
        ":8443",
        ":9443",
    ]


def test_haproxy_asks_every_api_server_where_it_listens():
    assert config("haproxy.cfg", lab()).count("    server controller-") == 3
    assert "    server all-2 10.1.0.3:6444\n" in config("haproxy.cfg", shared())


def test_two_load_balancers_share_one_address():
    first, second = ha().load_balancers
    first, second = (
        render("keepalived.conf", ha(), host, **EXTRA | {"peers": [other.address]}).decode()
        for host, other in ((first, second), (second, first))
    )
    assert "unicast_src_ip 10.0.0.5" in first and "        10.0.0.6\n" in first
    assert "unicast_src_ip 10.0.0.6" in second and "        10.0.0.5\n" in second
    for text in (first, second):
        assert "10.0.0.4/32" in text and "virtual_router_id 4\n" in text and "nopreempt" in text
    assert "priority 200" in first and "priority 199" in second


SHARING = {
    "two": {},
    "one, alone": {"peers": []},
    "two, and a former address": {"routers": [(4, ["10.0.0.4"]), (9, ["10.0.0.9"])]},
    "two, and a former address with the same number": {"routers": [(4, ["10.0.0.4", "10.1.0.4"])]},
}


@pytest.mark.parametrize("sharing", SHARING.values(), ids=SHARING)
def test_keepalived_accepts_its_configuration(sharing, tmp_path):
    if not shutil.which("keepalived", path="/usr/sbin:/usr/bin"):
        pytest.skip("keepalived is not installed")
    if os.geteuid():
        pytest.skip("keepalived trusts no script of an ordinary user, so only root can try its configuration")
    file = tmp_path / "keepalived.conf"
    # A bridge of our own: keepalived looks the interface up, in a network namespace that is gone afterwards.
    file.write_text(config("keepalived.conf", ha(), interface="vrrp0", **sharing))
    script = 'ip link add vrrp0 type veth && ip link set vrrp0 up && exec /usr/sbin/keepalived -t -f "$0"'
    verdict = subprocess.run(["unshare", "-rn", "sh", "-c", script, file], capture_output=True, text=True, timeout=60)
    assert (verdict.returncode, verdict.stderr) == (0, "")
