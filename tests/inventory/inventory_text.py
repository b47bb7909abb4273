"""A small right inventory and ways to make it wrong."""

import copy
from pathlib import Path

import yaml

from hardway import inventory

SHIPPED = sorted((Path(__file__).parents[2] / "inventory").glob("*.yaml"))

RIGHT = {
    "cluster": "lab",
    "kubernetes": "1.36.4",
    "network": {"node_cidr": "10.240.0.0/24"},
    "hosts": [
        {"name": "lb", "address": "10.240.0.9", "roles": ["lb"]},
        {"name": "controller-0", "address": "10.240.0.10", "roles": ["etcd", "control-plane"]},
        {"name": "controller-1", "address": "10.240.0.11", "roles": ["etcd", "control-plane"]},
        {"name": "controller-2", "address": "10.240.0.12", "roles": ["etcd", "control-plane"]},
        {"name": "worker-0", "address": "10.240.0.20", "roles": ["worker"]},
        {"name": "worker-1", "address": "10.240.0.21", "roles": ["worker"]},
    ],
}
GONE = object()


def changed(changes: dict[str, object]) -> dict:
    """RIGHT with values set (or GONE) at paths such as `hosts.4.name` or `api/port`; / splits where a key holds
    dots."""
    data = copy.deepcopy(RIGHT)
    for path, value in changes.items():
        *parents, last = path.split("/" if "/" in path else ".")
        place = data
        for key in parents:
            place = place[int(key)] if isinstance(place, list) else place.setdefault(key, {})
        if isinstance(place, list):
            place[int(last) : int(last) + 1] = [] if value is GONE else [value]
        elif value is GONE:
            del place[last]
        else:
            place[last] = value
    return data


def text_of(data: object) -> str:
    return yaml.safe_dump(data, sort_keys=False)


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "inventory.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def found(folder: Path, content: str | bytes) -> list[str]:
    """The problems of a text, without the file's name: `line: key: message`."""
    path = written(folder, content)
    return [problem.removeprefix(f"{path}:") for problem in inventory.check(path)]
