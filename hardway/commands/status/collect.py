"""One look at the whole cluster with nothing assumed to be alive: one question to each host, and the API asked by
whichever answers."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from ...cluster import Cluster, Host, Role
from ...errors import HardwayError
from ...foreign.understanding import NotUnderstood, text, texts, understood, whole, without_nulls
from ...lease import Holder
from ...parallel import each
from ...pki.certificates import authorities, issued
from ...pki.inspection import end_of, remaining_days
from ...resources.unit_state import UnitState
from ...run.components import components, wanted_version
from ...session import Session
from ...state.store import Store
from ...vocabulary import Answers, Probe
from .api import ApiView
from .picture import Api, Certificate, Component, EtcdMember, Machine, Status

# Seconds since the boot, and the first of the three averages of /proc/loadavg.
AGED = re.compile(r"([0-9]{1,12})(?:\.[0-9]*)? ([0-9]{1,9}(?:\.[0-9]{1,9})?)(?:\s|$)", re.ASCII)
AGE, ETCD, LEASE = Probe("age"), Probe("etcd"), Probe("lease")


def collect(session: Session) -> Status:
    """Hosts, units, etcd, the API with nodes and add-ons, certificates; whatever is away says why."""
    cluster = session.cluster
    carried = components(cluster)
    names: dict[str, list[str]] = {host.name: [] for host in cluster.hosts}
    for name, hosts in carried.items():
        for host in hosts:
            names[host.name].append(name)
    view = ApiView(session.live)
    answers: dict[str, Answers | HardwayError] = {}

    def look(host: Host) -> None:
        asking = None
        try:
            session.live.transports[host.name].connect()
            if host.is_(Role.CONTROL_PLANE):  # beside the question, not after it
                asking = threading.Thread(target=view.ask, args=(host,), daemon=True)
                asking.start()
            answers[host.name] = session.live.remotes[host.name].probe(_probes(host, names[host.name]))
        except HardwayError as error:
            answers[host.name] = error
        if asking:
            asking.join()

    each(look, cluster.hosts, session.parallel)
    return Status(
        cluster=cluster.name,
        kubernetes=cluster.versions.kubernetes,
        api=view.api or Api(cluster.api_url, problem=view.problem or "no control-plane host answers"),
        hosts=tuple(machine(host, answers[host.name]) for host in cluster.hosts),
        units=tuple(unit(cluster, name, host, answers[host.name]) for name, hosts in carried.items() for host in hosts),
        etcd=tuple(member(host, answers[host.name]) for host in cluster.etcd_members),
        nodes=view.nodes,
        addons=view.addons,
        certificates=certificates(cluster, session.store),
        unknown=view.problem,
        other_run=other_run(answers.values()),
    )


def _probes(host: Host, names: list[str]) -> list[Probe]:
    probes = [Probe(verb, (f"{name}.service",)) for name in names for verb in ("unit", "version")]
    return [AGE, LEASE, *probes, *([ETCD] if host.is_(Role.ETCD) else [])]


def other_run(answers: Iterable[Answers | HardwayError]) -> str:
    """The run that changes the cluster just now, by the first host that names one; empty where there is none."""
    said = (one[LEASE] for one in answers if not isinstance(one, HardwayError))
    return next((str(holder) for lease in said if (holder := Holder.parse(lease))), "")


def machine(host: Host, answers: Answers | HardwayError) -> Machine:
    """A host from its answers, or from why there are none."""
    about = (host.name, str(host.address), tuple(role.value for role in Role if host.is_(role)))
    if isinstance(answers, HardwayError):
        return Machine(*about, reachable=False, problem=answers.message)
    found = AGED.match(answers[AGE])
    if not found:  # it may well run
        return Machine(*about, reachable=True)
    return Machine(*about, reachable=True, uptime_seconds=int(found[1]), load=float(found[2]))


def unit(cluster: Cluster, name: str, host: Host, answers: Answers | HardwayError) -> Component:
    """One unit; a failed one with systemd's reason and how often it was restarted."""
    wanted = wanted_version(cluster, name)
    if isinstance(answers, HardwayError):
        return Component(name, host.name, "unknown", "the host does not answer", wanted)
    found = UnitState.parse(answers[Probe("unit", (f"{name}.service",))])
    version = answers[Probe("version", (f"{name}.service",))]
    return Component(name, host.name, found.word, _detail(found), wanted, version)


def _detail(found: UnitState) -> str:
    """Why a unit does not run."""
    if found.said.get("LoadState") == "not-found":
        return "not installed"
    if found.active == "active" or found.queued:
        return f"for {found.behind.unit}, {found.behind.what}" if found.behind else ""
    result, restarts = found.said.get("Result", ""), found.said.get("NRestarts", "0")
    reasons = [
        result if result not in ("", "success") else "",
        f"restarted {restarts} times" if restarts not in ("", "0") else "",
    ]
    return ", ".join(filter(None, reasons))


def member(host: Host, answers: Answers | HardwayError) -> EtcdMember:
    """An etcd member by its own words: one without a leader is cut off from the others, or they are too few."""
    if isinstance(answers, HardwayError):
        return EtcdMember(host.name, problem="the host does not answer")
    if answers[ETCD].strip() in ("", "[]", "null"):
        return EtcdMember(host.name, problem="does not answer")
    try:
        with understood("etcd", answers[ETCD], host.name):
            return _member(host, without_nulls(json.loads(answers[ETCD])))
    except NotUnderstood as error:
        return EtcdMember(host.name, problem=error.message)


def _member(host: Host, said: Any) -> EtcdMember:
    status: Mapping[str, Any] = said[0]["Status"]
    leader, me = whole(status.get("leader", 0)), whole(status["header"]["member_id"])
    problem = "; ".join(texts(status.get("errors"))) or ("" if leader else "has no leader")
    size = whole(status.get("dbSize", 0))
    return EtcdMember(host.name, bool(leader) and leader == me, text(status["version"]), size, problem)


def certificates(cluster: Cluster, store: Store) -> tuple[Certificate, ...]:
    """Those of the state directory, the next to end first."""
    files = [(authority.name, "", f"pki/{authority.name}.crt") for authority in authorities()]
    files += [
        (row.name, host.name if host else "", f"pki/{f'hosts/{host.name}/' if host else ''}{row.name}.crt")
        for row, host in issued(cluster)
    ]
    found = [(name, host, pem) for name, host, path in files if (pem := store.read(path))]
    rows = []
    for name, host, pem in found:
        try:
            rows.append(Certificate(name, host, end_of(pem).isoformat(timespec="seconds"), remaining_days(pem)))
        except ValueError:  # no certificate at all: plan says what is wrong with it
            continue
    return tuple(sorted(rows, key=lambda row: (row.ends, row.name, row.host)))
