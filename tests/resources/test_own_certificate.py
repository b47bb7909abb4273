"""A kubelet goes on with the certificate that it has had signed for itself, until that would be of no more use."""

from __future__ import annotations

import base64

import pytest

from hardway.pki.issuing import Profile, certificate_pem, issue_ca, issue_leaf, new_key
from hardway.resources import File, OwnCertificate, Unit
from hardway.resources.base import Situation
from hardway.run.comparing import compare, held
from hardway.vocabulary import Blob, Probe

OWN, CONF = "/var/lib/kubelet/pki/kubelet-client-current.pem", "/etc/kubernetes/kubelet.conf"
KEYS = [new_key("ecdsa-p256") for _ in range(2)]
CA, OTHER = (issue_ca(name, key, 10) for name, key in zip(("ca", "other"), KEYS, strict=True))
WHO = Profile("system:node:worker-0", ("system:nodes",))


def leaf(ca=CA, key=KEYS[0]) -> bytes:
    return certificate_pem(issue_leaf(WHO, new_key("ecdsa-p256"), ca, key, 1))


FIRST, SIGNED = leaf(), leaf()


def resource(first: bytes = FIRST, issuer=CA) -> OwnCertificate:
    return OwnCertificate(OWN, CONF, first, certificate_pem(issuer))


def told(own: bytes | None, given: bytes | None) -> dict[Probe, str]:
    """What a host says of the two files."""
    inside = f"ca Q0E=\nclient {base64.b64encode(given).decode()}" if given else "absent"
    return {Probe("certificates", (OWN,)): "absent" if own is None else own.decode(),
            Probe("certificates", (CONF,)): inside}  # fmt: skip


@pytest.mark.parametrize(
    ("own", "given", "why"),
    [
        (None, None, ""),
        (None, FIRST, ""),
        (SIGNED, FIRST, ""),
        (SIGNED, leaf(), "gets another certificate"),
        (leaf(OTHER, KEYS[1]), FIRST, "the CA that signs now has not signed it"),
        (leaf(OTHER, KEYS[1]), None, "the CA that signs now has not signed it"),
        (b"broken", FIRST, "it cannot be read"),
    ],
)
def test_when_it_is_taken_away(own, given, why):
    change = resource().compare(Situation(told(own, given)))
    assert (change.why[0] if change else "") == "" if not why else why in change.why[0]
    assert not change or [str(op) for op in change.ops] == [f"discard {OWN}"]


def test_it_belongs_into_the_turn_of_the_unit_which_is_restarted_for_it():
    """Also when no file changes: the stamp is taken away first, so that a run that dies leaves a unit to restart."""
    conf = File(CONF, Blob(b"as it is"), "600")
    unit = Unit("kubelet.service", (conf,), watches=frozenset({OWN}))
    state = f"ActiveState=active\nUnitFileState=enabled\nInvocationID=1\nStamp={unit.digest}"
    answers = told(leaf(OTHER, KEYS[1]), FIRST) | {
        conf.probes()[0]: f"file 600 root root 8 {conf.blob.sha256}",
        Probe("unit", ("kubelet.service",)): state,
    }
    changes = compare([resource(), conf, unit], answers)
    assert [change.key for change in changes] == [f"certificate {OWN}", "unit kubelet.service"] and held(
        changes
    ) == changes
    assert [op.verb for op in changes[1].before] == ["unstamp"] and changes[1].restarts
    # Without the file a run that goes on finds no stamp, and restarts.
    later = compare([resource(), conf, unit], answers | told(None, FIRST) | {
        Probe("unit", ("kubelet.service",)): state.replace(unit.digest, "")})  # fmt: skip
    assert [change.key for change in later] == ["unit kubelet.service"] and later[0].restarts
