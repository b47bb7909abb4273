"""A token for a proof is one that an API server would judge: well-formed, and checked by the key that it names."""

from __future__ import annotations

import base64
import json
import subprocess

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

from hardway.pki.issuing import key_pem, new_key, public_pem
from hardway.pki.tokens import Account, key_id, signed_by, token

pytestmark = pytest.mark.slow

ACCOUNT = Account("kube-system", "default", "0b6a")


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


@pytest.mark.parametrize(
    ("algorithm", "name"), [("ecdsa-p256", "ES256"), ("ecdsa-p384", "ES384"), ("rsa-2048", "RS256")]
)
def test_it_is_signed_as_it_says(algorithm, name):
    key = new_key(algorithm)
    made = token(key_pem(key), "https://issuer", ACCOUNT).reveal().decode()
    head, body, signature = made.split(".")
    assert json.loads(decoded(head)) == {"alg": name, "kid": key_id(public_pem(key))}
    claims = json.loads(decoded(body))
    assert claims["sub"] == "system:serviceaccount:kube-system:default" and claims["aud"] == ["https://issuer"]
    assert claims["kubernetes.io"]["serviceaccount"] == {"name": "default", "uid": "0b6a"}
    assert 0 < claims["exp"] - claims["iat"] < 3600
    signed, raw = f"{head}.{body}".encode(), decoded(signature)
    if name == "RS256":
        key.public_key().verify(raw, signed, padding.PKCS1v15(), hashes.SHA256())
        return
    half = len(raw) // 2
    numbers = utils.encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))
    key.public_key().verify(numbers, signed, ec.ECDSA(hashes.SHA384() if name == "ES384" else hashes.SHA256()))


def test_a_key_is_named_by_the_digest_of_its_public_half(tmp_path):
    """As kubernetes does (pkg/serviceaccount/jwt.go: keyIDFromPublicKey)."""
    public = public_pem(new_key("ecdsa-p256"))
    script = "openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64 -w0"
    said = subprocess.run(["sh", "-c", script], input=public, capture_output=True, check=True).stdout.decode()
    assert key_id(public) == said.rstrip("=").replace("+", "-").replace("/", "_")


@pytest.mark.parametrize("text", ["", "a", "a.b.c", "bnVsbA.b.c", "eyJh.b.c", "ö.b.c", "W10.b.c"])
def test_what_is_no_token_names_no_key(text):
    assert signed_by(text) == ""


def test_a_token_names_its_key():
    key = new_key("ecdsa-p256")
    assert signed_by(token(key_pem(key), "issuer", ACCOUNT).reveal().decode()) == key_id(public_pem(key))
