"""`hardway status`: one look at the whole cluster, with nothing assumed to be alive."""

from __future__ import annotations

from typing import Any

from .certificates import definitions
from .cluster import Host
from .errors import HardwayError
from .live import UNREACHABLE
from .phases import PHASES
from .resources import Unit
from .resources.unit import properties
from .runner import each
from .session import Placeholders, Session
from .vocabulary import Probe


def collect(session: Session) -> dict[str, Any]:
    """Hosts with their units, etcd members, nodes and certificates' remaining days; a host that is away says why."""
    session.assets = Placeholders()
    hosts: dict[str, dict[str, Any]] = {}
    each(lambda host: hosts.update({host.name: _host(session, host)}), session.cluster.hosts, session.parallel)
    return {
        "cluster": session.cluster.name,
        "kubernetes": session.cluster.versions.kubernetes,
        "api": session.cluster.api_url,
        "hosts": [hosts[host.name] for host in session.cluster.hosts],
        "nodes": _nodes(session),
        "certificates": _certificates(session),
    }


def units(session: Session, host: Host) -> list[str]:
    """The units our phases want on a host, in their order."""
    wanted = (resource for phase in PHASES if host in phase.targets(session.cluster) for resource in phase.desired(session.inputs, host))
    return [resource.name for resource in wanted if isinstance(resource, Unit)]


def _host(session: Session, host: Host) -> dict[str, Any]:
    row: dict[str, Any] = {"name": host.name, "address": str(host.address), "roles": sorted(host.roles)}
    try:
        session.facts[host.name] = session.live.survey(host)
        probes = [Probe("unit", (name,)) for name in units(session, host)]
        answers = session.live.remotes[host.name].probe(probes)
    except HardwayError as error:
        return row | {"reachable": False, "problem": error.message}
    row |= {"reachable": True, "units": {probe.args[0]: properties(answers[probe])["ActiveState"] for probe in probes}}
    return row | ({"etcd": session.live.etcd_health(host) or "healthy"} if host in session.cluster.etcd_members else {})


def _nodes(session: Session) -> list[dict[str, str]] | str:
    try:
        nodes = session.live.nodes()
    except UNREACHABLE as error:
        return str(error)
    return [
        {"name": name, "ready": next((c["status"] for c in node["status"].get("conditions", []) if c["type"] == "Ready"), "Unknown"),
         "version": node["status"]["nodeInfo"]["kubeletVersion"], "runtime": node["status"]["nodeInfo"]["containerRuntimeVersion"]}
        for name, node in sorted(nodes.items())
    ]  # fmt: skip


def _certificates(session: Session) -> list[dict[str, Any]]:
    from .inspection import remaining_days

    rows = []
    for row in definitions():
        for host in row.hosts(session.cluster) if row.per_host else (None,):
            cert = session.store.read(f"pki/hosts/{host.name}/{row.name}.crt" if host else f"pki/{row.name}.crt")
            rows.append({"name": row.name, "host": host.name if host else "", "days": remaining_days(cert) if cert else None})
    return rows


def as_text(found: dict[str, Any]) -> str:
    """The same for people; only the certificate that ends first is named."""
    out = [f"cluster {found['cluster']}, Kubernetes {found['kubernetes']}, API {found['api']}", ""]
    for host in found["hosts"]:
        state = ", ".join(f"{unit.removesuffix('.service')} {state}" for unit, state in host.get("units", {}).items()) or host.get(
            "problem", ""
        )
        etcd = f"; etcd {host['etcd']}" if "etcd" in host else ""
        out.append(f"{host['name']:16} {host['address']:15} {'+'.join(host['roles']):20} {state}{etcd}")
    out.append("")
    out += (
        [f"node {n['name']:16} Ready={n['ready']:8} {n['version']:10} {n['runtime']}" for n in found["nodes"]]
        if isinstance(found["nodes"], list)
        else [f"nodes: {found['nodes']}"]
    )
    known = [row for row in found["certificates"] if row["days"] is not None]
    if known:
        first = min(known, key=lambda row: row["days"])
        out.append(f"certificates: {len(known)}, the first to end is {first['name']} {first['host']} in {first['days']} days")
    return "\n".join(out)
