"""The floor: what the machines need when nobody thinks.

The same bytes by plain OpenSSH, then every unit started at once.
"""

from __future__ import annotations

import shlex
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from bench_lab import Stage, images, payload, receivers
from dns_probe import DnsProbe

from hardway.cluster import Host, Role
from hardway.errors import RemoteCommandError
from hardway.parallel import each
from hardway.phases import dns, rbac
from hardway.resources import Situation
from hardway.session import Known, Session
from hardway.targets.live import wait
from hardway.vocabulary import Op

CIPHER = "aes128-gcm@openssh.com"
UNITS = {
    Role.LB: ("haproxy",),
    Role.ETCD: ("etcd",),
    Role.CONTROL_PLANE: ("kube-apiserver", "kube-controller-manager", "kube-scheduler"),
    Role.WORKER: ("containerd", "kube-proxy"),
}
PUSHED = "/var/lib/floor"


def push(stage: Stage, known: Known) -> tuple[float, int]:
    """Seconds and bytes of sending every host its programs and images, all hosts at once, one tar over OpenSSH each."""
    files = {host: payload(known.inputs, host) for host in receivers(stage.cluster)}
    start = time.monotonic()
    each(lambda host: send(stage, host, files[host]), list(files))
    return time.monotonic() - start, sum(path.stat().st_size for paths in files.values() for path in paths)


def send(stage: Stage, host: Host, paths: list[Path]) -> None:
    """Push files into the folder PUSHED of a bare host, by one tar over OpenSSH; RemoteCommandError."""
    config = shlex.quote(str(stage.machines.access.config))
    names = " ".join(shlex.quote(str(path)) for path in paths)
    receive = shlex.quote(f"mkdir {PUSHED} && tar -xf - -C {PUSHED}")
    command = f"tar -cf - --transform='s|.*/||' -P {names} | ssh -c {CIPHER} -F {config} {host.name} {receive}"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True)
    if done.returncode:
        raise RemoteCommandError("the plain push failed", host=host.name, command="tar | ssh", evidence=done.stderr)


def go_cold(known: Known) -> None:
    """Make the machines of a finished cluster as they were before their first start: all files there, nothing running,
    no state."""
    session = known.session
    each(lambda host: _forget(session, host), session.cluster.hosts)
    for host in session.cluster.workers:
        for path in images(known.inputs, host):
            data = path.read_bytes()
            _must(session, host, f"mkdir -p {PUSHED}; cat >{PUSHED}/{path.name}", stdin=data)


def _forget(session: Session, host: Host) -> None:
    units = [f"{unit}.service" for unit in (*_units(host), *(("kubelet",) if host.is_(Role.WORKER) else ()))]
    _must(
        session,
        host,
        f"systemctl kill -s KILL {' '.join(units)}; systemctl stop {' '.join(units)}; systemctl reset-failed || :",
    )
    if host.is_(Role.ETCD):
        _must(session, host, "rm -rf /var/lib/etcd/*; sed -i s/STATE=existing/STATE=new/ /etc/etcd/etcd.env")
    if host.is_(Role.WORKER):
        session.live.remotes[host.name].change(
            [Op("cleanup", (kind,)) for kind in ("pods", "mounts", "runtime", "cni", "iptables")]
        )
        state = "find /var/lib/kubelet -mindepth 1 -maxdepth 1 ! -name pki ! -name config.yaml"
        _must(session, host, f"rm -rf /var/lib/containerd/*; {state} -exec rm -rf {{}} +")


def _units(host: Host) -> list[str]:
    return [unit for role in Role for unit in UNITS[role] if host.is_(role)]


def start(known: Known) -> dict[str, float]:
    """Start everything at once over open connections; seconds until the API was ready, was told of DNS, and DNS
    answered."""
    session = known.session
    live = session.live
    manifests = [resource for phase in (rbac, dns) for resource in phase.desired(known.inputs, None)]
    objects = [
        op for found in manifests for op in found.compare(Situation(dict.fromkeys(found.probes(), "absent"))).ops
    ]
    begun = time.monotonic()
    probe = DnsProbe(session)
    background = _in_background(lambda: each(lambda host: _start(session, host), session.cluster.hosts))
    first = session.cluster.control_plane[0]
    wait(lambda: live.kube(first).not_ready(), 120, str)
    ready = time.monotonic() - begun
    # A kubelet that finds no API rests for up to 7 s: it is started when there is one.
    each(lambda host: _must(session, host, "systemctl start --no-block kubelet.service"), session.cluster.workers)
    known.remotes()["kubernetes"].change(objects)
    applied = time.monotonic() - begun
    answered = probe.wait() - begun
    background()
    return {"api_ready": ready, "applied": applied, "dns": answered}


def _start(session: Session, host: Host) -> None:
    units = " ".join(f"{unit}.service" for unit in _units(host))
    _must(session, host, f"systemctl start --no-block {units}")
    if host.is_(Role.WORKER):
        # The images come in while the API starts.
        load = f"for image in {PUSHED}/*.tar; do /usr/local/bin/ctr -n k8s.io images import $image >/dev/null; done"
        _must(session, host, f"systemctl start containerd.service; {load}")


def _must(session: Session, host: Host, script: str, stdin: bytes = b"") -> None:
    result = session.live.transports[host.name].run(script, stdin=stdin, timeout=120)
    if result.code:
        raise RemoteCommandError(
            "the floor could not be measured", host=host.name, command=script, evidence=result.error_text
        )


def _in_background(work: Callable[[], None]) -> Callable[[], None]:
    """Start work in a thread; what is returned waits for it and raises what it raised."""
    failure: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=guarded, daemon=True)
    thread.start()

    def join() -> None:
        thread.join()
        if failure:
            raise failure[0]

    return join
