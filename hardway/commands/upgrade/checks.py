"""What must be right before the first change, besides that the cluster is healthy: all of it is told together."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import replace

import yaml

from ...assets.placeholders import Placeholders
from ...assets.versions import default_versions, minors
from ...drain import Drain, Options
from ...errors import HardwayError, PreflightError
from ...foreign.understanding import OTHERWISE, understood
from ...inventory.removed import GATES, refused
from ...phases import PHASES
from ...preflight import authorities
from ...preflight.finding import Finding
from ...preflight.upgrades import parsed
from ...progress.closing import plural
from ...run.planning import plan
from ...settings import Versions
from ...upgrading.refusals import refusals
from ...vocabulary import Probe
from . import apis
from .aim import Aim
from .view import COMMAND, View

# What a version changes by itself.
OF_VERSIONS = ("binary ", "unit ", "image ", "stamp of ")
DNS = "Deployment kube-system/coredns"
SHOWN = 5
# Findings that a person may know better than we do.
IGNORABLE = ("DeprecatedApi", "Pending")


def findings(view: View, aim: Aim, options: Options, again: str, ignored: Sequence[str] = ()) -> list[Finding]:
    """Everything that is wrong. What is to be ignored, and other changes in the middle of an upgrade, are warnings."""
    impossible = refusals(view.cluster, view.standing)
    found = [*impossible, *removed(aim)]
    if not impossible and view.way:
        found += [*settings(view), *apis.in_use(view), *apis.stored(view), *drains(view, options, again)]
    found += [*rotations(view), *pending(view)]
    return [replace(one, warning=True) if one.name in ignored else one for one in found]


def require(found: Sequence[Finding]) -> None:
    """PreflightError with all of them, if any is worse than a warning."""
    bad = [one for one in found if not one.warning]
    if bad:
        ignorable = [name for name in dict.fromkeys(one.name for one in bad) if name in IGNORABLE]
        instead = f" (or add: {' '.join(f'--ignore {name}' for name in ignorable)})" if ignorable else ""
        raise PreflightError(
            f"the upgrade was not begun: {plural(len(bad), 'error')}",
            evidence="\n".join(line for one in bad for line in one.lines()),
            hint=f"fix these and run the same command again; nothing has been changed{instead}",
        )


def removed(aim: Aim) -> Iterator[Finding]:
    """Arguments with which the programs to come do not start; of the inventory's own versions its loader says it."""
    for section in ("extra_args", "override_args"):
        for component, flag, why in refused(getattr(aim.cluster, section), aim.cluster.versions):
            remedy = f"{section}.{component}.{flag}: change it with hardway bootstrap INV, before the upgrade"
            yield Finding("Removed", component, why, remedy)


def settings(view: View) -> Iterator[Finding]:
    """Feature gates in the files of kubelet settings that people keep on workers."""
    for name in view.way.names if view.way else ():
        probe = Probe("settings")
        for line in view.session.live.remotes[name].probe([probe])[probe].splitlines():
            path, _, content = line.partition(" ")
            with understood(name, line, name):
                given = {"kubelet": {GATES: _gates(base64.b64decode(content))}}
            for _, _, why in refused(given, view.cluster.versions):
                yield Finding("Removed", name, f"{path}: {why}", f"on {name}: edit it, then: systemctl restart kubelet")


def _gates(content: bytes) -> str:
    """The feature gates of a KubeletConfiguration, as a flag has them; of what is no YAML its kubelet says it."""
    try:
        found = yaml.safe_load(content)
        return ",".join(f"{name}={value}" for name, value in (found.get("featureGates") or {}).items())
    except (yaml.YAMLError, *OTHERWISE):
        return ""


def drains(view: View, options: Options, again: str) -> Iterator[Finding]:
    """Pods that would be lost, or never go; whoever was drained already has none."""
    for name in view.way.names if view.way else ():
        if name not in view.nodes:
            continue
        try:
            one = Drain(view.session.live.kube, name, options, COMMAND, again)
            one.require(one.look())
        except HardwayError as error:
            yield Finding("Drain", name, "; ".join([error.message, *error.evidence.splitlines()]), error.hint)


def rotations(view: View) -> Iterator[Finding]:
    """A CA that is being replaced: each host that has not followed yet is a reason more for it to break."""
    for host, what, remedy in authorities.unfinished(view.known.inputs, list(view.cluster.control_plane[:1])):
        yield Finding("CaRotation", host.name, what, remedy, warning=view.begun)


def pending(view: View) -> Iterator[Finding]:
    """Changes that no version explains. In the middle of an upgrade only told: a bootstrap could not make them then."""
    lines = others(view)
    if lines:
        more = f", and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
        what = (
            f"{plural(len(lines), 'change')} of the inventory or the hosts besides versions: {', '.join(lines[:SHOWN])}"
        )
        now = view.standing.version(view.cluster.control_plane[0].name, "kube-apiserver")
        remedy = f"with kubernetes: {now or 'what runs now'} in the inventory: hardway bootstrap INV; then upgrade"
        yield Finding("Pending", "inventory", what + more, remedy, warning=view.begun)


def others(view: View) -> list[str]:
    """What differs whichever of the versions on the way is wanted, as `HOST RESOURCE`."""
    found: list[set[str]] = []
    for versions in _renderings(view):
        known = view.at(versions).looking()
        known = replace(known, session=replace(known.session, assets=Placeholders()))
        hosts = known.wanted or frozenset()
        done = plan(known.inputs, known.readers(), PHASES, hosts, view.session.parallel)
        differing = ((step.target, change.key) for step in done for change in step.changes)
        found.append({f"{host} {key}" for host, key in differing if not key.startswith(OF_VERSIONS) and key != DNS})
    return sorted(set.intersection(*found))


def _renderings(view: View) -> list[Versions]:
    """The versions between, each as far as files on the hosts depend on it."""
    target = view.cluster.versions
    lowest = min((parsed(version)[:2] for version in _running(view)), default=parsed(target.kubernetes)[:2])
    between = [minor for minor in minors() if lowest <= minor < target.minor]
    return [target, *(default_versions(".".join(map(str, minor))) for minor in between)]


def _running(view: View) -> list[str]:
    hosts = view.cluster.hosts
    return list(view.standing.versions(hosts, "kube-apiserver", "kubelet").values())
