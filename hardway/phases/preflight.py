"""Check the hosts before changing them: is each one suitable, are they different machines, does anything conflict?

All checks run on all hosts at once. hardway shows all findings together, each with its fix. It
installs missing tools with the host's own package manager.

By hand: `hardway plan INV` shows the findings without changing anything.

Goes wrong: two machines cloned from one image share a machine-id, a clock is off and certificates are not
valid yet, or an earlier cluster still uses a port.
"""

from __future__ import annotations

from ..cluster import Host, Role
from ..phase import Inputs, Phase
from ..preflight.tools import RPM_NAMES, tools
from ..resources import Packages, Records


def desired(inputs: Inputs, host: Host) -> list:
    facts = inputs.facts[host.name]
    if not host.is_(Role.WORKER) or not facts.package_manager:
        return [Records()]
    names = RPM_NAMES if facts.package_manager != "apt-get" else {}
    wanted = tuple((tool, names.get(package, package)) for tool, package in tools(inputs.cluster).items())
    return [Records(), Packages(facts.package_manager, wanted)]


PHASE = Phase(
    name="preflight",
    title="Check the hosts before changing them",
    targets=lambda cluster: cluster.hosts,
    desired=desired,
    marks=False,
)
