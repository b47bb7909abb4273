"""A CA, or the key of tokens, is replaced in stages: at every moment what is trusted has signed all that is in use."""

from __future__ import annotations

import base64
import datetime
import hashlib
import shutil
import subprocess
from types import SimpleNamespace

import pytest
from cryptography import x509
from fakes.past import long_ago
from fakes.state_deaths import each_death

from hardway.errors import PkiError
from hardway.pki.certificates import authorities, issued
from hardway.pki.credentials import Credentials
from hardway.pki.inspection import signed_by
from hardway.pki.issuing import certificate_pem, issue_ca, key_pem, load_key, matches, new_key, public_pem
from hardway.pki.reading import parsed
from hardway.pki.rotation import TOKENS, Rotation, Stage, rotations
from hardway.state.statedir import StateDir

pytestmark = pytest.mark.slow

NAMES = [authority.name for authority in authorities()]
STEPS = {
    Stage.NONE: lambda rotation, cluster: rotation.begin(cluster.pki),
    Stage.TRUST: lambda rotation, cluster: rotation.sign(),
    Stage.SIGN: lambda rotation, cluster: rotation.drop(),
    Stage.DROP: lambda rotation, cluster: rotation.finish(),
}


def step(cluster, store, name: str) -> Stage:
    """What the stage that is there begins; the stage afterwards."""
    rotation = Rotation(name, store)
    STEPS[rotation.stage](rotation, cluster)
    return rotation.stage


def leaves(credentials, name: str) -> list[x509.Certificate]:
    """All that a CA has signed, issued again where it has to be."""
    return [
        x509.load_pem_x509_certificate(credentials.certificate(row.name, host).cert)
        for row, host in issued(credentials.cluster)
        if row.ca == name
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_ca_is_replaced_in_three_stages(credentials, cluster, again, store, name, tmp_path):
    old, before = credentials.ca(name), set(store.names())
    assert step(cluster, store, name) is Stage.TRUST
    trust = again(cluster)
    assert trust.plan() == [] and trust.issuer(name) == old and len(parsed(trust.ca(name))) == 2
    assert step(cluster, store, name) is Stage.SIGN
    sign = again(cluster)
    new = sign.issuer(name)
    assert sign.ca(name) == trust.ca(name), "no host gets another list of CAs for this"
    assert new != old and Rotation(name, store).older == old
    assert all(signed_by(leaf, parsed(new)[0]) for leaf in leaves(sign, name))
    assert step(cluster, store, name) is Stage.DROP
    drop = again(cluster)
    assert drop.plan() == [] and drop.ca(name) == new and Rotation(name, store).older == old
    assert step(cluster, store, name) is Stage.NONE
    end = again(cluster)
    assert end.plan() == [] and end.ca(name) == end.issuer(name) == new and Rotation(name, store).older is None
    assert set(store.names()) == before
    assert matches(parsed(new)[0], load_key(end.ca_key(name).reveal(), name))
    kept = {path.name for path in (store.path / "pki/old").rglob(f"{name}*")}
    assert {f"{name}.former.key", f"{name}.retired.crt"} <= kept, "nothing that was a key is deleted"
    (tmp_path / "new.crt").write_bytes(new)
    (tmp_path / "leaf.crt").write_bytes(b"".join(store.read(f"{one}") or b"" for one in _first_leaf(cluster, name)))
    verified = subprocess.run(
        ["openssl", "verify", "-CAfile", "new.crt", "leaf.crt"], cwd=tmp_path, capture_output=True
    )
    assert verified.returncode == 0, verified.stderr


def _first_leaf(cluster, name: str) -> list[str]:
    row, host = next((row, host) for row, host in issued(cluster) if row.ca == name)
    return [f"pki/hosts/{host.name}/{row.name}.crt" if host else f"pki/{row.name}.crt"]


def test_the_key_of_tokens_is_replaced_in_the_same_stages(credentials, cluster, again, store):
    old = credentials.service_account()
    before = set(store.names())
    assert step(cluster, store, TOKENS) is Stage.TRUST
    trust = again(cluster).service_account()
    assert trust.private == old.private and trust.public.startswith(old.public) and trust.public != old.public
    assert step(cluster, store, TOKENS) is Stage.SIGN
    sign = again(cluster).service_account()
    assert sign.public == trust.public and sign.private != old.private
    assert public_pem(load_key(sign.private.reveal(), "sa")) in sign.public
    assert step(cluster, store, TOKENS) is Stage.DROP
    drop = again(cluster).service_account()
    assert drop.private == sign.private and old.public not in drop.public
    assert Rotation(TOKENS, store).older == old.public
    assert (
        load_key(Rotation(TOKENS, store).older_key or b"", "old").public_key()
        == load_key(old.private.reveal(), "old").public_key()
    )
    assert step(cluster, store, TOKENS) is Stage.NONE
    assert again(cluster).service_account() == drop and set(store.names()) == before
    assert again(cluster).ensure_all() == []


@pytest.mark.parametrize("name", [*NAMES, TOKENS])
def test_killed_at_any_write_of_any_stage_it_goes_on(credentials, cluster, store, name, tmp_path):
    kept = tmp_path / "kept"
    for stage in STEPS:
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(store.path, kept)
        assert Rotation(name, StateDir(store.path)).stage is stage

        def start(kept=kept) -> None:
            shutil.rmtree(store.path)
            shutil.copytree(kept, store.path)

        for _ in each_death(lambda: step(cluster, StateDir(store.path), name), start):
            state = StateDir(store.path)
            # Whoever has to prove that the old one is refused has something to prove it with.
            assert Rotation(name, state).stage is not Stage.DROP or Rotation(name, state).older_key
            usable(cluster, state, name)
            # The command reads the stage from what is there, and goes on to the end.
            seen = [Rotation(name, state).stage]
            while (now := step(cluster, state, name)) is not Stage.NONE:
                usable(cluster, state, name)
                seen.append(now)
            assert sorted(seen, key=list(Stage).index) == seen
            usable(cluster, state, name)
        # The last start was whole.
        usable(cluster, StateDir(store.path), name)
    assert Rotation(name, StateDir(store.path)).stage is Stage.NONE


def usable(cluster, store, name: str) -> None:
    """A run can work: everything that is issued is signed by what is trusted, each key is beside its certificate."""
    credentials = Credentials(cluster, StateDir(store.path))
    credentials.ensure_all()
    if name == TOKENS:
        pair = credentials.service_account()
        assert public_pem(load_key(pair.private.reveal(), "sa")) in pair.public
        return
    trusted = parsed(credentials.ca(name))
    assert parsed(credentials.issuer(name))[0] in trusted
    assert all(any(signed_by(leaf, ca) for ca in trusted) for leaf in leaves(credentials, name))
    assert matches(parsed(credentials.issuer(name))[0], load_key(credentials.ca_key(name).reveal(), name))


def brought(store, name: str, key: bytes, public: bytes) -> None:
    """Somebody puts a pair of their own where a rotation looks for the new one."""
    (store.path / "pki" / f"{name}.next.key").write_bytes(key)
    (store.path / "pki" / f"{name}.next.{'pub' if name == TOKENS else 'crt'}").write_bytes(public)


def made(name: str) -> tuple[bytes, bytes]:
    """(key, certificate or public key) of a new one."""
    key = new_key("ecdsa-p256")
    return key_pem(key), public_pem(key) if name == TOKENS else certificate_pem(issue_ca("brought", key, 100))


@pytest.mark.parametrize("name", ["etcd-ca", TOKENS])
def test_one_that_somebody_brings_takes_its_place_when_its_key_is_its_own(credentials, cluster, store, name):
    rotation, (key, public) = Rotation(name, store), made(name)
    brought(store, name, key, public)
    rotation.check_keys()
    while rotation.stage is not Stage.NONE:
        step(cluster, store, name)
        usable(cluster, store, name)
    assert (rotation.newer, store.read(f"pki/{name}.key")) == (public, key)


@pytest.mark.parametrize("name", ["etcd-ca", TOKENS])
def test_one_whose_key_is_not_its_own_is_refused_before_it_signs(credentials, cluster, store, contents, name):
    rotation, (_, public), (other, _) = Rotation(name, store), made(name), made(name)
    own = store.read(rotation.file("", "key"))
    for pair, said in (
        ((other, public), "is not the key of"),
        ((own, public), "is not the key of"),
        ((own, rotation.newer), "the key of the old one"),
        ((None, public), f"{name}.next.key is missing"),
    ):
        (store.path / "pki" / f"{name}.next.key").unlink(missing_ok=True)
        brought(store, name, pair[0] or b"", pair[1])
        if pair[0] is None:
            (store.path / "pki" / f"{name}.next.key").unlink()
        before = contents()
        with pytest.raises(PkiError, match=said) as refused:
            rotation.check_keys()
        assert f"{name}.next.key" in refused.value.hint
        # Until then a run only trusts it, whatever its key is.
        assert rotation.stage is Stage.TRUST
        usable(cluster, store, name)
        assert contents() == before


def test_without_the_key_of_the_old_one_nothing_takes_its_place(credentials, store):
    brought(store, "etcd-ca", *made("etcd-ca"))
    (store.path / "pki/etcd-ca.key").unlink()
    with pytest.raises(PkiError, match=r"etcd-ca\.key is missing"):
        Rotation("etcd-ca", store).check_keys()


@pytest.mark.parametrize("name", ["ca", TOKENS])
def test_what_is_damaged_is_brought_to_no_host(credentials, cluster, again, store, name):
    brought(store, name, *(content[:-40] for content in made(name)))
    with pytest.raises(PkiError, match=f"{name}.next"):
        again(cluster).ensure_all()


def test_a_new_ca_that_has_expired_is_brought_to_no_host(credentials, cluster, again, store):
    key = new_key("ecdsa-p256")
    with long_ago(years=2):
        expired = certificate_pem(issue_ca("brought", key, 100))
    brought(store, "ca", key_pem(key), expired)
    with pytest.raises(PkiError, match=r"the new CA .*/ca\.next\.crt cannot be used: it expired on"):
        again(cluster).ensure_all()


def test_an_old_key_that_a_killed_run_has_left_is_not_taken_for_that_of_the_next(credentials, cluster, store):
    first = store.read("pki/etcd-ca.key")
    for _ in range(3):
        step(cluster, store, "etcd-ca")
    rotation = Rotation("etcd-ca", store)
    assert rotation.older_key == first
    store.retire(rotation.file("retired"))  # and then it was killed
    second = store.read("pki/etcd-ca.key")
    brought(store, "etcd-ca", *made("etcd-ca"))
    for _ in range(2):
        step(cluster, store, "etcd-ca")
    assert rotation.older_key == second


def test_two_of_one_day_have_different_names(credentials, cluster, again, store, monkeypatch):
    names, morning = set(), datetime.datetime(2030, 1, 1, 8, tzinfo=datetime.UTC)
    for second in range(2):
        moment = morning + datetime.timedelta(seconds=second)
        clock = SimpleNamespace(datetime=SimpleNamespace(now=lambda zone, moment=moment: moment), UTC=datetime.UTC)
        monkeypatch.setattr("hardway.pki.rotation.datetime", clock)
        while step(cluster, store, "etcd-ca") is not Stage.NONE:
            usable(cluster, store, "etcd-ca")
        names.add(parsed(again(cluster).issuer("etcd-ca"))[0].subject.rfc4514_string())
    assert len(names) == 2


@pytest.mark.parametrize("name", ["etcd-ca", TOKENS])
def test_every_one_that_ever_was_is_known_and_no_other(credentials, cluster, store, name):
    digest = lambda pem: hashlib.sha256(base64.b64decode(b"".join(pem.split(b"\n")[1:-2]))).hexdigest()[:16]  # noqa: E731
    rotation, ever = Rotation(name, store), set()
    for _ in range(2):
        while step(cluster, store, name) is not Stage.NONE:
            ever |= {digest(one) for one in rotation.known}
    assert len(ever) == 3 and all(rotation.knows(one) for one in ever)
    assert not rotation.knows(digest(made(name)[1])) and not rotation.knows(digest(store.read("pki/ca.crt")))


def test_one_rotation_leaves_the_others_alone(credentials, cluster, again, store):
    before = {name: credentials.ca(name) for name in NAMES}
    step(cluster, store, "etcd-ca")
    assert {name for name in NAMES if again(cluster).ca(name) != before[name]} == {"etcd-ca"}
    assert [one.name for one in rotations(store) if one.stage is not Stage.NONE] == ["etcd-ca"]


def test_a_ca_without_a_line_end_stays_as_it_is_and_can_still_be_joined(cluster, store):
    made = Credentials(cluster, StateDir(store.path))
    made.ensure_all()
    path = store.path / "pki/ca.crt"
    path.write_bytes(path.read_bytes().rstrip())
    assert Credentials(cluster, store).ca() == path.read_bytes()
    step(cluster, store, "ca")
    assert len(parsed(Credentials(cluster, store).ca())) == 2


def test_requests_are_signed_with_one_certificate_whatever_else_is_in_the_file(cluster, store):
    """A controller manager that is given a chain ends at once."""
    made = Credentials(cluster, StateDir(store.path))
    made.ensure_all()
    path, root = store.path / "pki/ca.crt", made.ca("etcd-ca")
    alone = path.read_bytes()
    path.write_bytes(b"# our CA\n" + alone + root)
    credentials = Credentials(cluster, store)
    assert credentials.issuer() == alone and credentials.mark() == path.read_bytes() == credentials.ca()
    assert credentials.plan("pki") == []
