"""Pictures of the cluster and of its CAs: as Mermaid source, and drawn as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from ....cluster import Cluster, Host
from ....pki.certificates import authorities, definitions
from ....settings import LoadBalancer
from .document import Diagram

BOX, GAP, ROW = 240, 16, 92


def topology(cluster: Cluster) -> Diagram:
    """Clients above, the load balancer, the control plane with etcd, the workers below."""
    api = f"API {cluster.api.address}:{cluster.api.port}"
    rows = [[("you", "you", "kubectl")]]
    if cluster.api.load_balancer is not LoadBalancer.NONE:
        balancers = [_box(host) for host in cluster.load_balancers] or [
            ("api", "your load balancer", cluster.api.address)
        ]
        rows.append(balancers)
    upper = [host for host in cluster.hosts if host in cluster.control_plane]
    apart = [host for host in cluster.etcd_members if host not in upper]
    workers = [host for host in cluster.workers if host not in upper]
    rows.append([_box(host) for host in upper])
    links = [(a[0], b[0]) for above, below in zip(rows, rows[1:], strict=False) for a in above for b in below]
    links += [(host.name, member.name) for host in upper for member in apart]
    entry = rows[-2]
    rows += [[_box(host) for host in hosts] for hosts in (apart, workers) if hosts]
    doors = [box[0] for box in entry if box[0] != "you"] or [host.name for host in upper]
    links += [(door, host.name) for host in workers for door in doors]
    return Diagram(_mermaid(rows, links), _svg(rows, links, api))


def trust(believed: Mapping[str, Sequence[tuple[str, Sequence[str]]]]) -> Diagram:
    """Each CA with the certificates it signs, and with the files (and their hosts) that make it trusted."""
    columns = [(authority, [row for row in definitions() if row.ca == authority.name]) for authority in authorities()]
    lines = ["flowchart LR"]
    for authority, signed in columns:
        lines.append(f"  {_id(authority.name)}[[{authority.cn}]]")
        lines += [f"  {_id(authority.name)} --> {_id(row.name + '_leaf')}[{row.name}]" for row in signed]
        for number, (path, hosts) in enumerate(believed.get(authority.name, ())):
            lines.append(
                f'  {_id(authority.name)} -. trusted by .-> {_id(authority.name)}_{number}["{path}<br/>{_some(hosts)}"]'
            )
    drawn = [(a.cn, [row.name for row in signed], believed.get(a.name, ())) for a, signed in columns]
    return Diagram("\n".join(lines), _columns(drawn))


def _some(hosts: Sequence[str]) -> str:
    """Host names as far as a box is wide."""
    names = ", ".join(hosts)
    return names if len(names) <= 42 else f"{hosts[0]} and {len(hosts) - 1} more"


def _box(host: Host) -> tuple[str, str, str]:
    return host.name, host.name, f"{host.address} {', '.join(sorted(host.roles))}"


def _mermaid(rows: list[list[tuple[str, str, str]]], links: list[tuple[str, str]]) -> str:
    boxes = [f'  {_id(name)}["{title}<br/>{text}"]' for row in rows for name, title, text in row]
    return "\n".join(["flowchart TB", *boxes, *(f"  {_id(one)} --- {_id(other)}" for one, other in links)])


def _id(name: str) -> str:
    return "n_" + "".join(letter if letter.isalnum() else "_" for letter in name)


def _svg(rows: list[list[tuple[str, str, str]]], links: list[tuple[str, str]], caption: str) -> str:
    width = max(len(row) for row in rows) * (BOX + GAP) + GAP
    place = {}
    for y, row in enumerate(rows):
        left = (width - len(row) * (BOX + GAP) + GAP) / 2
        place |= {name: (left + x * (BOX + GAP), 24 + y * ROW) for x, (name, _, _) in enumerate(row)}
    lines = [_line(place[one], place[other]) for one, other in links]
    boxes = [_rectangle(*place[name], title, text) for row in rows for name, title, text in row]
    return _picture(width, 24 + len(rows) * ROW, [f'<text x="{GAP}" y="16">{escape(caption)}</text>', *lines, *boxes])


def _columns(columns: Sequence[tuple[str, list[str], Sequence[tuple[str, Sequence[str]]]]]) -> str:
    height = 24 + (max(len(signed) + len(believed) for _, signed, believed in columns) + 1) * 52
    parts = []
    for x, (authority, signed, believed) in enumerate(columns):
        left = GAP + x * (BOX + 3 * GAP)
        parts.append(_rectangle(left, 8, authority, "CA"))
        boxes = [(name, "", "") for name in signed] + [(path, _some(hosts), "believed") for path, hosts in believed]
        for y, (title, text, kind) in enumerate(boxes, 1):
            top = 24 + y * 52
            parts.append(f'<path d="M{left + 8} 52 V{top + 22} H{left + 2 * GAP}"/>')
            parts.append(f'<g class="{kind}">{_rectangle(left + 2 * GAP, top, title, text)}</g>')
    return _picture(GAP + len(columns) * (BOX + 3 * GAP), height, parts)


def _line(one: tuple[float, float], other: tuple[float, float]) -> str:
    upper, lower = sorted((one, other), key=lambda point: point[1])
    half = BOX / 2
    return f'<path d="M{upper[0] + half} {upper[1] + 44} L{lower[0] + half} {lower[1]}"/>'


def _rectangle(x: float, y: float, title: str, text: str) -> str:
    second = f'<text x="{x + 8}" y="{y + 36}" class="small">{escape(text)}</text>' if text else ""
    return (f'<rect x="{x}" y="{y}" width="{BOX}" height="44" rx="5"/>'
            f'<text x="{x + 8}" y="{y + (18 if text else 27)}">{escape(title)}</text>{second}')  # fmt: skip


def _picture(width: float, height: float, parts: list[str]) -> str:
    return f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img">{"".join(parts)}</svg>'
