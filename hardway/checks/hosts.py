"""The hosts as the phases left them: units running, kernel set, routes in place, programs untouched, certificates
current."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping

from cryptography import x509

from ..cluster import Host
from ..living.departed import Route
from ..living.departed import pod_routes as wanted
from ..pki.certificates import authorities, issued
from ..progress.closing import plural
from ..resources import Binary, KernelModule, SwapOff, Sysctl, Unit
from ..resources.base import Resource, Situation
from ..resources.unit_state import UnitState, properties
from ..run.step import Done
from ..vocabulary import Answers, Probe
from .check import Check
from .outcome import Outcome, failed, judged, skipped
from .scene import Scene, names, on_hosts

ROUTES = Probe("routes")
# Later than what `plan` renews by itself, so this only speaks when nobody has run it for long.
EXPIRY_DAYS = 30
DRIFT_LINES = 20


def drift(done: Iterable[Done]) -> list[str]:
    """One line for each difference of a plan."""
    return [
        f"{step.phase} {step.target}: {change.key}: {'; '.join(change.why)}" for step in done for change in step.changes
    ]


def unit_findings(units: Iterable[Unit], answers: Answers) -> list[str]:
    """Units that do not run, or would not come back after a reboot."""
    found = []
    for unit in units:
        state = UnitState.parse(answers[Probe("unit", (unit.name,))])
        if state.active != "active":
            found.append(f"{unit.name} {state.told}{'' if state.queued else _result(state.said)}")
        elif state.said["UnitFileState"] != "enabled":
            found.append(f"{unit.name} is {state.said['UnitFileState']}: it will not start at the next boot")
    return found


def _result(said: Mapping[str, str]) -> str:
    return f" ({said.get('Result', '') or 'no result'}, restarted {said.get('NRestarts', '0')} times)"


def restarts(answers: Answers) -> dict[str, str]:
    """How often systemd has restarted each unit by itself."""
    units = {probe.args[0]: properties(answer) for probe, answer in answers.items() if probe.verb == "unit"}
    return {name: found.get("NRestarts", "") for name, found in units.items()}


def route_findings(host: Host, routes: Iterable[Route], lines: Iterable[str]) -> list[str]:
    """Missing or wrong routes to the other workers' pods, and a route for the own pods, which the bridge must serve."""
    hops = dict(line.split()[:2] for line in lines if len(line.split()) >= 2)
    found = []
    for network, hop in routes:
        seen = hops.get(str(network))
        if seen != str(hop):
            found.append(f"the route to {network} {f'goes via {seen}' if seen else 'is missing'}; it must go via {hop}")
    if host.pod_cidr and str(host.pod_cidr) in hops:
        found.append(f"its own pod CIDR {host.pod_cidr} is routed via {hops[str(host.pod_cidr)]}")
    return found


def expiry_finding(name: str, certificate: x509.Certificate, now: datetime.datetime) -> str:
    """Why a certificate will soon stop serving: within 30 days, or the last tenth of a shorter life."""
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if end - now < min(datetime.timedelta(days=EXPIRY_DAYS), (end - start) / 10):
        return f"{name} {'expired' if end < now else 'expires'} on {end:%Y-%m-%d}"
    return ""


def no_drift(scene: Scene) -> Outcome:
    found = drift(scene.drift)
    more = len(found) - DRIFT_LINES
    return judged(found[:DRIFT_LINES] + ([f"and {more} more"] if more > 0 else []), "a bootstrap would change nothing")


def units_active(scene: Scene) -> Outcome:
    counted: dict[str, int] = {}

    def look(host: Host) -> str:
        units = scene.wanted(host, Unit)
        answers = scene.once(
            ("units", host.name), lambda: scene.ask(host, [probe for unit in units for probe in unit.probes()])
        )
        counted[host.name] = len(units)
        return "; ".join(unit_findings(units, answers))

    found = on_hosts(look, scene.cluster.hosts)
    return judged(found, f"{plural(sum(counted.values()), 'unit')} on {plural(len(counted), 'host')}")


def units_steady(scene: Scene) -> Outcome:
    def look(host: Host) -> str:
        probes = [probe for unit in scene.wanted(host, Unit) for probe in unit.probes()]
        before = restarts(scene.once(("units", host.name), lambda: scene.ask(host, probes)))
        after = restarts(scene.ask(host, probes))
        return "; ".join(
            f"{unit} restarted ({before[unit]} times before, {count} now)"
            for unit, count in after.items()
            if before[unit] != count
        )

    return judged(on_hosts(look, scene.cluster.hosts), "no unit restarted during the checks")


def kernel(scene: Scene) -> Outcome:
    return _compared(scene, (Sysctl, KernelModule), "modules and sysctls as the kubelet and kube-proxy need them")


def swap_off(scene: Scene) -> Outcome:
    return _compared(scene, (SwapOff,), "no swap now, none at the next boot")


def _compared(scene: Scene, kinds: tuple[type[Resource], ...], seen: str) -> Outcome:
    def look(host: Host) -> str:
        wanted = [resource for kind in kinds for resource in scene.wanted(host, kind)]
        now = Situation(scene.ask(host, [probe for resource in wanted for probe in resource.probes()]))
        changes = [change for resource in wanted if (change := resource.compare(now))]
        return "; ".join(f"{change.key}: {', '.join(change.why)}" for change in changes)

    return judged(on_hosts(look, scene.cluster.workers), f"{seen} ({names(scene.cluster.workers)})")


def pod_routes(scene: Scene) -> Outcome:
    inputs = scene.inputs
    routes = {host: wanted(scene.cluster, host, inputs.facts[host.name], inputs.gone) for host in scene.cluster.hosts}
    routed = [host for host, needed in routes.items() if needed]
    if not routed:
        return skipped("there is only one worker, so no host needs a pod route")
    found = on_hosts(
        lambda host: "; ".join(route_findings(host, routes[host], scene.ask(host, [ROUTES])[ROUTES].splitlines())),
        routed,
    )
    count = sum(map(len, routes.values()))
    return judged(found, f"{plural(count, 'route')} on {plural(len(routed), 'host')}, none for a host's own pods")


def binaries(scene: Scene) -> Outcome:
    counted: dict[str, int] = {}

    def look(host: Host) -> str:
        wanted: Mapping[Probe, Binary] = {
            Probe("hash", (binary.path,)): binary
            for binary in scene.wanted(host, Binary)
            if not binary.blob.unknown  # of what is not in the cache nobody can tell
        }
        answers = scene.ask(host, list(wanted))
        counted[host.name] = len(wanted)
        return "; ".join(
            f"{wanted[probe].path} has SHA-256 {answer[:12]}, expected {wanted[probe].blob.sha256[:12]}"
            for probe, answer in answers.items()
            if answer != wanted[probe].blob.sha256
        )

    found = on_hosts(look, [host for host in scene.cluster.hosts if scene.wanted(host, Binary)])
    if not (found or sum(counted.values())):
        return skipped("the binaries are not in this computer's cache: hardway assets fetch INV")
    return judged(found, f"{plural(sum(counted.values()), 'checksum')} verified on {plural(len(counted), 'host')}")


def certificates_lasting(scene: Scene) -> Outcome:
    credentials, now = scene.inputs.credentials, datetime.datetime.now(datetime.UTC)
    held = {authority.name: credentials.issuer(authority.name) for authority in authorities()}
    for row, host in issued(scene.cluster):
        held[f"{row.name} {host.name if host else ''}".strip()] = credentials.certificate(row.name, host).cert
    loaded = {name: x509.load_pem_x509_certificate(pem) for name, pem in held.items()}
    found = [finding for name, certificate in loaded.items() if (finding := expiry_finding(name, certificate, now))]
    first = min(certificate.not_valid_after_utc for certificate in loaded.values())
    return (
        failed(*found)
        if found
        else judged((), f"{plural(len(loaded), 'certificate')}, the first expires on {first:%Y-%m-%d}")
    )


CHECKS = (
    Check(
        "no-drift",
        "The plan is empty",
        "When hosts differ from the inventory, the next run makes changes you do not expect.",
        "hardway plan INV, then hardway bootstrap INV",
        no_drift,
    ),
    Check(
        "units-active",
        "Every unit runs and is enabled",
        "A unit that is stopped, or will not start at the next boot, leads to an outage.",
        "on that host: systemctl status UNIT; journalctl -u UNIT -n 50",
        units_active,
    ),
    Check(
        "kernel-settings",
        "Kernel modules and sysctls are set",
        "Without forwarding and bridge filtering, Services work for some pods only.",
        "hardway bootstrap INV --only prepare",
        kernel,
    ),
    Check(
        "swap-off",
        "Workers do not swap",
        "With swap on, the kubelet does not start, and memory limits have no effect.",
        "hardway bootstrap INV --only prepare",
        swap_off,
    ),
    Check(
        "pod-routes",
        "Every host has routes to the pods",
        "There is no overlay network: these routes are the pod network.",
        "hardway bootstrap INV --only pod-routes; on that host: ip route",
        pod_routes,
    ),
    Check(
        "certificates-lasting",
        "No certificate expires soon",
        "An expired certificate stops the cluster at once and everywhere.",
        "hardway bootstrap INV renews what is due; hardway certs rotate-ca KIND INV replaces a CA",
        certificates_lasting,
    ),
)

STEADY = Check(
    "units-steady",
    "No unit restarts by itself",
    "A unit that crashes and restarts looks healthy between two crashes.",
    "on that host: journalctl -u UNIT -n 100",
    units_steady,
)

BINARIES = Check(
    "binaries",
    "Programs match their checksums",
    "A replaced or damaged program can do anything on its host.",
    "hardway bootstrap INV --only binaries",
    binaries,
)
