"""One verification: health checks beside the making of the smoke pods, then the smoke checks, and always the clearing
up."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from ..errors import UsageError
from ..foreign.understanding import OTHERWISE, unexpected
from ..phase import Inputs
from ..report import Report
from ..run.step import Done
from ..targets.live import UNREACHABLE, Live
from . import (
    access,
    control_plane,
    fitness,
    hosts,
    identity,
    name_service,
    names,
    network,
    nodes,
    security,
    shared_address,
    smoke,
)
from . import etcd_cluster as etcd
from .check import Check
from .outcome import Outcome, Status, failed, skipped
from .output import event
from .scene import Scene, told

HEALTH = (
    *identity.CHECKS,
    *fitness.CHECKS,
    *hosts.CHECKS,
    *etcd.CHECKS,
    *control_plane.CHECKS,
    *shared_address.CHECKS,
    *nodes.CHECKS,
    *name_service.CHECKS,
    *security.CHECKS_OUTSIDE,
)
SMOKE = (*network.CHECKS, *names.CHECKS, *access.CHECKS, *security.CHECKS)
# Beside the wait for our namespace to go: hashing every program is heavy, and a restart shows the better the later one
# looks.
LATE = (hosts.BINARIES, hosts.STEADY, smoke.CLEARED)
# What changes nothing anywhere.
READING = (*HEALTH, hosts.BINARIES, hosts.STEADY)
CHECKS = (*HEALTH, smoke.PODS, *SMOKE, *LATE)
THREADS = 10


def chosen(select: Iterable[str]) -> tuple[Check, ...]:
    """The checks of those names, all without any; making and clearing come along with a smoke check.

    UsageError for unknown names.
    """
    wanted, known = frozenset(select), [check.name for check in CHECKS]
    if unknown := sorted(wanted - frozenset(known)):
        raise UsageError(f"there is no check {', '.join(unknown)}", hint=f"the checks are: {' '.join(known)}")
    if any(check.needs_smoke and check.name in wanted for check in CHECKS) or smoke.PODS.name in wanted:
        wanted |= {smoke.PODS.name, smoke.CLEARED.name}
    return tuple(check for check in CHECKS if not wanted or check.name in wanted)


def verify(
    live: Live,
    inputs: Inputs,
    drift: Sequence[Done],
    select: frozenset[str] = frozenset(),
    report: Report | None = None,
) -> list[tuple[Check, Outcome]]:
    """Run the checks, all or those named; every outcome, in the checks' order. `report` hears of each as it ends.

    Nothing outside a namespace of our own is changed, and that is removed whatever happens.
    """
    return Verification(Scene(live, inputs, drift), chosen(select), report).run()


class Verification:
    """The running of some checks over one scene."""

    def __init__(self, scene: Scene, checks: Sequence[Check], report: Report | None):
        self.scene, self.checks, self.report = scene, checks, report
        self.outcomes: dict[str, Outcome] = {}
        self.lock = threading.Lock()
        scene.suite = smoke.SmokeSuite(scene)

    def run(self) -> list[tuple[Check, Outcome]]:
        """Every outcome; an interrupt or a bug of ours still has everything removed before it goes on its way."""
        pool = ThreadPoolExecutor(THREADS, thread_name_prefix="check")
        prepared = self._submit(pool, (smoke.PODS,))
        try:
            health = self._submit(pool, HEALTH)
            self._finish(prepared)
            self._finish(self._submit(pool, SMOKE))
            self._finish(health)
            self.scene.suite.clear()
            self._finish(self._submit(pool, LATE))
        except BaseException:
            self._abandon(pool, prepared)
            raise
        pool.shutdown()
        return [(check, self.outcomes[check.name]) for check in self.checks]

    def _submit(self, pool: ThreadPoolExecutor, checks: Iterable[Check]) -> list[Future]:
        return [pool.submit(self._one, check) for check in checks if check in self.checks]

    def _abandon(self, pool: ThreadPoolExecutor, prepared: Sequence[Future]) -> None:
        """Stop what can be stopped, and clear up once nothing more is being made."""
        self.scene.stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
        concurrent.futures.wait(prepared)
        self.scene.suite.clear()

    @staticmethod
    def _finish(futures: Iterable[Future]) -> None:
        for future in futures:
            future.result()

    def _one(self, check: Check) -> None:
        start = time.monotonic()
        outcome = dataclasses.replace(self._outcome(check), seconds=round(time.monotonic() - start, 3))
        with self.lock:
            self.outcomes[check.name] = outcome
        # What fails because everything is being taken down is no news.
        if self.report and not self.scene.stop.is_set():
            self.report.emit(event(check, outcome))

    def _outcome(self, check: Check) -> Outcome:
        if check.needs_smoke and self.scene.smoke is None:
            return skipped(f"{smoke.PODS.name} failed, so there is no pod to test")
        try:
            return check.run(self.scene)
        except UNREACHABLE as error:
            return failed(told(error))
        except OTHERWISE as error:  # one odd answer must not take all other checks with it
            return failed(unexpected(error))


def healthy(live: Live, inputs: Inputs, kubelets: Iterable[str] = ()) -> list[tuple[Check, Outcome]]:
    """The outcome of every check that looks at the cluster as it is, without pods of our own; while versions change,
    kubelets may have any of these."""
    return Verification(Scene(live, inputs, (), kubelets), HEALTH, None).run()


def refused(outcomes: Iterable[tuple[Check, Outcome]]) -> list[tuple[Check, Outcome]]:
    """The checks that failed."""
    return [(check, outcome) for check, outcome in outcomes if outcome.status is Status.FAILED]
