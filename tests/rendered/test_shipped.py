"""Every shipped inventory, down to the files of each of its hosts."""

from pathlib import Path

import pytest

from hardway.commands import runbook
from hardway.inventory import load

SHIPPED = sorted((Path(__file__).parents[2] / "inventory").glob("*.yaml"))
HOSTS = [(path, host.name) for path in SHIPPED for host in load(path).hosts]


@pytest.mark.parametrize(("path", "name"), HOSTS, ids=[f"{path.stem}-{name}" for path, name in HOSTS])
def test_every_host_of_a_shipped_inventory_can_be_rendered(path, name, tmp_path):
    cluster = load(path)
    written = runbook.write_tree(cluster, cluster.host(name), None, tmp_path / "tree")
    content = b"".join(file.read_bytes() for file in (tmp_path / "tree").rglob("*") if file.is_file())
    assert len(written) > 1
    assert f'"host": "{name}"'.encode() in content
    assert all(str(host.address).encode() in content for host in cluster.hosts), "each host knows the others"


def test_the_page_for_a_first_inventory_names_each():
    text = (Path(__file__).parents[2] / "docs/first-inventory.md").read_text()
    for path in SHIPPED:
        assert text.count(f"[{path.name}](../inventory/{path.name})") == 1, path.name
