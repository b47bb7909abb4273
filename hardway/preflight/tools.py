"""Programs and libraries that a worker needs and a distribution's packages bring."""

from __future__ import annotations

from ..cluster import Cluster

# By their Debian packages.
TOOLS = {
    "conntrack": "conntrack",
    "socat": "socat",
    "ipset": "ipset",
    "iptables": "iptables",
    "ip": "iproute2",
    "mount": "mount",
    "libseccomp.so.2": "libseccomp2",
}
RPM_NAMES = {"conntrack": "conntrack-tools", "iproute2": "iproute", "libseccomp2": "libseccomp", "mount": "util-linux"}


def tools(cluster: Cluster) -> dict[str, str]:
    """Programs and libraries that a worker needs, with the Debian packages they come from."""
    return TOOLS | ({"nft": "nftables"} if cluster.proxy_mode == "nftables" else {})
