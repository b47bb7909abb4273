"""The drain of one node: look first, then cordon, evict, and wait until the pods that were evicted are gone.

Nothing is remembered between two rounds but when to ask again: each round lists the pods on the node. So a drain that
was killed goes on where it was, and a pod that came just before the cordon is seen.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..errors import ApiUnavailable, RemoteCommandError
from ..progress.events import Event, PodEvicted, PodWaits
from ..targets.kube import BROKEN, KubeApi
from ..targets.patience import patiently
from .budgets import Budget, budgets, never
from .choice import Choice, Options, chosen, orphans
from .cordon import Cordon, cordon, cordon_of
from .endings import Left, refusal, stopped
from .eviction import Verdict, evict
from .pods import Pod, pods_on

AT_ONCE = 8  # evictions asked for at the same time
PACE, SLOWEST = 0.5, 5.0  # seconds between two rounds; between two questions about one pod they grow up to the second
AGAIN = 15.0  # seconds after which a pod that was evicted, and of which no deletion is seen, is asked for again


@dataclass(frozen=True)
class View:
    """A node before its drain: how it is, what would be done with each pod, and the pods that no budget will ever let
    go, each with the reason."""

    node: Mapping[str, Any]
    choice: Choice
    budgets: tuple[Budget, ...]
    never: tuple[tuple[Pod, str], ...]

    @property
    def cordon(self) -> Cordon | None:
        return cordon_of(self.node)


class Drain:
    """`api` gives an API server that is ready. `command` is hardway's that drains, such as "node remove", and `again`
    how it is typed; `say` hears of every pod."""

    def __init__(
        self,
        api: Callable[[], KubeApi],
        node: str,
        options: Options,
        command: str = "node drain",
        again: str = "",
        say: Callable[[Event], None] = lambda event: None,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ):
        self.api, self.node, self.options, self.command, self.say = api, node, options, command, say
        self.again = again or f"hardway {command} INV {node}"
        self.clock, self.pause = clock, pause
        self.evicted = 0
        self._asked: dict[str, tuple[float, float]] = {}  # by uid: when to ask again, and the pause after that
        self._why: dict[str, str] = {}
        self._final = False

    def look(self) -> View:
        """What a drain would do now; nothing is changed. RemoteCommandError when there is no such node."""
        return patiently(self.api, self._view, clock=self.clock, pause=self.pause)

    def _view(self, api: KubeApi) -> View:
        choice, found = self._chosen(api), budgets(api)
        fixed = tuple((pod, why) for pod in choice.evict if (why := never(found, pod)))
        return View(self._node(api), choice, found, fixed)

    def require(self, view: View) -> None:
        """DrainRefused when a pod needs an option, or no budget will ever let it go."""
        if view.choice.refused or view.never:
            raise refusal(self.node, self.again, view.choice.refused, view.never)

    def run(self, take_over: bool = False) -> Cordon:
        """Cordon the node and have every pod leave it that has to; the cordon that is there then.

        DrainRefused before anything is changed, or when such a pod comes afterwards; DrainStopped at the deadline, or
        as soon as the API says that it will never evict a pod.
        """
        self.require(self.look())
        found = self.cordon(take_over)
        self.empty()
        return found

    def cordon(self, take_over: bool = False) -> Cordon:
        """Keep new pods off the node, and do no more; see hardway.drain.cordon."""
        work = partial(cordon, name=self.node, command=self.command, take_over=take_over)
        return patiently(self.api, work, clock=self.clock, pause=self.pause)

    def empty(self) -> None:
        """The same for a node that is cordoned."""
        began = self.clock()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            while self._round(pool):
                if self._final or self.clock() - began > self.options.timeout:
                    raise stopped(self.node, self.again, self._left(), self.clock() - began)
                self.pause(PACE)

    def _round(self, pool: ThreadPoolExecutor) -> bool:
        """Ask for those whose time has come, and wait for none; whether pods are left. An API that gives no answer is
        asked again."""
        try:
            api = self.api()
            choice = self._chosen(api)
            if choice.refused:
                raise refusal(self.node, self.again, choice.refused, ())
            self._ask(pool, api, choice.evict)
        except (*BROKEN, ApiUnavailable):
            return True
        return bool(choice.evict)

    def _chosen(self, api: KubeApi) -> Choice:
        pods = pods_on(api, self.node)
        return chosen(pods, self.options, orphans(api, pods))

    def _ask(self, pool: ThreadPoolExecutor, api: KubeApi, pods: Sequence[Pod]) -> None:
        now = self.clock()
        due = [pod for pod in pods if not pod.ending and self._asked.get(pod.uid, (0.0, 0.0))[0] <= now]
        for pod, (verdict, why) in zip(
            due, pool.map(lambda pod: evict(api, pod, self.options.grace), due), strict=True
        ):
            self._judge(pod, verdict, why)

    def _judge(self, pod: Pod, verdict: Verdict, why: str) -> None:
        _, pause = self._asked.get(pod.uid, (0.0, PACE))
        about = (self.node, pod.namespace, pod.name, pod.owner)
        if verdict is Verdict.EVICTED:
            self._asked[pod.uid] = (self.clock() + AGAIN, PACE)
            self._why.pop(pod.uid, None)
            self.evicted += 1
            self.say(PodEvicted(*about))
            return
        self._final = self._final or verdict is Verdict.NEVER
        if verdict is not Verdict.GONE and self._why.get(pod.uid) != why:
            self._why[pod.uid] = why
            self.say(PodWaits(*about, why))
        self._asked[pod.uid] = (self.clock() + pause, min(2 * pause, SLOWEST))

    def _left(self) -> Left:
        """What is on the node still, as far as the API says it."""
        try:
            api = self.api()
            return Left(self._chosen(api).evict, budgets(api), self._why, self._node(api))
        except (*BROKEN, ApiUnavailable) as error:
            return Left(silent=str(error) or type(error).__name__)

    def _node(self, api: KubeApi) -> Mapping[str, Any]:
        node = api.get(f"/api/v1/nodes/{self.node}")
        if node is None:
            raise RemoteCommandError(f"there is no node {self.node}", host=self.node, hint="hardway node list INV")
        return node
