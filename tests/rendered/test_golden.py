"""Every template for every test cluster, byte by byte as reviewed in golden/; `pytest --update-rendered` rewrites
them."""

from pathlib import Path

import pytest
from clusters import CLUSTERS, CONFIGS, UNITS, extra

from hardway.cluster import Role
from hardway.render import render
from hardway.settings import LoadBalancer

GOLDEN = Path(__file__).parent / "golden"


def wanted(cluster) -> dict[str, bytes]:
    """Path below the cluster's folder to content: each template for the first host it is for."""
    files = {}
    for template, role in (UNITS | CONFIGS).items():
        hosts = cluster.with_role(role)
        if not hosts or (template == "keepalived.conf" and not cluster.api.vip):
            continue
        if role is Role.LB and cluster.api.load_balancer is not LoadBalancer.HAPROXY:
            continue
        files[f"{hosts[0].name}/{template}"] = render(template, cluster, hosts[0], **extra(cluster, hosts[0]))
    return files


@pytest.mark.parametrize("name", CLUSTERS)
def test_rendered_files_are_the_reviewed_ones(name, request):
    folder, files = GOLDEN / name, wanted(CLUSTERS[name])
    if request.config.getoption("--update-rendered"):
        _rewrite(folder, files)
    kept = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    assert kept == files, "pytest tests/rendered --update-rendered, then review the difference"


def test_every_template_is_covered():
    templates = {file.name.removesuffix(".j2") for file in (Path(__file__).parents[2] / "systemd-units").rglob("*.j2")}
    assert templates - {"audit-policy-noise.yaml"} == set(UNITS | CONFIGS), "add it in tests/rendered/clusters.py"


def _rewrite(folder: Path, files: dict[str, bytes]) -> None:
    for stale in [file for file in folder.rglob("*") if file.is_file() and str(file.relative_to(folder)) not in files]:
        stale.unlink()
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
