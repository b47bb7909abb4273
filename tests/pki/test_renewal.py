"""A certificate that somebody asks to have renewed gets a new key, and no moment leaves it without one."""

from __future__ import annotations

import shutil

import pytest
from cryptography import x509
from fakes.state_deaths import each_death

from hardway.errors import PkiError
from hardway.pki.certificates import definition
from hardway.pki.credentials import Credentials
from hardway.pki.issuing import load_key, matches
from hardway.pki.leaf import Leaf
from hardway.state.statedir import Overlay, StateDir

pytestmark = pytest.mark.slow


def leaf(cluster, store, name="scheduler") -> Leaf:
    return Leaf(definition(name), None, cluster, store)


def pair(store, name="scheduler") -> tuple[x509.Certificate, object]:
    """What lies in the two files."""
    return x509.load_pem_x509_certificate(store.read(f"pki/{name}.crt")), load_key(store.read(f"pki/{name}.key"), name)


def changed(before, after):
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


@pytest.mark.parametrize("keep", [True, False])
def test_the_next_run_issues_it_again_and_nothing_else(credentials, cluster, again, store, contents, keep):
    before, (old, old_key) = contents(), pair(store)
    leaf(cluster, store).ask(keep_key=keep)
    assert again(cluster).plan() == ["pki/scheduler.crt: renewal was asked for"]
    assert again(cluster).ensure_all() == ["pki/scheduler.crt: renewal was asked for"]
    assert changed(before, contents()) == {"pki/scheduler.crt"} | (set() if keep else {"pki/scheduler.key"})
    new, new_key = pair(store)
    assert new.serial_number != old.serial_number and matches(new, new_key)
    assert (new_key.private_numbers() == old_key.private_numbers()) is keep
    kept = {path.name: path.read_bytes() for path in (store.path / "pki/old").rglob("scheduler.*")}
    assert kept["scheduler.crt"] == before["pki/scheduler.crt"]
    assert again(cluster).ensure_all() == [] and again(cluster).plan() == []


def test_asking_twice_is_asking_once(credentials, cluster, store, contents):
    leaf(cluster, store).ask(keep_key=False)
    before = contents()
    leaf(cluster, store).ask(keep_key=False)
    assert contents() == before


def test_a_mark_means_the_certificate_that_it_names(credentials, cluster, again, store):
    """Whatever issued another one meanwhile has done what was asked for."""
    asked = leaf(cluster, store)
    asked.ask(keep_key=True)
    mark = store.read(asked.mark)
    again(cluster).ensure_all()
    store.create(asked.mark, mark)
    assert not asked.asked and again(cluster).plan() == []


def test_a_plan_renews_in_memory_alone(credentials, cluster, again, store, contents):
    leaf(cluster, store).ask(keep_key=False)
    before = contents()
    copy = Overlay(store)
    assert Credentials(cluster, copy).ensure_all() == ["pki/scheduler.crt: renewal was asked for"]
    assert contents() == before and "pki/scheduler.next.key" not in copy.names()
    assert {"pki/scheduler.crt", "pki/scheduler.key"} <= copy.written


def test_a_run_that_is_killed_at_any_write_is_completed_by_the_next(credentials, cluster, store, tmp_path):
    kept = tmp_path / "kept"
    shutil.copytree(store.path, kept)
    old, old_key = pair(store)

    def start() -> None:
        shutil.rmtree(store.path)
        shutil.copytree(kept, store.path)

    def renewal() -> None:
        leaf(cluster, StateDir(store.path)).ask(keep_key=False)
        Credentials(cluster, StateDir(store.path)).ensure_all()

    for _ in each_death(renewal, start):
        state = StateDir(store.path)
        # Whoever only reads at this moment finds a certificate and its key.
        read = Credentials(cluster, Overlay(state)).certificate("scheduler")
        assert matches(x509.load_pem_x509_certificate(read.cert), load_key(read.key.reveal(), "key"))
        renewal()
        new, new_key = pair(state)
        assert new.serial_number != old.serial_number and matches(new, new_key)
        assert new_key.private_numbers() != old_key.private_numbers()
        assert Credentials(cluster, StateDir(store.path)).plan() == []
        assert not {name for name in state.names() if name.endswith((".next.key", ".renew"))}


def test_a_key_that_belongs_to_nothing_is_still_refused(credentials, cluster, again, store):
    leaf(cluster, store).ask(keep_key=False)
    (store.path / "pki/scheduler.key").write_bytes(store.read("pki/admin.key"))
    with pytest.raises(PkiError, match="is not the key of"):
        again(cluster).ensure_all()


def test_nobody_can_renew_through_a_store_that_is_looked_at(credentials, cluster, store):
    from hardway.errors import ReadOnlyError
    from hardway.state.statedir import Frozen

    with pytest.raises(ReadOnlyError):
        leaf(cluster, Frozen(store)).ask(keep_key=False)
    for act in (lambda frozen: frozen.succeed("pki/ca.key", "x"), lambda frozen: frozen.retire("pki/ca.key")):
        with pytest.raises(ReadOnlyError):
            act(Frozen(store))
