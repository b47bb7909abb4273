"""Switching a machine off for a drill and on again: a lab machine by the lab, another one by itself and the
operator."""

from __future__ import annotations

import time

from ...cluster import Host
from ...errors import HardwayError, NotReadyError
from ...session import Session
from ...targets.live import wait
from ...vocabulary import Op
from . import state

STARTED_BY_HAND = 900.0


def off(session: Session, host: Host, drill: str) -> None:
    """Power off, recorded in the state directory first: a machine that is off cannot say that a drill is on."""
    session.store.create(state.POWERED_OFF, f"{drill} {host.name} {int(time.time())}\n".encode())
    if session.cluster.lab:
        from ...lab import LabMachines

        LabMachines(session.cluster, session.state_dir).power_off([host.name])
    else:
        session.live.remotes[host.name].change([Op("poweroff")])


def on(session: Session, host: Host, say) -> None:
    """Power on, or ask the operator to do it: returns when the host accepts a login."""
    if session.cluster.lab:
        from ...lab import LabMachines

        LabMachines(session.cluster, session.state_dir).power_on([host.name])
        return
    if not _away(session, host):
        return
    say(
        f"{host.name} is off: start it now, for example with `vagrant up {host.name}`. hardway waits up to"
        f" {STARTED_BY_HAND / 60:.0f} minutes."
    )
    try:
        wait(lambda: _away(session, host), STARTED_BY_HAND, lambda problem: f"{host.name} to answer ({problem})", 2.0)
    except NotReadyError as error:
        error.host, error.hint = host.name, f"start {host.name}, then: hardway drill INV --restore"
        raise


def _away(session: Session, host: Host) -> str:
    transport = session.live.transports[host.name]
    transport.close()  # a connection of before may not have noticed yet
    try:
        transport.connect()
    except HardwayError as error:
        return error.message
    return ""
