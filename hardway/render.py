"""Templates to bytes: what is in systemd-units/ is what lands on the hosts.

Besides filling templates in, this module does one thing: it puts the inventory's extra and overridden
flags of a component into its unit, so that every unit template stays free of that.
"""

from __future__ import annotations

import functools
import json
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

import jinja2

from .cluster import Cluster, Host, Role, by_address
from .errors import InventoryError
from .features import features
from .settings import LoadBalancer
from .shipped import shipped

# Whose flags an inventory may extend or override, and on which hosts each runs.
COMPONENTS: Mapping[str, Role] = {
    "etcd": Role.ETCD,
    "kube-apiserver": Role.CONTROL_PLANE,
    "kube-controller-manager": Role.CONTROL_PLANE,
    "kube-scheduler": Role.CONTROL_PLANE,
    "containerd": Role.WORKER,
    "kubelet": Role.WORKER,
    "kube-proxy": Role.WORKER,
}

# Flags of the API server with which it writes a file, or connects to a socket, that is not hardway's. Where an
# inventory sets one, it stays root.
AS_ROOT = {"audit-log-path", "egress-selector-config-file", "encryption-provider-config"}

# A flag line of a unit (`  --name=value \`), or etcd's other spelling of the same in its environment file.
FLAG = re.compile(r"^(?P<start>  --|ETCD_)(?P<name>[A-Za-z][\w-]*)=(?P<value>.*?)(?P<end>(?: \\)?)$", re.MULTILINE)


def render(template: str, cluster: Cluster, host: Host | None = None, **extra: object) -> bytes:
    """The file `template` (without .j2) for one host, UTF-8; InventoryError when its extra or overridden flags do not
    fit."""
    text = _fill(template, cluster, host, extra)
    component = template.removesuffix(".service")
    if component != template and component in COMPONENTS:
        _check_arguments(component, cluster)
        text = _overridden(text, cluster.override_args.get(component, {}), systemd_quote)
        text = _extended(text, cluster.extra_args.get(component, {}))
    elif template == "etcd.env":
        text = _overridden(text, cluster.override_args.get("etcd", {}), shlex.quote)
    return text.encode()


def render_once(template: str, cluster: Cluster) -> bytes:
    """The same where it is equal on all hosts, for the price of one."""
    return cluster.once(template, lambda: render(template, cluster))


def unit_flags(component: str, cluster: Cluster) -> frozenset[str]:
    """Long flags (without --) our unit of this component sets by itself, read from the rendered unit; KeyError if there
    is no such unit."""
    role = COMPONENTS[component]
    host = next((host for host in cluster.hosts if host.is_(role)), cluster.hosts[0])
    text = _fill(f"{component}.service", cluster, host, {"pause_image": "pause"})
    if component == "etcd":
        text += _fill("etcd.env", cluster, host, {"state": "new"})
    return frozenset(_flag_name(match) for match in FLAG.finditer(text))


def given_flags(component: str, cluster: Cluster) -> Mapping[str, str]:
    """The flags that the inventory's extra_args and override_args set, each value as it stands in the unit."""
    args = {**cluster.extra_args.get(component, {}), **cluster.override_args.get(component, {})}
    return {name: systemd_quote(value) for name, value in args.items()}


def systemd_quote(value: object) -> str:
    """`value` as it must stand on a unit's ExecStart line to reach the program unchanged."""
    text = str(value).replace("%", "%%").replace("$", "$$")
    if re.fullmatch(r"[^\s\"'\\;]*", text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def _fill(template: str, cluster: Cluster, host: Host | None, extra: Mapping[str, object]) -> str:
    context: dict[str, Any] = {"cluster": cluster, "host": host, "features": features(cluster.versions)}
    context["encrypted"] = cluster.encryption.provider != "none"  # a phase may know better: see control_plane
    context["gates"] = "feature-gates" not in cluster.extra_args.get("etcd", {})  # else an inventory has its own
    context["signs"] = True  # so for the key of the CA
    context["as_root"] = bool(AS_ROOT & given_flags("kube-apiserver", cluster).keys())
    return _environment().get_template(template).render(context | extra)


def _check_arguments(component: str, cluster: Cluster) -> None:
    if not (cluster.extra_args.get(component) or cluster.override_args.get(component)):
        return
    ours = unit_flags(component, cluster)
    if taken := sorted(ours & set(cluster.extra_args.get(component, {}))):
        raise InventoryError(
            f"extra_args.{component}: the unit already sets --{', --'.join(taken)}",
            hint="move the flag to override_args to replace its value",
        )
    if unknown := sorted(set(cluster.override_args.get(component, {})) - ours):
        raise InventoryError(
            f"override_args.{component}: the unit does not set --{', --'.join(unknown)}",
            hint="move the flag to extra_args to add it",
        )


def _overridden(text: str, values: Mapping[str, object], quote: Callable[[str], str]) -> str:
    def replace(match: re.Match[str]) -> str:
        name = _flag_name(match)
        value = quote(str(values[name])) if name in values else match["value"]
        return f"{match['start']}{match['name']}={value}{match['end']}"

    return FLAG.sub(replace, text)


def _extended(unit: str, extra: Mapping[str, object]) -> str:
    if not extra:
        return unit
    command = re.search(r"^ExecStart=(?:.*\\\n)*.*$", unit, re.MULTILINE)
    assert command, "every unit of a component has an ExecStart"
    lines = [command[0], *(f"  --{name}={systemd_quote(value)}" for name, value in sorted(extra.items()))]
    return unit[: command.start()] + " \\\n".join(lines) + unit[command.end() :]


def _flag_name(match: re.Match[str]) -> str:
    return match["name"].lower().replace("_", "-") if match["start"] == "ETCD_" else match["name"]


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
        autoescape=False,
    )
    # A JSON string is a valid YAML and TOML string too, so one filter serves all three.
    environment.filters |= {
        "json": functools.partial(json.dumps, ensure_ascii=False),
        "shell": shlex.quote,
        "systemd": systemd_quote,
        "by_address": by_address,
    }
    environment.globals |= {"Role": Role, "LoadBalancer": LoadBalancer}
    return environment


def _source(name: str) -> str | None:
    units = shipped("systemd-units")
    for folder in (units, units / "config"):
        file = folder / f"{name}.j2"
        if file.is_file():
            return file.read_text(encoding="utf-8")
    return None
