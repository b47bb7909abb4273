"""Tokens of service accounts (JWT), as far as a rotation of their key needs them."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

from ..foreign.understanding import OTHERWISE
from .issuing import PrivateKey, load_key, public_pem
from .secret import Secret

SECONDS = 300  # for so long a token for a proof is valid
SKEW = 60  # so far behind ours an API server's clock may be


def key_id(public: bytes) -> str:
    """How a token names the public key (PEM) by which it is checked."""
    key = serialization.load_pem_public_key(public)
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return _text(hashlib.sha256(der).digest())


def signed_by(token: str) -> str:
    """The name of the key that a token says it was signed with; empty when it is no token."""
    try:
        head = token.partition(".")[0]
        return str(json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4))).get("kid", ""))
    except OTHERWISE:
        return ""


@dataclass(frozen=True)
class Account:
    """A service account as its tokens name it."""

    namespace: str
    name: str
    uid: str


def token(private: bytes, issuer: str, account: Account) -> Secret:
    """A token of an account that this key (PEM) signs, for the API itself and a few minutes."""
    key, now = load_key(private, "the key of service account tokens"), int(time.time()) - SKEW
    head = {"alg": _algorithm(key), "kid": key_id(public_pem(key))}
    own = {"namespace": account.namespace, "serviceaccount": {"name": account.name, "uid": account.uid}}
    subject = f"system:serviceaccount:{account.namespace}:{account.name}"
    times = {"iat": now, "nbf": now, "exp": now + SKEW + SECONDS}
    claims = {"iss": issuer, "aud": [issuer], "sub": subject, "kubernetes.io": own, **times}
    body = f"{_json(head)}.{_json(claims)}"
    return Secret(f"{body}.{_text(_signature(key, body.encode()))}".encode())


def _algorithm(key: PrivateKey) -> str:
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        return "RS256"
    return "ES384" if key.key_size > 256 else "ES256"


def _signature(key: PrivateKey, body: bytes) -> bytes:
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(body, padding.PKCS1v15(), hashes.SHA256())
    digest = hashes.SHA384() if key.key_size > 256 else hashes.SHA256()
    numbers = utils.decode_dss_signature(key.sign(body, ec.ECDSA(digest)))
    return b"".join(number.to_bytes(key.key_size // 8, "big") for number in numbers)


def _json(document: object) -> str:
    return _text(json.dumps(document, separators=(",", ":")).encode())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
