"""Every op as the commands a person would type: one function per verb, like the shell functions that hardway itself
runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from ...pki.stand_ins import StandIns
from ...vocabulary import Op
from .shell import Way, content, heredoc

KUBECTL = '"$KUBECTL" --kubeconfig "$STATE/super-admin.conf"'


@dataclass(frozen=True)
class Writing:
    """What a rendering may need beside the op itself: the host meant, how commands name it, and where programs and
    secrets are."""

    host: str
    way: Way
    secrets: StandIns
    cache: Path


def command(op: Op, writing: Writing) -> str:
    """The op as shell commands; KeyError for one that a new cluster never needs."""
    return VERBS[op.verb](op, writing)


def _mkdir(op: Op, w: Writing) -> str:
    path, mode, owner, group = op.args
    return w.way.run(f"install -d -m {mode} -o {owner} -g {group} {path}")


def _put(op: Op, w: Writing) -> str:
    path, mode, owner, group = op.args
    return w.way.feed(
        f"install -m {mode} -o {owner} -g {group} /dev/stdin {path}", content(op.blob.data, w.secrets, w.host, w.way)
    )


def _binary(op: Op, w: Writing) -> str:
    path, mode, owner, group, _ = op.args
    return w.way.feed(
        f"install -m {mode} -o {owner} -g {group} /dev/stdin {path}", f'< "{cached(op.blob.path, w.cache)}"'
    )


def _block(op: Op, w: Writing) -> str:
    path, mark = op.args
    without = w.way.run(f'sed -i -e "/^# BEGIN {mark}$/,/^# END {mark}$/d" -e "\\$a\\\\" {path}')
    block = heredoc(f"# BEGIN {mark}\n{op.blob.data.decode()}# END {mark}")
    return f"{without}\n{w.way.feed(f'tee -a {path} >/dev/null', block)}"


INSTALL = {
    "apt-get": (
        "apt-get -qq update\nDEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Options::=--force-confold "
        "--no-install-recommends install {names} </dev/null >/dev/null"
    ),
    "apk": "apk add -q {names}",
    "zypper": "zypper -n -q install {names} </dev/null",
    "dnf": "dnf -y -q install {names} </dev/null",
    "yum": "yum -y -q install {names} </dev/null",
}


def _packages(op: Op, w: Writing) -> str:
    return w.way.script(INSTALL[op.args[0]].format(names=" ".join(op.args[1:])))


def _user(op: Op, w: Writing) -> str:
    name, home = op.args
    make = f"useradd --system --user-group --no-create-home --home-dir {home} --shell /usr/sbin/nologin {name}"
    return w.way.script(f"id {name} >/dev/null 2>&1 || {make}")


def _swapoff(op: Op, w: Writing) -> str:
    return w.way.script(
        "swapoff -a\n# keep swap off after a reboot: neither fstab nor systemd's generated units may enable it\n[ ! -e"
        " /etc/fstab ] || sed -i -E 's/^([^#]\\S*\\s+\\S+\\s+swap\\s)/#hardway-swap# \\1/' /etc/fstab\nsystemctl"
        ' list-units --plain --no-legend --type=swap | while read -r unit _; do systemctl mask -q "$unit";'
        " done\nsystemctl daemon-reload"
    )


def _modprobe(op: Op, w: Writing) -> str:
    return w.way.run(f"modprobe {op.args[0]}")


def _sysctl(op: Op, w: Writing) -> str:
    return w.way.run(f"sysctl -q -p {op.args[0]}")


def _reload(op: Op, w: Writing) -> str:
    return w.way.run("systemctl daemon-reload")


def _enable(op: Op, w: Writing) -> str:
    return w.way.run(f"systemctl enable -q {op.args[0]}")


def _start(op: Op, w: Writing) -> str:
    unit, how = op.args
    return w.way.run(f"systemctl start {'--no-block ' if how == 'queue' else ''}{unit}")


def _image(op: Op, w: Writing) -> str:
    quiet = "/usr/local/bin/ctr -n k8s.io images import --label io.cri-containerd.pinned=pinned - >/dev/null"
    return f'# {op.args[0]}\n{w.way.feed(quiet, f"""< "{cached(op.blob.path, w.cache)}" """.rstrip())}'


def _apply(op: Op, w: Writing) -> str:
    manifest = yaml.dump(json.loads(op.blob.data), Dumper=Blocks, sort_keys=False, allow_unicode=True)
    return f"{KUBECTL} apply --server-side --force-conflicts --field-manager=hardway -f - {heredoc(manifest)}"


def _mark(op: Op, w: Writing) -> str:
    """Labels and taints, the record on the node of which ones hardway set, and the node's pod CIDR."""
    node, wanted = op.args[0].rpartition("/")[2], json.loads(op.blob.data)
    labels = [f"{key}={value}" for key, value in wanted["labels"].items()]
    lines = [f"{KUBECTL} label --overwrite node {node} {' '.join(labels)}"] * bool(labels)
    taints = [f"{t['key']}={t.get('value') or ''}:{t['effect']}" for t in wanted["taints"]]
    lines += [f"{KUBECTL} taint --overwrite node {node} {' '.join(taints)}"] * bool(taints)
    owned = json.dumps({"labels": sorted(wanted["labels"]), "taints": sorted(t["key"] for t in wanted["taints"])})
    lines += [f"{KUBECTL} annotate --overwrite node {node} 'hardway.io/owned={owned}'"]
    block = wanted["pod_cidr"]
    spec = json.dumps({"spec": {"podCIDR": block, "podCIDRs": [block]}})
    return "\n".join([*lines, *([f"{KUBECTL} patch node {node} --type=merge -p '{spec}'"] if block else [])])


def _keep(op: Op, w: Writing) -> str:
    return f'(umask 077; cat > "$STATE/{op.args[0]}" {content(op.blob.data, w.secrets, w.host, w.way)}\n)'


class Blocks(yaml.SafeDumper):
    """YAML as people write it: texts of several lines as blocks."""

    def increase_indent(self, flow=False, indentless=False):
        return super().increase_indent(flow, False)


def _represent(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


Blocks.add_representer(str, _represent)


def cached(path: Path, cache: Path) -> str:
    """A program or image archive in the cache."""
    return f"$CACHE/{path.relative_to(cache)}"


VERBS: Mapping[str, Callable[[Op, Writing], str]] = {
    "apply": _apply,
    "binary": _binary,
    "block": _block,
    "enable": _enable,
    "image": _image,
    "keep": _keep,
    "mark": _mark,
    "mkdir": _mkdir,
    "modprobe": _modprobe,
    "packages": _packages,
    "put": _put,
    "reload": _reload,
    "start": _start,
    "swapoff": _swapoff,
    "sysctl": _sysctl,
    "user": _user,
}
