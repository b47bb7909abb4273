"""The address that load balancers share: one host has it, and the API answers there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address

from ..errors import NotReadyError
from ..vocabulary import Probe
from .check import Check
from .outcome import Outcome, failed, judged, skipped
from .scene import Scene, on_hosts

ADDRESSES = Probe("addresses")
# A load balancer takes the address over when it has heard nothing of its holder for about 4 s.
SETTLED_WITHIN = 10.0


def holders(said: Mapping[str, str], address: IPv4Address) -> list[str]:
    """The hosts that have the address on an interface, by what each says of its addresses."""
    return [name for name, answer in said.items() if str(address) in [pair.split("=")[0] for pair in answer.split()]]


def holder_finding(found: Sequence[str], address: IPv4Address, balancers: Sequence[str]) -> str:
    """Why an address is not where it belongs: on one load balancer, and nowhere else."""
    if len(found) > 1:
        return f"{' and '.join(found)} both have {address}: clients reach one or the other"
    if not found:
        return f"no host has {address}"
    return "" if found[0] in balancers else f"{found[0]} has {address} and is not a load balancer"


def held_once(scene: Scene) -> Outcome:
    """Every host of the inventory is asked: one that was a load balancer once may have the address too."""
    cluster, vip = scene.cluster, scene.cluster.api.vip
    if not vip:
        return skipped("the load balancers share no address")
    balancers = [host.name for host in cluster.load_balancers]
    said: dict[str, str] = {}
    silent: list[str] = []

    def finding() -> str:
        said.clear()
        silent[:] = on_hosts(lambda host: said.update({host.name: scene.ask(host, [ADDRESSES])[ADDRESSES]}) or "",
                             cluster.hosts)  # fmt: skip
        return holder_finding(holders(dict(sorted(said.items())), vip), vip, balancers)

    try:
        scene.wait(finding, SETTLED_WITHIN, 1.0)
    except NotReadyError as error:
        return failed(error.waited_for, *silent)
    if problem := scene.live.shared().not_ready():
        return failed(f"the API does not answer at {vip}: {problem}", *silent)
    return judged(silent, f"{holders(said, vip)[0]} has {vip}, no other host has it, and the API answers there")


CHECKS = (
    Check(
        "shared-address",
        "One load balancer has the shared address",
        "An address that two hosts have, or none, cuts clients off from the API at random.",
        "on the lb hosts: ip -4 addr; systemctl status keepalived; journalctl -u keepalived -n 20",
        held_once,
    ),
)
