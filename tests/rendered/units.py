"""Reading a rendered unit the way the tests need it."""

import re

from clusters import EXTRA, UNITS

from hardway.cluster import Cluster, Host
from hardway.render import render


def unit(component: str, cluster: Cluster, host: Host | None = None) -> str:
    name = f"{component}.service"
    return render(name, cluster, host or cluster.with_role(UNITS[name])[0], **EXTRA).decode()


def flags(component: str, cluster: Cluster, host: Host | None = None) -> dict[str, str]:
    """Flag to value, from the command line of a unit; a flag given twice is an error."""
    found = re.findall(r"^  --([^=\s]+)=(.*?)(?: \\)?$", unit(component, cluster, host), re.MULTILINE)
    assert len(dict(found)) == len(found), f"{component} repeats a flag"
    return dict(found)
