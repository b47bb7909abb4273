"""The inventory's keys: every section, its types, its defaults and one sentence on each.

Defaults come from `hardway.cluster`, so they are written once. Whether values fit together is `semantic`'s matter.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hardway import cluster as facts
from hardway.inventory.fields import (
    DOMAIN,
    QUALIFIED,
    Address,
    Cidr,
    Domain,
    Endpoint,
    File,
    Flag,
    Forward,
    Name,
    Nameservers,
    Port,
    San,
    Text,
    User,
    matching,
    seconds,
    whole,
)

LABEL_KEY = rf"({DOMAIN}/)?{QUALIFIED}"
LabelKey = matching(LABEL_KEY, "a label key such as disktype or example.org/disktype (name at most 63 characters)", 317)
LabelValue = matching(rf"({QUALIFIED})?", "a label value: at most 63 letters, digits, - _ . (not first or last)", 63)
TaintText = matching(
    rf"{LABEL_KEY}(=({QUALIFIED})?)?:(NoSchedule|PreferNoSchedule|NoExecute)",
    "key=value:Effect with the effect NoSchedule, PreferNoSchedule or NoExecute",
    400,
)
KubernetesVersion = matching(r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}", "a full version without v, such as 1.36.4", 20)
ComponentVersion = matching(r"[0-9]+(\.[0-9]+){1,3}([-+~][A-Za-z0-9.+~-]+)?", "a version without v, such as 3.6.14", 60)
# No underscores: Kubernetes reads event_ttl as event-ttl, so a flag of ours could be given twice.
FlagName = matching(r"[a-z][A-Za-z0-9.-]*", "a flag's long name without the leading dashes, such as v or event-ttl", 100)
PortRange = matching(r"[0-9]{1,5}-[0-9]{1,5}", "a range of ports such as 30000-32767", 11)
Memory = matching(r"([0-9]{1,9}[KMGT]?)?", "an amount of memory such as 512M or 2G", 10)


class Section(BaseModel):
    """A mapping whose keys are all known; a key left empty counts as not written, unless empty means something there."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False)
    nullable: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _empty_is_absent(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        known = {field.alias or name for name, field in cls.model_fields.items()} - cls.nullable
        return {key: value for key, value in data.items() if value is not None or key not in known}


class Bastion(Section):
    address: Endpoint = Field(description="Name or address of the jump host.")
    user: User = Field(facts.Bastion.user, description="Login on the jump host.")
    port: Port = Field(facts.Bastion.port, description="SSH port of the jump host.")
    key: File | None = Field(None, description="Private key file for the jump host; without it the agent and the default keys.")


class Ssh(Section):
    nullable = frozenset({"key", "config", "known_hosts", "bastion"})
    user: User = Field(facts.Ssh.user, description="Login on the hosts: root, or a user with sudo.")
    port: Port = Field(facts.Ssh.port, description="SSH port.")
    key: File | None = Field(None, description="Private key file; without it the agent and the default keys.")
    agent: Flag = Field(facts.Ssh.agent, description="Whether a running ssh-agent may be asked.")
    config: File | None = Field(str(facts.Ssh.config), description="OpenSSH client configuration to honour; empty for none.")
    known_hosts: File | None = Field(str(facts.Ssh.known_hosts), description="File with the host keys to trust.")
    host_keys: Literal["strict", "accept-new"] = Field(facts.Ssh.host_keys, description="What to do with a host key never seen before.")
    bastion: Bastion | None = Field(None, description="Jump host by which all hosts are reached.")
    sudo: Literal["auto", "never", "password"] = Field(facts.Ssh.sudo, description="How a user other than root becomes root.")
    connect_timeout: seconds(0.1, 600) = Field(facts.Ssh.connect_timeout, description="Seconds to wait for a connection.")
    compress: Literal["auto", "always", "never"] = Field(facts.Ssh.compress, description="Whether large files are compressed on the way.")


class Host(Section):
    name: Name = Field(description="The machine's short host name; also its Node name.")
    address: Address = Field(description="The address the other hosts reach it by, and by which SSH connects.")
    roles: list[Literal["lb", "etcd", "control-plane", "worker"]] = Field(min_length=1, description="What the host is for.")
    ssh: Ssh = Field(Ssh(), description="Whatever differs from the common ssh section.")
    labels: dict[LabelKey, LabelValue] = Field({}, description="Node labels (workers).")
    taints: list[TaintText] = Field([], description="Node taints (workers), as key=value:Effect.")
    pod_cidr: Cidr | None = Field(None, description="The worker's block of the pod network; derived from its name when not given.")


class Versions(Section):
    etcd: ComponentVersion | None = Field(None, description="etcd: 3.4.22, 3.5.6 or a newer patch, or 3.6.")
    containerd: ComponentVersion | None = Field(None, description="containerd: 1.6 or newer; 1.x up to Kubernetes 1.35.")
    runc: ComponentVersion | None = Field(None, description="runc: 1.1 or newer.")
    cni_plugins: ComponentVersion | None = Field(None, description="The CNI plugins: 1.0 or newer.")
    crictl: ComponentVersion | None = Field(None, description="crictl: within one minor of Kubernetes.")
    coredns: ComponentVersion | None = Field(None, description="CoreDNS: 1.8 or newer.")
    pause: ComponentVersion | None = Field(None, description="The pause image: 3.1 or newer.")


class Network(Section):
    pod_cidr: Cidr = Field(facts.Network.pod_cidr, description="Addresses of all pods; each worker gets one block of it.")
    service_cidr: Cidr = Field(facts.Network.service_cidr, description="Addresses of Services; the first is the API's, the tenth DNS's.")
    node_cidr: Cidr | None = Field(None, description="The hosts' own network; when given, every host must be in it.")
    node_prefix: whole(8, 28) = Field(facts.Network.node_prefix, description="Size of one worker's block of the pod network.")
    domain: Domain = Field(facts.Network.domain, description="DNS domain of Services.")
    node_ports: PortRange = Field(facts.Network.node_ports, description="Ports for Services of type NodePort.")


class Api(Section):
    address: Endpoint | None = Field(None, description="The one name or address by which all clients reach the API.")
    port: Port = Field(facts.Api.port, description="Port of that address.")
    extra_sans: list[San] = Field([], description="More names and addresses for the API server's certificate.")
    load_balancer: Literal["haproxy", "external", "none"] | None = Field(None, description="Who spreads API calls.")
    vip: Address | None = Field(None, description="The address that lb hosts share through keepalived.")


class Pki(Section):
    algorithm: Literal["ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-3072", "rsa-4096"] = Field(
        facts.Pki.algorithm, description="Kind of every key."
    )
    ca_validity_days: whole(1, 36500) = Field(facts.Pki.ca_validity_days, description="How long the CAs are valid.")
    validity_days: whole(1, 36500) = Field(facts.Pki.validity_days, description="How long the other certificates are valid.")


class Encryption(Section):
    provider: Literal["aescbc", "secretbox", "none"] = Field(facts.Encryption.provider, description="How Secrets are encrypted in etcd.")


class Audit(Section):
    policy: File = Field(facts.Audit.policy, description="minimal, full, none, or an audit policy file of your own.")
    max_age_days: whole(0, 3650) = Field(facts.Audit.max_age_days, description="Days to keep old audit logs.")
    max_backups: whole(0, 1000) = Field(facts.Audit.max_backups, description="How many old audit logs to keep.")
    max_size_mb: whole(1, 10000) = Field(facts.Audit.max_size_mb, description="Size at which the audit log is rotated.")


class Kubelet(Section):
    fail_cgroup_v1: Flag = Field(facts.Kubelet.fail_cgroup_v1, description="Whether Kubernetes 1.35+ refuses a host with cgroup v1.")
    max_pods: whole(1, 1000) = Field(facts.Kubelet.max_pods, description="Pods per worker.")


class KubeProxy(Section):
    mode: Literal["iptables", "nftables"] = Field(facts.Cluster.proxy_mode, description="How Services reach their pods.")


FLAGS = "Flags by their long names, without the leading dashes."


class Args(Section):
    kube_apiserver: dict[FlagName, Text] = Field({}, alias="kube-apiserver", description=FLAGS)
    kube_controller_manager: dict[FlagName, Text] = Field({}, alias="kube-controller-manager", description=FLAGS)
    kube_scheduler: dict[FlagName, Text] = Field({}, alias="kube-scheduler", description=FLAGS)
    kubelet: dict[FlagName, Text] = Field({}, alias="kubelet", description=FLAGS)
    kube_proxy: dict[FlagName, Text] = Field({}, alias="kube-proxy", description=FLAGS)
    etcd: dict[FlagName, Text] = Field({}, alias="etcd", description=FLAGS)
    containerd: dict[FlagName, Text] = Field({}, alias="containerd", description=FLAGS)

    def by_component(self) -> dict[str, dict[str, str]]:
        """Component name to its flags, for components that have any."""
        return {field.alias: args for name, field in type(self).model_fields.items() if (args := getattr(self, name))}


class Assets(Section):
    source: Literal["auto", "upstream", "modules", "mirror"] = Field(
        facts.Assets.source,
        description="Where binaries come from: the projects' releases, Go modules that are compiled here, a mirror of releases; "
        "auto takes releases where their hosts answer and compiles where not.",
    )
    mirror: Text = Field(facts.Assets.mirror, description="Base URL or folder of the mirror.")
    checksums: File | None = Field(
        None, description="A file of checksums of your own, `URL: SHA256` or `IMAGE: SHA256` a line; they count before the built-in ones."
    )
    images: Literal["pull", "push"] = Field(facts.Assets.images, description="Whether hosts pull images or get them pushed.")


class CoreDns(Section):
    enabled: Flag = Field(facts.CoreDns.enabled, description="Whether the DNS add-on is installed.")
    replicas: whole(1, 50) = Field(facts.CoreDns.replicas, description="How many copies run.")
    forward: Forward = Field(facts.CoreDns.forward, description="Who resolves names outside the cluster.")
    stub_domains: dict[Domain, Nameservers] = Field({}, description="Domains with name servers of their own, each with their addresses.")


class Addons(Section):
    coredns: CoreDns = Field(CoreDns(), description="Cluster DNS.")


class Lab(Section):
    gateway: Address = Field(description="The lab bridge's own address in network.node_cidr.")
    memory: Memory = Field(facts.Lab.memory, description="Memory limit of each machine, such as 512M; empty for none.")
    directory: File | None = Field(None, description="Where the machines' disks are kept.")


class Inventory(Section):
    """One cluster."""

    cluster: Name = Field(description="The cluster's name; also the kubeconfig context.")
    kubernetes: KubernetesVersion | None = Field(None, description="Kubernetes version; the newest supported one when not given.")
    versions: Versions = Field(Versions(), description="Versions of the other components, where the fitting ones are not wanted.")
    network: Network = Field(Network(), description="The address plan.")
    api: Api = Field(Api(), description="How clients reach the API.")
    ssh: Ssh = Field(Ssh(), description="How the hosts are reached.")
    pki: Pki = Field(Pki(), description="Keys and certificates.")
    encryption: Encryption = Field(Encryption(), description="Encryption of Secrets at rest.")
    audit: Audit = Field(Audit(), description="The API server's audit log.")
    kubelet: Kubelet = Field(Kubelet(), description="Settings of all kubelets.")
    kube_proxy: KubeProxy = Field(KubeProxy(), description="Settings of all kube-proxies.")
    extra_args: Args = Field(Args(), description="Flags to add to a component; a flag the unit already sets is refused.")
    override_args: Args = Field(Args(), description="Flags the unit already sets, with another value.")
    assets: Assets = Field(Assets(), description="Where binaries and images come from.")
    addons: Addons = Field(Addons(), description="What runs in the cluster from the start.")
    lab: Lab | None = Field(None, description="Present when hardway makes the machines itself.")
    drills: Flag = Field(
        facts.Cluster.drills, description="Whether these machines are for practice: `hardway drill` may break them. A lab always is."
    )
    hosts: list[Host] = Field(description="The machines.")
