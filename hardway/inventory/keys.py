"""The inventory's keys: every section, its types, its defaults and one sentence on each.

Defaults come from `hardway.cluster`, so they are written once. `rules` checks whether the values fit together.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hardway import cluster as facts
from hardway import settings
from hardway.inventory.fields import (
    Address,
    Cidr,
    ComponentVersion,
    Domain,
    Endpoint,
    File,
    FileOrNone,
    Flag,
    FlagName,
    Forward,
    KubernetesVersion,
    LabelKey,
    LabelValue,
    Memory,
    Name,
    Nameservers,
    Port,
    PortRange,
    Quantity,
    San,
    TaintText,
    Text,
    User,
    seconds,
    whole,
)


class Section(BaseModel):
    """A mapping whose keys are all known; a key left empty counts as not written, unless empty means something
    there."""

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
    user: User = Field(
        settings.Bastion.user, description="Login on the jump host. Default: as OpenSSH is configured, else root."
    )
    port: Port = Field(settings.Bastion.port, description="SSH port of the jump host.")
    key: File | None = Field(
        None, description="Private key file for the jump host; default: the ssh-agent, then the usual key files."
    )


class Ssh(Section):
    nullable = frozenset({"key", "config", "known_hosts", "bastion"})
    user: User = Field(
        settings.Ssh.user,
        description="Login on the hosts: root, or a user with sudo. Default: as OpenSSH is configured, else root.",
    )
    port: Port = Field(settings.Ssh.port, description="SSH port.")
    key: File | None = Field(None, description="Private key file; default: the ssh-agent, then the usual key files.")
    agent: Flag = Field(settings.Ssh.agent, description="Whether to use a running ssh-agent.")
    config: FileOrNone | None = Field(str(settings.Ssh.config), description="OpenSSH configuration file, or none.")
    known_hosts: FileOrNone | None = Field(str(settings.Ssh.known_hosts), description="File of host keys, or none.")
    host_keys: Literal["strict", "accept-new"] = Field(
        settings.Ssh.host_keys, description="What to do with an unknown host key: refuse it, or accept and record it."
    )
    bastion: Bastion | None = Field(None, description="Jump host for the connections to all hosts.")
    sudo: Literal["auto", "never", "password"] = Field(
        settings.Ssh.sudo, description="How a user other than root becomes root."
    )
    connect_timeout: seconds(0.1, 600) = Field(
        settings.Ssh.connect_timeout, description="Seconds to wait for a connection."
    )
    compress: Literal["auto", "always", "never"] = Field(
        settings.Ssh.compress, description="Whether to compress large files during transfer."
    )


class Reserved(Section):
    cpu: Quantity | None = Field(None, description="Processors, such as 500m for half of one.")
    memory: Quantity | None = Field(None, description="Memory, such as 1Gi; the kubelet keeps 100Mi free besides.")
    ephemeral_storage: Quantity | None = Field(
        None, alias="ephemeral-storage", description="Room on the disk of /var/lib/kubelet, such as 5Gi."
    )
    pid: Quantity | None = Field(None, description="Numbers of processes, such as 1000.")

    def by_resource(self) -> dict[str, str]:
        """Kubernetes' name of each resource that is written, to its amount."""
        return self.model_dump(by_alias=True, exclude_none=True)


class Host(Section):
    name: Name = Field(description="The machine's short host name; also its Node name.")
    address: Address = Field(description="The IPv4 address that the other hosts and SSH connect to.")
    roles: list[Literal["lb", "etcd", "control-plane", "worker"]] = Field(
        min_length=1, description="What runs on the host.", json_schema_extra={"uniqueItems": True}
    )
    ssh: Ssh = Field(Ssh(), description="Settings that differ from the common ssh section.")
    labels: dict[LabelKey, LabelValue] = Field({}, description="Node labels (workers).")
    taints: list[TaintText] = Field([], description="Node taints (workers), as key=value:Effect.")
    pod_cidr: Cidr | None = Field(
        None, description="The worker's block of the pod network; default: derived from its name or address."
    )
    reserved: Reserved = Field(
        Reserved(), description="The same as kubelet.reserved for this worker, which may differ in any of its keys."
    )


class Versions(Section):
    etcd: ComponentVersion | None = Field(None, description="etcd: 3.6 or 3.7; Kubernetes 1.37 needs 3.7.")
    containerd: ComponentVersion | None = Field(None, description="containerd: 2.2 or newer.")
    runc: ComponentVersion | None = Field(None, description="runc: 1.3 or newer.")
    cni_plugins: ComponentVersion | None = Field(None, description="The CNI plugins: 1.4 or newer.")
    crictl: ComponentVersion | None = Field(None, description="crictl: within one minor of Kubernetes.")
    coredns: ComponentVersion | None = Field(None, description="CoreDNS: 1.12 or newer.")
    pause: ComponentVersion | None = Field(None, description="The pause image: 3.10 or newer.")


class Network(Section):
    pod_cidr: Cidr = Field(
        settings.Network.pod_cidr, description="Network of all pods; each worker gets one block of it."
    )
    service_cidr: Cidr = Field(
        settings.Network.service_cidr,
        description="Network of Services; the first address is the API, the tenth cluster DNS.",
    )
    node_cidr: Cidr | None = Field(None, description="The hosts' network; when set, every host must be in it.")
    node_prefix: whole(8, 28) = Field(
        settings.Network.node_prefix, description="Prefix length of a worker's block of the pod network."
    )
    domain: Domain = Field(settings.Network.domain, description="DNS domain of Services.")
    node_ports: PortRange = Field(settings.Network.node_ports, description="Ports for Services of type NodePort.")


class Api(Section):
    address: Endpoint | None = Field(None, description="The name or address all clients use for the API.")
    port: Port = Field(settings.Api.port, description="Port of that address.")
    extra_sans: list[San] = Field([], description="More names and addresses for the API server's certificate.")
    load_balancer: Literal["haproxy", "external", "none"] | None = Field(
        None, description="What balances API requests."
    )
    vip: Address | None = Field(None, description="The address the lb hosts share through keepalived.")
    server_port: Port | None = Field(
        None,
        description="The API servers' own port; without it 6443, or 6444 where HAProxy has 6443 on such a host.",
    )


class Pki(Section):
    algorithm: Literal["ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-3072", "rsa-4096"] = Field(
        settings.Pki.algorithm, description="Algorithm of all keys."
    )
    ca_validity_days: whole(1, 36500) = Field(settings.Pki.ca_validity_days, description="Days the CAs are valid.")
    validity_days: whole(1, 36500) = Field(
        settings.Pki.validity_days, description="Days the other certificates are valid."
    )


class Encryption(Section):
    provider: Literal["aescbc", "secretbox", "none"] = Field(
        settings.Encryption.provider,
        description="How Secrets are encrypted in etcd. After a change, older Secrets stay as they are until you write"
        " them again.",
    )


class Audit(Section):
    policy: File = Field(settings.Audit.policy, description="minimal, full, none, or your own audit policy file.")
    max_age_days: whole(0, 3650) = Field(settings.Audit.max_age_days, description="Days to keep old audit logs.")
    max_backups: whole(0, 1000) = Field(settings.Audit.max_backups, description="How many old audit logs to keep.")
    max_size_mb: whole(1, 10000) = Field(
        settings.Audit.max_size_mb, description="Size at which the audit log is rotated."
    )


class Kubelet(Section):
    fail_cgroup_v1: Flag = Field(
        settings.Kubelet.fail_cgroup_v1, description="Whether kubelets since 1.35 refuse a host with cgroup v1."
    )
    max_pods: whole(1, 1000) = Field(settings.Kubelet.max_pods, description="Maximum number of pods per worker.")
    reserved: Reserved = Field(
        Reserved(), description="What each worker keeps from pods for whatever else runs on it, such as etcd."
    )


class KubeProxy(Section):
    mode: Literal["iptables", "nftables"] = Field(
        facts.Cluster.proxy_mode, description="How kube-proxy routes Services to pods."
    )


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
        settings.Assets.source,
        description=(
            "Where binaries come from: upstream (the projects' releases), modules (Go modules compiled on this"
            " computer), mirror (a mirror of the releases); auto: upstream where those hosts answer, else modules."
        ),
    )
    mirror: Text = Field(settings.Assets.mirror, description="Base URL or folder of the mirror.")
    checksums: File | None = Field(
        None,
        description=(
            "Your own checksum file, one `URL: SHA256` or `IMAGE: SHA256` per line; it overrides the built-in"
            " checksums."
        ),
    )
    images: Literal["pull", "push"] = Field(
        settings.Assets.images, description="Whether workers pull images or hardway copies them there."
    )


class CoreDns(Section):
    enabled: Flag = Field(settings.CoreDns.enabled, description="Whether the DNS add-on is installed.")
    replicas: whole(1, 50) = Field(settings.CoreDns.replicas, description="Number of replicas.")
    forward: Forward = Field(
        settings.CoreDns.forward, description="Name servers for names outside the cluster; auto: those of the node."
    )
    stub_domains: dict[Domain, Nameservers] = Field(
        {}, description="Domains with their own name servers, each with the servers' addresses."
    )


class Addons(Section):
    coredns: CoreDns = Field(CoreDns(), description="Cluster DNS.")


class Lab(Section):
    gateway: Address = Field(description="The lab bridge's address in network.node_cidr.")
    memory: Memory = Field(
        settings.Lab.memory, description="Memory limit of each machine, such as 512M; empty: no limit."
    )
    directory: File | None = Field(None, description="Where the machines' disks are.")


class Inventory(Section):
    """One cluster."""

    cluster: Name = Field(description="The cluster's name; also the kubeconfig context.")
    kubernetes: KubernetesVersion | None = Field(
        None, description="Kubernetes version; default: the newest supported one."
    )
    versions: Versions = Field(
        Versions(), description="Versions of other components; default: those tested with this Kubernetes version."
    )
    network: Network = Field(Network(), description="The address plan.")
    api: Api = Field(Api(), description="How clients reach the API.")
    ssh: Ssh = Field(Ssh(), description="How hardway connects to the hosts.")
    pki: Pki = Field(Pki(), description="Keys and certificates.")
    encryption: Encryption = Field(Encryption(), description="Encryption of Secrets at rest.")
    audit: Audit = Field(Audit(), description="The API server's audit log.")
    kubelet: Kubelet = Field(Kubelet(), description="Settings of all kubelets.")
    kube_proxy: KubeProxy = Field(KubeProxy(), description="Settings of all kube-proxies.")
    extra_args: Args = Field(
        Args(), description="Flags to add to a component; a flag the unit already sets is refused."
    )
    override_args: Args = Field(Args(), description="New values for flags the unit already sets.")
    assets: Assets = Field(Assets(), description="Where binaries and images come from.")
    addons: Addons = Field(Addons(), description="Add-ons installed in the cluster.")
    lab: Lab | None = Field(None, description="For machines that hardway creates itself.")
    drills: Flag = Field(
        facts.Cluster.drills,
        description="Whether `hardway drill` may break these machines. In a lab it always may.",
    )
    hosts: list[Host] = Field(description="The machines.", json_schema_extra={"minItems": 1})
