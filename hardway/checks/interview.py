"""Asking a pod everything at once: one `kubectl exec` a pod, the questions side by side in it, each answer kept
apart."""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from ..errors import RemoteCommandError
from ..patience import stretched
from .manifests import APP, HEADLESS, PORT
from .pods import Pod
from .scene import Scene
from .smoke import Smoke

SECONDS = 4
PATIENCE = 8
LEARNED = 15
# An API server that has read a new certificate closes its connections to kubelets; nothing has run then.
BROKEN = "error dialing backend"
Answers = Mapping[str, str]

# Few lines that busybox' sh understands. `timeout`, because some builds of busybox crash on wget's own -T.
# `backends URL COUNT`: ask until that many different servers have answered; kube-proxies may learn of one some seconds
# late. `found NAME COUNT`: ask until the name has that many addresses; CoreDNS may learn of a pod late, and keeps for
# 5 s that there was none.
FUNCTIONS = """get() { timeout $seconds wget -q -O - "$1" 2>&1 || echo "failed: exit code $?"; }
backends() {
  seen='
'; left=$2; end=$(($(date +%s) + patience))
  while [ $left -gt 0 ] && [ $(date +%s) -lt $end ]; do
    name=$(timeout 2 wget -q -O - "$1" 2>/dev/null) || { name="failed: exit code $?"; sleep 0.2; }
    case $seen in *"
$name
"*) continue ;; esac
    seen="$seen$name
"
    case $name in failed:*) ;; *) left=$((left - 1)) ;; esac
  done
  printf %s "$seen"
}
found() {
  end=$(($(date +%s) + learned))
  while said=$(timeout $seconds nslookup "$1." 2>&1) || said=${said:-"failed: exit code $?"}
    known=$(echo "$said" | sed '1,/^Name:/d' | grep -c '^Address')
    [ $known -lt $2 ] && [ $(date +%s) -lt $end ]; do sleep 0.5; done
  echo "$said"
}
"""


def limits() -> str:
    """How long these functions wait, for a shell."""
    seconds = {"seconds": SECONDS, "patience": PATIENCE, "learned": LEARNED}
    return " ".join(f"{name}={math.ceil(stretched(value))}" for name, value in seconds.items())


def questions(scene: Scene, smoke: Smoke) -> dict[str, str]:
    """What every pod is asked, by the name of the answer."""
    network, count = scene.cluster.network, len(smoke.pods)
    full = f"{APP}.{smoke.namespace}.svc.{network.domain}"
    asked = {f"pod {pod.name}": f"get http://{pod.address}:{PORT}/cgi-bin/who" for pod in smoke.pods}
    asked |= {f"node {pod.worker.name}": f"get http://{pod.worker.address}:{smoke.node_port}/" for pod in smoke.pods}
    asked["service"] = f"backends http://{smoke.cluster_ip}:{PORT}/ {count}"
    asked["resolv"] = "cat /etc/resolv.conf"
    # By name, as programs do it: the resolver with its search list, then a connection.
    asked |= {f"name {name}": f"get http://{name}:{PORT}/" for name in (APP, f"{APP}.{smoke.namespace}", full)}
    return asked | {f"lookup {name}": f"found {name} {count}" for name, count in lookups(scene, smoke).items()}


def lookups(scene: Scene, smoke: Smoke) -> dict[str, int]:
    """The full names whose addresses are compared, and how many they have."""
    domain = scene.cluster.network.domain
    return {
        scene.cluster.service_names[-1]: 1,
        f"{APP}.{smoke.namespace}.svc.{domain}": 1,
        f"{HEADLESS}.{smoke.namespace}.svc.{domain}": len(smoke.pods),
    }


def script(asked: Mapping[str, str], mark: str) -> str:
    """All questions at the same time, their answers one after the other, each behind a line with the mark."""
    lines = [limits(), FUNCTIONS, "d=/tmp/" + mark, "mkdir $d"]
    lines += [f"({question}) >$d/{i} 2>&1 &" for i, question in enumerate(asked.values())]
    lines += [
        "wait",
        *(f"echo; echo {mark} {i}; cat $d/{i}" for i in range(len(asked))),
        f"echo; echo {mark} end; rm -r $d",
    ]
    return "\n".join(lines) + "\n"


def split(output: str, asked: Mapping[str, str], mark: str) -> dict[str, str]:
    """The answers by name; a name without one is left out."""
    parts = output.split(f"{mark} ")[1:]
    numbered = {part.split("\n", 1)[0]: part.split("\n", 1)[-1].strip() for part in parts}
    return {name: numbered[str(i)] for i, name in enumerate(asked) if str(i) in numbered}


def interview(scene: Scene) -> dict[str, Answers]:
    """Every pod's answers by pod name, asked once for all checks; RemoteCommandError when a pod cannot be asked."""
    return scene.once("interview", lambda: _ask_all(scene))


def _ask_all(scene: Scene) -> dict[str, Answers]:
    smoke = pods_of(scene)
    asked = questions(scene, smoke)
    with ThreadPoolExecutor(4) as pool:
        return dict(
            zip(
                (pod.name for pod in smoke.pods),
                pool.map(lambda pod: _ask(scene, smoke, pod, asked), smoke.pods),
                strict=True,
            )
        )


def _ask(scene: Scene, smoke: Smoke, pod: Pod, asked: Mapping[str, str]) -> Answers:
    mark = f"verify-{secrets.token_hex(6)}"
    arguments = f"-n {smoke.namespace} exec -i {pod.name} -- sh"
    result = scene.kubectl(arguments, stdin=script(asked, mark).encode(), timeout=60)
    if BROKEN in result.error_text:
        result = scene.kubectl(arguments, stdin=script(asked, mark).encode(), timeout=60)
    if f"{mark} end" not in result.text:
        raise RemoteCommandError(
            f"cannot run the checks in pod {pod.name}",
            host=scene.door.host.name,
            command=f"kubectl {arguments}",
            evidence=result.error_text,
        )
    return split(result.text, asked, mark)


def pods_of(scene: Scene) -> Smoke:
    """The smoke pods; the suite runs no smoke check without them."""
    assert scene.smoke
    return scene.smoke


# What a shell says of a program that `timeout` has ended.
ENDED = ("Terminated", "failed: exit code 143", "failed: exit code 124")


def heard(answer: str | None) -> str:
    """An answer in a finding."""
    first = ((answer or "").splitlines() or ["no answer"])[0][:120]
    return f"no answer within {math.ceil(stretched(SECONDS))} s" if first in ENDED else first
