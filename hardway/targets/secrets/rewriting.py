"""The Secrets of a living cluster as a target: under which keys they are, and writing them again with the newest."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from ...errors import HardwayError, NotReadyError, RemoteCommandError
from ...foreign.understanding import OTHERWISE, mapping, mappings, text, without_nulls
from ...vocabulary import Answers, Op, Probe
from ..kube import KubeApi
from ..live import Live, wait
from .stored import lines

AT_ONCE = 8
SECONDS = 120.0  # an API server that restarts, or fills its caches, is waited for
AGAIN = (409, 429)  # somebody else wrote it at the same time; come again
NOTHING = b"{}"
WAITS = "not now: "
ANSWERED = re.compile(rf"{WAITS}[0-9]{{3}}\b")
SHOWN = 20


class StoredSecrets:
    """`others KEY` asks what is not under this key: `KEY COUNT`, a line each; `rewrite KEY` writes all of that."""

    def __init__(self, live: Live):
        self.live = live

    def probe(self, probes: Sequence[Probe]) -> Answers:
        return {probe: "\n".join(lines(self.live.stored().but(probe.args[0]))) for probe in dict.fromkeys(probes)}

    def change(self, ops: Sequence[Op]) -> None:
        for op in ops:
            self._rewrite(op.args[0])

    def _rewrite(self, key: str) -> None:
        """Each on its own, and those that cannot be written are named together."""
        paths = sorted(map(api_path, self.live.stored().but(key)))
        if refused := rewritten(self.live, paths):
            raise RemoteCommandError(
                f"the API refused to write {len(refused)} of the Secrets again",
                host="kubernetes",
                command="PATCH with no change",
                evidence="\n".join(f"{path}: {said}" for path, said in [*refused.items()][:SHOWN]),
                hint="correct or delete them, or the webhook that refuses; then: hardway encryption rotate INV",
            )


def api_path(stored: str) -> str:
    """The API's path of an object of a core resource, by its path in etcd, PREFIX/RESOURCE/NAMESPACE/NAME."""
    resource, namespace, name = stored.rsplit("/", 3)[1:]
    return f"/api/v1/namespaces/{namespace}/{resource}/{name}"


def rewritten(live: Live, paths: Sequence[str]) -> dict[str, str]:
    """Have the API store objects again as they are; of those that it does not, why. One that is gone needs it no more.

    What an API server cannot do now is tried again as long as others are written, and SECONDS longer. NotReadyError
    when no API server answers.
    """
    said = dict.fromkeys(paths, WAITS)

    def waiting() -> list[str]:
        return [path for path in paths if said[path].startswith(WAITS)]

    def again() -> str:
        before = waiting()
        said.update(zip(before, _all(live, before), strict=True))
        left = waiting()
        return said[left[0]] if left and len(left) == len(before) else ""

    while left := waiting():
        try:
            wait(again, SECONDS, lambda missing: f"the API to write {left[0]} again ({missing})", interval=0.5)
        except NotReadyError:
            if not any(ANSWERED.match(said[path]) for path in left):
                raise
            break
    return {path: why for path, why in said.items() if why}


def _all(live: Live, paths: Sequence[str]) -> list[str]:
    """What was said of each; after an interruption no more are begun."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            return [*pool.map(lambda path: _written(live.kube(), path), paths)]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _written(api: KubeApi, path: str) -> str:
    try:
        status, body = api.request("PATCH", path, NOTHING, "application/merge-patch+json")
    except (OSError, http.client.HTTPException, HardwayError) as error:
        return f"{WAITS}{error or type(error).__name__}"
    if status < 300 or status == 404:
        return ""
    return f"{WAITS if status in AGAIN or status >= 500 else ''}{status} {_reason(body)}".strip()


def _reason(body: bytes) -> str:
    """Why the API refuses, without its message: that might quote a value."""
    try:
        status = mapping(without_nulls(json.loads(body)))
        fields = [text(cause.get("field", "")) for cause in mappings(mapping(status.get("details")).get("causes"))]
        return " ".join([text(status.get("reason", "")), *filter(None, fields)])
    except OTHERWISE:
        return ""
