"""What a rotation of the key of service account tokens waits for: every API server knows the new key; no token of the
old one is left."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from ....cluster import Host
from ....errors import NotReadyError
from ....foreign.objects import data_of
from ....foreign.understanding import mappings, text, understood
from ....pki.rotation import TOKENS, Rotation
from ....pki.tokens import key_id, signed_by
from ....session import Known
from ....targets.kube import KubeApi
from ....vocabulary import Probe
from .waiting import SECONDS, SERVER, await_, on_servers, seconds

LEGACY = "/api/v1/secrets?fieldSelector=type%3Dkubernetes.io%2Fservice-account-token"
# So long (seconds) a token lives that a kubelet has asked for, where the pod does not say otherwise (kubernetes:
# plugin/pkg/admission/serviceaccount).
TOKEN_SECONDS = 3607
MARGIN = 60
PACE = 10.0
REISSUE = """kubectl -n NAMESPACE patch secret NAME --type=json -p '[{"op":"remove","path":"/data/token"}]'"""


def await_known(known: Known, rotation: Rotation) -> None:
    """Until every API server accepts tokens of the new key: each publishes the keys by which it checks them."""
    wanted = key_id(rotation.newer)

    def look(host: Host) -> str:
        known_keys = accepted(known.session.live.kube(host))
        return "" if wanted in known_keys else "kube-apiserver does not accept the new key yet"

    await_(known, TOKENS, lambda: on_servers(known, look))


def accepted(api: KubeApi) -> tuple[str, ...]:
    """The names of the keys by which an API server checks tokens."""
    said = api.get("/openid/v1/jwks") or {}
    with understood("the API server", said, "kubernetes"):
        return tuple(text(one.get("kid", "")) for one in mappings(said.get("keys")))


def await_expired(known: Known, rotation: Rotation) -> None:
    """Until every token has expired that an API server has signed with the old key; they sign with the new one since
    they were started."""
    _refuse_endless(known, rotation)
    needed = longest(known.session.live.kube()) + MARGIN
    lived = Probe("lived", (SERVER,))

    def left(host: Host) -> str:
        minutes = -(-(needed - seconds(known, host, lived)[0]) // 60)
        return "" if minutes <= 0 else f"{minutes} minutes until the tokens of the old key have expired"

    await_(known, TOKENS, lambda: on_servers(known, left), needed + SECONDS, PACE)


def longest(api: KubeApi) -> int:
    """The seconds for which the longest token in any pod is valid."""
    pods = (api.get("/api/v1/pods") or {}).get("items", [])
    volumes = [volume for pod in pods for volume in pod.get("spec", {}).get("volumes", ())]
    sources = [source for volume in volumes for source in volume.get("projected", {}).get("sources", ())]
    found = (source.get("serviceAccountToken", {}).get("expirationSeconds") for source in sources)
    return max([TOKEN_SECONDS, *(seconds for seconds in found if seconds)])


def _refuse_endless(known: Known, rotation: Rotation) -> None:
    """NotReadyError while a Secret holds a token without an end that the old key has signed."""
    old = key_id(rotation.older or b"")
    secrets = (known.session.live.kube().get(LEGACY) or {}).get("items", [])
    found = [one["metadata"] for one in secrets if signed_by(_token(one)) == old]
    if found:
        raise NotReadyError(
            "Secrets hold tokens without an end that the old key has signed: they would be refused",
            evidence="\n".join(f"{one.get('namespace', '')}/{one['name']}" for one in found),
            waited_for="these Secrets to hold tokens of the new key",
            hint=(
                f"for each: {REISSUE}   (Kubernetes writes a new token at once; give it to all who use the old one);"
                " then run the same command again"
            ),
        )


def _token(secret: Mapping[str, Any]) -> str:
    data = data_of(secret)
    with understood("the API server", None, "kubernetes"):
        return base64.b64decode(data.get("token", "")).decode(errors="replace")
