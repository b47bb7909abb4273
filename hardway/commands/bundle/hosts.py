"""What is asked of each host for a bundle: one question with everything in it, answered as far as the host can."""

from __future__ import annotations

import base64
import dataclasses
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ...cluster import Cluster, Host, Role
from ...errors import HardwayError
from ...facts import parse as parse_facts
from ...foreign.understanding import OTHERWISE, unexpected
from ...parallel import each
from ...phases import wanted_on
from ...resources import File
from ...run.components import components
from ...run.supposed import supposed
from ...session import Session
from ...targets.journal import PODS, merged
from ...targets.journal import parse as parse_entry
from ...vocabulary import Answers, Probe

ENTRIES = 500
LOOKS = (
    "system",
    "memory",
    "disks",
    "mounts",
    "addresses",
    "routes",
    "ports",
    "rules",
    "rule-counts",
    "all-units",
    "kernel",
)
WORKER_LOOKS = ("containers", "images")
Members = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class HostItem:
    """`probes` asks, `members` makes files of the answers; `path` and `what` tell people where they are and what they
    hold."""

    path: str
    what: str
    probes: Callable[[Cluster, Host], Sequence[Probe]]
    members: Callable[[Host, Answers], Members]


def plain_files(cluster: Cluster, host: Host) -> list[str]:
    """The files bootstrap puts on a host that hold no secret, and /etc/hosts."""
    inputs = supposed(cluster)
    wanted = wanted_on(inputs, host)
    return list(
        dict.fromkeys([*(one.path for one in wanted if isinstance(one, File) and not one.blob.secret), "/etc/hosts"])
    )


def _facts(host: Host, answers: Answers) -> Members:
    now = time.time()
    yield (
        "facts.json",
        json.dumps(dataclasses.asdict(parse_facts(answers[Probe("survey")], now, now)), indent=2, default=sorted),
    )


def _units(cluster: Cluster, host: Host) -> list[str]:
    return [f"{name}.service" for name, hosts in components(cluster).items() if host in hosts]


def _unit_states(host: Host, answers: Answers) -> Members:
    found = {probe.args[0]: answer for probe, answer in answers.items() if probe.verb == "unit"}
    versions = {probe.args[0]: answer for probe, answer in answers.items() if probe.verb == "version"}
    yield (
        "units.txt",
        "\n".join(f"{name}\n{answer}\nVersion={versions.get(name, '')}\n" for name, answer in found.items()),
    )


def _journals(host: Host, answers: Answers) -> Members:
    for probe, answer in answers.items():
        if probe.verb == "entries":
            kind, name, *_ = probe.args
            entries = merged(entry for line in answer.splitlines() if (entry := parse_entry(kind, host.name, line)))
            yield f"journals/{name}.log", "".join(f"{entry.stamp} {entry.text}\n" for entry in entries)


def _journal_probes(cluster: Cluster, host: Host) -> list[Probe]:
    found = [("unit", name) for name in _units(cluster, host)] + [
        ("pod", name) for name in PODS.values() if host.is_(Role.WORKER)
    ]
    return [Probe("entries", (kind, name, "", str(ENTRIES))) for kind, name in found]


def _files(host: Host, answers: Answers) -> Members:
    heads = []
    for probe, answer in answers.items():
        if probe.verb == "file":
            head, _, content = answer.partition("\n")
            heads.append(f"{probe.args[0]}: {head}")
            if content:
                yield f"files{probe.args[0]}", base64.b64decode(content).decode("utf-8", "replace")
    yield "files.txt", "\n".join(heads) + "\n"


def _etcd(host: Host, answers: Answers) -> Members:
    for probe, answer in answers.items():
        if probe.verb == "etcd":
            yield "etcd.json", answer or "no answer"


def _looks(host: Host, answers: Answers) -> Members:
    yield from ((f"{probe.args[0]}.txt", answer) for probe, answer in answers.items() if probe.verb == "look")


HOST_ITEMS = (
    HostItem(
        "facts.json",
        "the facts about the host that hardway works from",
        lambda c, h: [Probe("survey")],
        _facts,
    ),
    HostItem(
        "units.txt",
        "hardway's units as systemd sees them, and the version of each running process",
        lambda c, h: [Probe(verb, (name,)) for name in _units(c, h) for verb in ("unit", "version")],
        _unit_states,
    ),
    HostItem(
        "journals/", f"the last {ENTRIES} entries of each hardway unit, and of CoreDNS", _journal_probes, _journals
    ),
    HostItem(
        "files.txt, files/",
        "the files of bootstrap, as they are now: units, configurations, certificates; no file with a secret",
        lambda c, h: [Probe("file", (path, "", "text")) for path in plain_files(c, h)],
        _files,
    ),
    HostItem(
        "etcd.json",
        "what the etcd member reports about itself",
        lambda c, h: [Probe("etcd")] if h.is_(Role.ETCD) else [],
        _etcd,
    ),
    HostItem(
        ", ".join(f"{name}.txt" for name in (*LOOKS, *WORKER_LOOKS)),
        "what the host's own tools print",
        lambda c, h: [Probe("look", (name,)) for name in (*LOOKS, *(WORKER_LOOKS if h.is_(Role.WORKER) else ()))],
        _looks,
    ),
)


def collect(session: Session, missing: Callable[[str, BaseException], None]) -> Iterator[tuple[str, bytes]]:
    """Members of all hosts; an unreachable host is missing."""
    found: dict[str, list[tuple[str, bytes]]] = {}

    def ask(host: Host) -> None:
        wanted = [probe for item in HOST_ITEMS for probe in item.probes(session.cluster, host)]
        try:
            session.live.transports[host.name].connect()
            answers = session.live.remotes[host.name].probe(wanted)
        except HardwayError as error:
            missing(f"hosts/{host.name}", error)
            return
        found[host.name] = [*_members(host, answers, missing)]

    each(ask, session.cluster.hosts, session.parallel)
    for name, members in sorted(found.items()):
        yield from ((f"hosts/{name}/{path}", data) for path, data in members)


def _members(
    host: Host, answers: Answers, missing: Callable[[str, BaseException], None]
) -> Iterator[tuple[str, bytes]]:
    for item in HOST_ITEMS:
        try:
            yield from [(path, text.encode(errors="replace")) for path, text in item.members(host, answers)]
        except OTHERWISE as error:  # one odd answer must not take all others with it
            missing(f"hosts/{host.name}/{item.path}", ValueError(unexpected(error)))
