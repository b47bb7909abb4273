"""`hardway kubeconfig` as it is typed, above all --merge: into a file that belongs to somebody."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from failures.desk import Desk, keys_of
from stage import Ran

pytestmark = pytest.mark.slow

THEIRS = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "work", "cluster": {"server": "https://work.example.org"}}],
    "users": [{"name": "me", "user": {"token": "t"}}],
    "contexts": [{"name": "work", "context": {"cluster": "work", "user": "me"}}],
    "current-context": "work",
}


class Home(Desk):
    """A desk with a home folder of its own, and the keys of its cluster as a bootstrap leaves them."""

    def __init__(self, folder: Path):
        super().__init__(folder, {"HOME": str(folder), "KUBECONFIG": ""})
        self.cluster = self.inventory()
        keys_of(self.cluster, folder / ".hardway/refused")

    @property
    def config(self) -> Path:
        return self.folder / ".kube/config"

    def merge(self, *words: str | Path, kubeconfig: str = "") -> Ran:
        return self.hardway("kubeconfig", self.cluster, "--merge", *words, environment={"KUBECONFIG": kubeconfig})

    def theirs(self, name: str = ".kube/config") -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(THEIRS))
        return path


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    yield Home(tmp_path)


def names(path: Path, section: str = "contexts") -> list[str]:
    return [entry["name"] for entry in yaml.safe_load(path.read_text())[section]]


def private(path: Path) -> bool:
    return stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_is_printed_and_written(home: Home):
    printed = home.hardway("kubeconfig", home.cluster).ok().out
    home.hardway("kubeconfig", home.cluster, "-o", "mine.conf").ok()
    written = home.folder / "mine.conf"
    assert written.read_text() == printed and names(written) == ["refused"] and private(written)
    assert "cannot write mine.conf" in home.hardway("kubeconfig", home.cluster, "-o", "mine.conf").ok(2).err


def test_merging_makes_the_file(home: Home):
    assert f"merged into {home.config}" in home.merge().ok().out
    assert names(home.config) == ["refused"] and private(home.config)
    printed = yaml.safe_load(home.hardway("kubeconfig", home.cluster).ok().out)
    assert {**yaml.safe_load(home.config.read_text()), "preferences": {}} == printed


def test_merging_keeps_other_contexts_and_the_file_as_it_was(home: Home):
    before = home.theirs().read_text()
    ran = home.merge().ok()
    assert names(home.config) == ["work", "refused"] and names(home.config, "users") == ["me", "refused-admin"]
    [kept] = home.config.parent.glob("config.before-*")
    assert kept.read_text() == before and str(kept) in ran.out and private(kept) and private(home.config)
    assert yaml.safe_load(home.config.read_text())["current-context"] == "refused"


def test_merging_twice_changes_nothing_but_closes_a_file_that_was_opened_to_others(home: Home):
    home.theirs()
    home.merge().ok()
    home.config.chmod(0o644)
    before = sorted((path, path.read_bytes()) for path in home.config.parent.iterdir())
    assert "already holds the same entries" in home.merge().ok().out
    assert sorted((path, path.read_bytes()) for path in home.config.parent.iterdir()) == before and private(home.config)


NO_KUBECONFIGS = {
    b"contexts: [": ": expected the node content",
    b"just words\n": ": it is no mapping",
    b"contexts: {}\n": ": contexts: it is no list",
    b"clusters: 5\n": ": clusters: it is no list",
    b"users: [{name: a}, {name: 5}]\n": ": users: the name of entry 2 is no string",
    b"users: [{name: [a]}]\n": ": users: the name of entry 1 is no string",
    b"users: [3]\n": ": users: entry 1 has no name",
    b"clusters: [{name: a}, {name: b}, {name: a}]\n": ": clusters: it has a twice",
    b"services: {}\n": ": it has none of the keys clusters, users, contexts, apiVersion, kind",
    b"[]\n": ": it is no mapping",
    b"false\n": ": it is no mapping",
    b"''\n": ": it is no mapping",
    b"{}\n---\n{}\n": ": but found another document",
    b"# caf\xe9\n": ": it is not UTF-8",
    "kind: Config\n".encode("utf-16"): ": it is not UTF-8",
    b"kind: Secret\n": ": its kind is Secret",
    b"apiVersion: v2\nkind: Config\n": ": its apiVersion is v2",
}


@pytest.mark.parametrize(("data", "why"), NO_KUBECONFIGS.items(), ids=repr)
def test_a_file_that_is_no_kubeconfig_is_left_alone(home: Home, data: bytes, why: str):
    home.theirs().write_bytes(data)
    ran = home.merge().ok(8)
    assert f"{home.config} is not a kubeconfig{why}" in ran.err and "next: repair or move" in ran.err and ran.out == ""
    assert home.config.read_bytes() == data and len(list(home.config.parent.iterdir())) == 1


@pytest.mark.parametrize("text", ["", "\n", "# mine\n", "---\n", "null\n", "\ufeffkind: Config\n", "{}\n"])
def test_a_file_that_says_nothing_is_filled(home: Home, text: str):
    home.theirs().write_text(text)
    home.merge().ok()
    assert names(home.config) == ["refused"]
    printed = home.hardway("kubeconfig", home.cluster).ok().out
    assert {**yaml.safe_load(home.config.read_text()), "preferences": {}} == yaml.safe_load(printed)


def test_a_file_can_be_named(home: Home):
    home.merge("~/other/config").ok()
    assert names(home.folder / "other/config") == ["refused"] and not home.config.exists()


def test_kubeconfig_names_the_file(home: Home):
    """As kubectl has it: the first of several that is there, the last when none is. No place in the list is no file."""
    first, second = home.folder / "first", home.folder / "second"
    home.merge(kubeconfig=f":{first}:{second}").ok()
    assert names(second) == ["refused"] and not first.exists()
    second.unlink()
    home.theirs("second")
    home.merge(kubeconfig=f"{first}:{second}:{home.folder}/third").ok()
    assert names(second) == ["work", "refused"] and not first.exists() and not home.config.exists()


def test_a_kubeconfig_in_a_state_directory_is_not_added_to(home: Home):
    """`hardway env` of another cluster leads KUBECONFIG there; bootstrap would write that file anew."""
    other = home.folder / ".hardway/other"
    keys_of(home.inventory("other", cluster="other"), other)
    before = (other / "admin.conf").read_bytes()
    home.merge(kubeconfig=str(other / "admin.conf")).ok()
    assert (other / "admin.conf").read_bytes() == before and names(home.config) == ["refused"]


def test_an_inventory_stays_one(home: Home):
    before = home.cluster.read_bytes()
    assert "is not a kubeconfig: it has none of the keys" in home.merge(home.cluster).ok(8).err
    assert home.cluster.read_bytes() == before


@pytest.mark.parametrize("kubeconfig", [False, True])
def test_what_is_no_file_stays_what_it_is(home: Home, kubeconfig: bool):
    """A pipe has no end as long as somebody may write to it; a device would become a file with a key."""
    pipe = home.folder / "pipe"
    os.mkfifo(pipe)
    ran = home.merge(kubeconfig=str(pipe)) if kubeconfig else home.merge(pipe)
    assert "it is no file" in ran.ok(8).err and "--merge FILE" in ran.err and pipe.is_fifo()


def test_what_cannot_be_is_refused(home: Home):
    (home.folder / "folder").mkdir()
    assert "cannot merge into folder: Is a directory" in home.merge("folder").ok(8).err
    assert (
        "-o and --merge cannot be used together"
        in home.hardway("kubeconfig", home.cluster, "-o", "x", "--merge").ok(2).err
    )
    other = home.inventory("unbuilt", cluster="unbuilt")
    assert f"next: create it: hardway bootstrap {other}" in home.hardway("kubeconfig", other, "--merge").ok(8).err
    assert not home.config.exists()


def other_cluster(home: Home, **changes: object) -> str:
    """Somebody's file with a cluster of this name that is another one; its text."""
    other = home.folder / ".hardway/other"
    keys_of(home.cluster, other)
    theirs = yaml.safe_load((other / "admin.conf").read_text())
    theirs["clusters"][0]["cluster"] |= {"server": "https://old.example.org:6443", **changes}
    theirs["contexts"] += THEIRS["contexts"]
    home.theirs().write_text(yaml.safe_dump({**theirs, "current-context": "work"}))
    return home.config.read_text()


def test_a_cluster_of_the_same_name_and_another_ca_is_named(home: Home):
    before = other_cluster(home)
    told = home.merge().ok().out
    assert "the current context is now refused; it was work" in told
    assert "warning: it replaces another cluster refused at https://old.example.org:6443, with the CA " in told
    assert "replaced: clusters/refused, users/refused-admin" in told and "contexts" not in told
    [kept] = home.config.parent.glob("config.before-*")
    assert f"the old file is {kept}" in told and kept.read_text() == before


@pytest.mark.parametrize(
    ("ca", "said"),
    [
        ({"certificate-authority-data": "%%%"}, "with a CA that cannot be read"),
        ({"certificate-authority-data": 5}, "with a CA that cannot be read"),
        ({"certificate-authority-data": None}, "with a CA that cannot be read"),
        ({"server": "https://x/\x1b[2J"}, "at https://x/\\u001b[2J, with the CA"),
        ({"server": None}, "at no server, with the CA"),
        ({"server": "https://x\nwarning: no"}, "at https://x warning: no, with the CA"),
    ],
)
def test_what_is_replaced_may_be_anything(home: Home, ca: dict, said: str):
    other_cluster(home, **ca)
    ran = home.merge().ok()
    assert said in ran.out and "\x1b" not in ran.out


def test_an_empty_entry_of_the_same_name_is_replaced(home: Home):
    home.theirs().write_text(yaml.safe_dump({"clusters": [{"name": "refused"}], "contexts": None}))
    assert "another cluster refused at no server, with no CA" in home.merge().ok().out


def test_the_same_cluster_with_a_new_certificate_is_no_other_one(home: Home):
    home.merge().ok()
    config = yaml.safe_load(home.config.read_text())
    config["users"][0]["user"] = {"token": "t"}
    home.config.write_text(yaml.safe_dump(config))
    told = home.merge().ok().out
    assert "warning" not in told and "replaced: users/refused-admin\n" in told


def test_the_namespace_of_a_context_stays_with_its_cluster(home: Home):
    home.merge().ok()
    config = yaml.safe_load(home.config.read_text())
    config["contexts"][0]["context"]["namespace"] = "web"
    home.config.write_text(yaml.safe_dump(config))
    assert "already holds the same entries" in home.merge().ok().out
    config["contexts"][0]["context"] |= {"user": "other"}
    home.config.write_text(yaml.safe_dump(config))
    assert "replaced: contexts/refused\n" in home.merge().ok().out
    context = yaml.safe_load(home.config.read_text())["contexts"][0]["context"]
    assert context == {"cluster": "refused", "user": "refused-admin", "namespace": "web"}
    config["contexts"][0]["context"] |= {"cluster": "elsewhere"}
    home.config.write_text(yaml.safe_dump(config))
    home.merge().ok()
    context = yaml.safe_load(home.config.read_text())["contexts"][0]["context"]
    assert context == {"cluster": "refused", "user": "refused-admin"}, "the namespace was one of another cluster"


def test_contexts_that_use_one_entry_of_what_is_replaced_are_named(home: Home):
    other_cluster(home)
    config = yaml.safe_load(home.config.read_text())
    uses = {"both": ("refused", "refused-admin"), "mine": ("refused", "me"), "there": ("work", "refused-admin")}
    config["contexts"] += [
        {"name": name, "context": dict(zip(("cluster", "user"), pair, strict=True))} for name, pair in uses.items()
    ]
    home.config.write_text(yaml.safe_dump(config))
    warnings = [line for line in home.merge().ok().out.splitlines() if line.startswith("warning: context ")]
    assert warnings == [
        "warning: context mine uses cluster refused as user me, and its cluster refused is another one now",
        "warning: context there uses cluster work as user refused-admin, and its user refused-admin is another one now",
    ]
