"""Which pods a drain evicts, which it leaves, and which it may not touch without being told to. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..targets.kube import KubeApi
from .pods import Pod

FORCE, EMPTY_DIR = "--force", "--delete-emptydir-data"


@dataclass(frozen=True)
class Options:
    """`timeout` is in seconds, for the whole node; `grace` in seconds for each pod, None for its own. `force` evicts
    pods that nothing starts again, `empty_dir` those whose emptyDir volumes are lost with them."""

    timeout: float = 300.0
    grace: int | None = None
    force: bool = False
    empty_dir: bool = False


@dataclass(frozen=True)
class Choice:
    """`left` are (pod, why it stays), `refused` are (pod, what would be lost, the option that allows it)."""

    evict: tuple[Pod, ...] = ()
    left: tuple[tuple[Pod, str], ...] = ()
    refused: tuple[tuple[Pod, str, str], ...] = ()


def chosen(pods: Iterable[Pod], options: Options, orphans: frozenset[str] = frozenset()) -> Choice:
    """`orphans` are the uids of pods whose DaemonSet is gone: nothing starts them again."""
    evict, left, refused = [], [], []
    for pod in pods:
        if why := _stays(pod, orphans):
            left.append((pod, why))
        elif lost := _lost(pod, options, orphans):
            refused.append((pod, *lost))
        else:
            evict.append(pod)
    return Choice(tuple(evict), tuple(left), tuple(refused))


def _stays(pod: Pod, orphans: frozenset[str]) -> str:
    if pod.mirror:
        return "static pod, which its kubelet starts from a file"
    if _of_daemon_set(pod) and pod.uid not in orphans and not pod.finished:
        return f"{pod.owner}, which starts one on every node"
    return ""


def _lost(pod: Pod, options: Options, orphans: frozenset[str]) -> tuple[str, str] | None:
    """What evicting it would lose, and the option that allows that; what is finished, or ends already, loses nothing
    more."""
    if pod.finished or pod.ending:
        return None
    if (not pod.controller or pod.uid in orphans) and not options.force:
        return "nothing starts it again elsewhere", FORCE
    if pod.empty_dirs and not options.empty_dir:
        return f"its emptyDir volumes are deleted with it: {', '.join(pod.empty_dirs)}", EMPTY_DIR
    return None


def orphans(api: KubeApi, pods: Iterable[Pod]) -> frozenset[str]:
    """The uids of pods whose DaemonSet is gone."""
    sets: dict[str, list[str]] = {}
    for pod in pods:
        if pod.controller and _of_daemon_set(pod):
            path = f"/apis/apps/v1/namespaces/{pod.namespace}/daemonsets/{pod.controller[1]}"
            sets.setdefault(path, []).append(pod.uid)
    return frozenset(uid for path, uids in sets.items() if not api.get(path) for uid in uids)


def _of_daemon_set(pod: Pod) -> bool:
    return pod.controller is not None and pod.controller[0] == "DaemonSet"
