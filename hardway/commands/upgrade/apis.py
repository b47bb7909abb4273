"""API versions that are gone in the versions to come: who still calls them, and what is still stored in them."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ...cluster import Host
from ...errors import HardwayError
from ...foreign.understanding import OTHERWISE, mappings, text, texts, understood
from ...inventory import removed
from ...preflight.finding import Finding
from ...preflight.upgrades import Version, parsed
from ...targets.kube import BROKEN
from ...vocabulary import Probe
from .view import View

METRIC = re.compile(r"^apiserver_requested_deprecated_apis\{(?P<labels>[^}]*)\} 1$", re.MULTILINE)
LABEL = re.compile(r'(\w+)="([^"]*)"')
LINES = 500  # of the audit log, on each host
NAMED = 5  # callers that are named of each API
RELEASE = "k8s.io/removed-release"


@dataclass(frozen=True)
class Deprecated:
    """An API that is called, and the minor that no longer has it."""

    group: str
    version: str
    resource: str
    gone: str

    def __str__(self) -> str:
        return f"{self.resource} of {'/'.join(filter(None, (self.group, self.version)))}"


def requested(metrics: str) -> frozenset[Deprecated]:
    """Deprecated APIs that have been called since an API server was started, by its metrics."""
    labels = (dict(LABEL.findall(match["labels"])) for match in METRIC.finditer(metrics))
    return frozenset(
        Deprecated(one.get("group", ""), one.get("version", ""), one.get("resource", ""), one["removed_release"])
        for one in labels
        if one.get("removed_release")
    )


def callers(log: str) -> dict[Deprecated, dict[str, None]]:
    """By API who has called it, by what an audit log says; the last lines of it may be cut."""
    found: dict[Deprecated, dict[str, None]] = {}
    for line in log.splitlines():
        with contextlib.suppress(*OTHERWISE):
            event = json.loads(line)
            about = event["objectRef"]
            group, version = about.get("apiGroup", ""), about["apiVersion"]
            called = Deprecated(*map(text, (group, version, about["resource"], event["annotations"][RELEASE])))
            who = f"{event['user']['username']} ({event.get('userAgent', 'no user agent').partition(' ')[0]})"
            found.setdefault(called, {})[who] = None
    return found


def in_use(view: View) -> Iterator[Finding]:
    """Each deprecated API that the versions to come no longer have, and who calls it."""
    target = parsed(view.cluster.versions.kubernetes)[:2]
    called: set[Deprecated] = set()
    who: dict[Deprecated, dict[str, None]] = {}
    for host in view.cluster.control_plane:
        called |= requested(_metrics(view, host))
        probe = Probe("deprecated", (str(LINES),))
        for one, names in callers(view.session.live.remotes[host.name].probe([probe])[probe]).items():
            who.setdefault(one, {}).update(names)
    for one in sorted(called, key=str):
        if parsed(one.gone)[:2] <= target:
            what = f"{one} is called, and Kubernetes {one.gone} has it no more{_named(who.get(one, {}))}"
            remedy = (
                "upgrade these clients; an API server counts calls since its start, so if nobody calls it any more: "
            )
            yield Finding("DeprecatedApi", "kubernetes", what, f"{remedy}--ignore DeprecatedApi")


def _metrics(view: View, host: Host) -> str:
    """Nothing of a server that gives no answer: others say it of themselves, and `verify` says it of this one."""
    with contextlib.suppress(*BROKEN, HardwayError):
        status, body = view.session.live.kube(host).request("GET", "/metrics")
        return body.decode("utf-8", "replace") if status == 200 else ""
    return ""


def _named(names: Iterable[str]) -> str:
    listed = list(names)
    if not listed:
        return "; the audit log does not say by whom"
    more = f" and {len(listed) - NAMED} more" if len(listed) > NAMED else ""
    return f": by {', '.join(listed[:NAMED])}{more}"


def stored(view: View) -> Iterator[Finding]:
    """Objects of API versions that the next API servers cannot even decode."""
    now = min(_minors(view), default=())
    for row in removed.since(view.cluster.versions):
        for api in row.apis if row.component == "kubernetes" and row.minor > now else ():
            yield from (_left(api, row.name, *found) for found in _objects(view, api))


def _minors(view: View) -> set[Version]:
    return {
        parsed(version)[:2] for version in view.standing.versions(view.cluster.control_plane, "kube-apiserver").values()
    }


def _objects(view: View, api: str) -> Iterator[tuple[str, int]]:
    """(resource, how many) of a group and version that is served."""
    kube = view.session.live.kube()
    said = kube.get(f"/apis/{api}") or {}
    with understood("the API server", said):
        kinds = [(text(one["name"]), texts(one.get("verbs"))) for one in mappings(said.get("resources"))]
    for name in (name for name, verbs in kinds if "list" in verbs and "/" not in name):
        if items := (kube.get(f"/apis/{api}/{name}") or {}).get("items"):
            yield name, len(items)


def _left(api: str, name: str, resource: str, count: int) -> Finding:
    what = f"{count} {resource} of {api} are stored, and {name} cannot read them"
    group = api.partition("/")[0]
    return Finding(
        "StoredApi", "kubernetes", what, f"kubectl get {resource}.{group} -A; keep what you need, delete them"
    )
