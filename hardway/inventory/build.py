"""A draft without problems to the frozen Cluster that everything else works with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from hardway import cluster as facts
from hardway import settings
from hardway.inventory import keys
from hardway.inventory.draft import Draft
from hardway.inventory.fields import is_none
from hardway.inventory.versions import resolve


def build(draft: Draft, state_dir: Path, source: Path) -> facts.Cluster:
    """The cluster; the draft must know its API address and its versions."""
    model = draft.model
    return facts.Cluster(
        name=model.cluster,
        hosts=tuple(_host(draft, host, state_dir) for _, host in draft.hosts),
        versions=resolve(model),
        api=_api(draft),
        network=draft.network,
        pki=settings.Pki(**_chosen(model.pki)),
        encryption=settings.Encryption(**_chosen(model.encryption)),
        audit=_audit(draft),
        kubelet=_kubelet(draft),
        proxy_mode=model.kube_proxy.mode,
        assets=_assets(draft),
        coredns=settings.CoreDns(**_chosen(model.addons.coredns)),
        extra_args=model.extra_args.by_component(),
        override_args=model.override_args.by_component(),
        lab=_lab(draft),
        drills=model.drills,
        source=source,
        ssh=_ssh(draft, (model.ssh,), state_dir),
    )


def _chosen(section: keys.Section) -> dict:
    """What the inventory says; whatever it does not say keeps the model's default."""
    return {key: getattr(section, key) for key in section.model_fields_set}


def _host(draft: Draft, host: keys.Host, state_dir: Path) -> facts.Host:
    worker = facts.Role.WORKER.value in host.roles
    return facts.Host(
        name=host.name,
        address=host.address,
        roles=frozenset(map(facts.Role, host.roles)),
        ssh=_ssh(draft, (draft.model.ssh, host.ssh), state_dir),
        labels=dict(host.labels),
        taints=tuple(map(taint, host.taints)),
        pod_cidr=draft.pod_block(host) if worker else None,
        reserved=draft.model.kubelet.reserved.by_resource() | host.reserved.by_resource() if worker else {},
    )


def _kubelet(draft: Draft) -> settings.Kubelet:
    """What is the same on all workers; each has its own reservation (see _host)."""
    chosen = _chosen(draft.model.kubelet)
    return settings.Kubelet(**{key: value for key, value in chosen.items() if key != "reserved"})


def taint(text: str) -> settings.Taint:
    """`key=value:Effect` or `key:Effect` as a value."""
    left, _, effect = text.rpartition(":")
    key, _, value = left.partition("=")
    return settings.Taint(key=key, effect=effect, value=value)


def _ssh(draft: Draft, sections: Sequence[keys.Ssh], state_dir: Path) -> settings.Ssh:
    """The later sections, a host's own, before the earlier ones, before those of the lab, before the defaults."""
    chosen_all: dict = _lab_ssh(state_dir) if draft.model.lab else _default_files()
    written: set[str] = set()
    for section in sections:
        chosen = _chosen(section)
        written |= chosen.keys()
        chosen_all |= chosen | {
            key: _file(draft, chosen[key], none=key != "key")
            for key in ("key", "config", "known_hosts")
            if key in chosen
        }
        chosen_all |= {"bastion": _bastion(draft, section.bastion)} if "bastion" in chosen else {}
    return settings.Ssh(**chosen_all, written=frozenset(written))


def _default_files() -> Mapping[str, Path]:
    return {key: Path(getattr(settings.Ssh, key)).expanduser() for key in ("config", "known_hosts")}


def _lab_ssh(state_dir: Path) -> Mapping[str, object]:
    """Lab machines get a key pair and host keys of their own, made by `hardway lab up`; on our own processors packing
    never pays."""
    lab = state_dir / "lab"
    return {
        "key": lab / "id_ed25519",
        "known_hosts": lab / "known_hosts",
        "config": None,
        "agent": False,
        "compress": "never",
    }


def _bastion(draft: Draft, bastion: keys.Bastion | None) -> settings.Bastion | None:
    if not bastion:
        return None
    chosen = _chosen(bastion)
    return settings.Bastion(**chosen | {"key": _file(draft, bastion.key)}, written=frozenset(chosen))


def _file(draft: Draft, name: str | None, none: bool = False) -> Path | None:
    return None if not name or (none and is_none(name)) else draft.file(name)


def _api(draft: Draft) -> settings.Api:
    api = draft.model.api
    assert draft.api_address and draft.load_balancer, "build() is for drafts without problems"
    return settings.Api(
        address=draft.api_address,
        port=api.port,
        extra_sans=tuple(api.extra_sans),
        load_balancer=settings.LoadBalancer(draft.load_balancer),
        vip=api.vip,
        server_port=api.server_port,
    )


def _audit(draft: Draft) -> settings.Audit:
    policy = draft.model.audit.policy
    own = policy not in ("minimal", "full", "none")
    return settings.Audit(**_chosen(draft.model.audit) | {"policy": str(draft.file(policy)) if own else policy})


def _assets(draft: Draft) -> settings.Assets:
    chosen = _chosen(draft.model.assets)
    mirror = draft.model.assets.mirror
    folder = mirror and not mirror.startswith(("https://", "http://"))
    own = draft.model.assets.checksums
    files = {"checksums": str(draft.file(own)) if own else "", "mirror": str(draft.file(mirror)) if folder else mirror}
    return settings.Assets(**chosen | files)


def _lab(draft: Draft) -> settings.Lab | None:
    lab, nodes = draft.model.lab, draft.network.node_cidr
    if not lab or not nodes:
        return None
    return settings.Lab(
        gateway=lab.gateway, prefix=nodes.prefixlen, memory=lab.memory, directory=_file(draft, lab.directory)
    )
