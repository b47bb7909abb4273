"""The Debian packages a bootstrap may install, as the files they bring; a service is enabled and started by its
package."""

from __future__ import annotations

HAPROXY = b"""[Service]
ExecStart=/usr/sbin/haproxy -Ws -f /etc/haproxy/haproxy.cfg
[Install]
WantedBy=multi-user.target
"""
KEEPALIVED = b"""[Service]
ExecStart=/usr/sbin/keepalived -f /etc/keepalived/keepalived.conf
[Install]
WantedBy=multi-user.target
"""

PACKAGES: dict[str, dict[str, bytes]] = {
    "conntrack": {"/usr/sbin/conntrack": b"conntrack"},
    "haproxy": {
        "/usr/sbin/haproxy": b"haproxy",
        "/lib/systemd/system/haproxy.service": HAPROXY,
        "/etc/haproxy/haproxy.cfg": b"# Debian's\n",
    },
    "ipset": {"/usr/sbin/ipset": b"ipset"},
    "iproute2": {"/usr/sbin/ip": b"ip"},
    "iptables": {"/usr/sbin/iptables": b"iptables"},
    "keepalived": {"/usr/sbin/keepalived": b"keepalived", "/lib/systemd/system/keepalived.service": KEEPALIVED},
    "libseccomp2": {"/usr/lib/libseccomp.so.2": b"libseccomp"},
    "mount": {"/usr/bin/mount": b"mount"},
    "nftables": {"/usr/sbin/nft": b"nft"},
    "socat": {"/usr/bin/socat": b"socat"},
}
PREINSTALLED = ("iproute2", "libseccomp2", "mount")
CONFIGURATION = "/etc/"


def unit_of(package: str) -> str:
    """The service a package brings, or nothing."""
    return next((path.rpartition("/")[2] for path in PACKAGES[package] if path.endswith(".service")), "")
