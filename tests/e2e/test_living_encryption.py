"""The encryption of Secrets changed while Secrets are written, read and listed all the time: no call fails, every
Secret can be read, and new ones are stored as the inventory says.

Each test is a step of one story; the Secrets of the first are there to the last.
"""

from __future__ import annotations

import base64
import http.client
import itertools
import json
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from canary import Canary
from stage import Ran, Stage, of_the_lab, run
from watched import Watched

pytestmark = [pytest.mark.lab, pytest.mark.soak]

CONTROLLERS = ["controller-0", "controller-1", "controller-2"]
UNIT = "unit kube-apiserver.service"
SECRETS = "/api/v1/namespaces/default/secrets"
PREFIX = {"aescbc": "k8s:enc:aescbc:v1:key1:", "secretbox": "k8s:enc:secretbox:v1:key1:", "none": "k8s\0"}


class Api:
    """The API at the load balancer, by the kubeconfig of the administrator; each call has a connection of its own."""

    def __init__(self, stage: Stage):
        config = yaml.safe_load((stage.state / "admin.conf").read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        decoded = {name: base64.b64decode(text) for name, text in (cluster | user).items() if name.endswith("-data")}
        self.host, _, port = cluster["server"].removeprefix("https://").partition(":")
        self.port = int(port)
        self.context = ssl.create_default_context(cadata=decoded["certificate-authority-data"].decode())
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "client.pem")
            file.touch(0o600)
            file.write_bytes(decoded["client-certificate-data"] + decoded["client-key-data"])
            self.context.load_cert_chain(file)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The answer; AssertionError when it is none of success, OSError or HTTPException without any."""
        connection = http.client.HTTPSConnection(self.host, self.port, timeout=10, context=self.context)
        try:
            connection.request(method, path, body and json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            said = response.read()
        finally:
            connection.close()
        assert response.status < 300, f"{method} {path}: {response.status} {said[:300]!r}"
        return json.loads(said)


class Busy:
    """Somebody who writes Secrets and reads them, and somebody who lists all there are; a context manager."""

    # Seconds between two: each Secret makes every list longer.
    WRITE, LIST = 0.5, 0.1

    def __init__(self, stage: Stage, numbers: Iterator[int], known: dict[str, str]):
        self.api, self.numbers, self.known = Api(stage), numbers, known
        self.failed: list[str] = []
        self.calls = 0
        self._over = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._write, self._list)]

    def __enter__(self) -> Busy:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, pace: float, work: Callable[[], None]) -> None:
        while not self._over.wait(pace):
            began = time.time()
            try:
                work()
            except (OSError, http.client.HTTPException, AssertionError) as error:
                self.failed.append(f"{time.time() - began:.3f} s: {type(error).__name__} {error}")
            self.calls += 1

    def _write(self) -> None:
        def one() -> None:
            name = f"beat-{next(self.numbers)}"
            body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"said": name}}
            self.api.call("POST", SECRETS, body)
            self.known[name] = name
            assert self._said(self.api.call("GET", f"{SECRETS}/{name}")) == name

        self._repeat(self.WRITE, one)

    def _list(self) -> None:
        def one() -> None:
            before = dict(self.known)
            found = {item["metadata"]["name"] for item in self.api.call("GET", "/api/v1/secrets")["items"]}
            assert before.keys() <= found, f"missing: {sorted(before.keys() - found)[:5]}"

        self._repeat(self.LIST, one)

    def all_are_readable(self) -> None:
        """Some Secrets of every time, each read by an API server in etcd and not in its memory."""
        for name in [*self.known][:: len(self.known) // 50 + 1]:
            assert self._said(self.api.call("GET", f"{SECRETS}/{name}")) == name

    @staticmethod
    def _said(secret: dict[str, Any]) -> str:
        return base64.b64decode(secret["data"]["said"]).decode()


@pytest.fixture(scope="module")
def stage(make_stage: Callable[[dict], Stage]) -> Stage:
    """A load balancer, three control-plane hosts with etcd, one worker."""
    inventory = of_the_lab("secrets", node="10.238.1", pods="10.199", services="10.79.0")
    inventory["hosts"] = [host for host in inventory["hosts"] if host["name"] != "worker-1"]
    stage = make_stage({**inventory, "addons": {"coredns": {"replicas": 1}}, "encryption": {"provider": "aescbc"}})
    stage.hardway("assets", "fetch", "INV", timeout=2400).ok()
    stage.lab("up")
    stage.bootstrap()
    return stage


@pytest.fixture(scope="module")
def canary(stage: Stage) -> Canary:
    return Canary(stage).settle()


@pytest.fixture(scope="module")
def written() -> tuple[Iterator[int], dict[str, str]]:
    """The numbers of the Secrets to come, and what is in those that were written."""
    return itertools.count(), {}


@pytest.fixture
def busy(stage: Stage, written: tuple[Iterator[int], dict[str, str]]) -> Iterator[Busy]:
    """Somebody is busy with Secrets during the whole test, and notices nothing."""
    with Busy(stage, *written) as busy:
        yield busy
    assert busy.calls > 5 and busy.failed == [], f"{len(busy.failed)} of {busy.calls} calls: {busy.failed[:5]}"
    busy.all_are_readable()


def provider(stage: Stage, name: str) -> None:
    stage.edit(lambda inventory: inventory.update(encryption={"provider": name}))


def raw(stage: Stage, path: str) -> str:
    """How a value in etcd begins, with its line ends as blanks."""
    flags = "--cacert=/etc/etcd/pki/ca.crt --cert=/etc/etcd/pki/server.crt --key=/etc/etcd/pki/server.key"
    command = f"/usr/local/bin/etcdctl {flags} get --print-value-only {path} | head -c 26 | base64 -w0"
    return base64.b64decode(stage.ssh(CONTROLLERS[0], command)).decode("latin-1").replace("\n", " ")


def stored(stage: Stage, busy: Busy) -> str:
    """The provider of a Secret that is written now."""
    name = f"beat-{next(busy.numbers)}"
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"said": name}}
    busy.api.call("POST", SECRETS, body)
    busy.known[name] = name
    found = raw(stage, f"/registry/secrets/default/{name}")
    return next((kind for kind, prefix in PREFIX.items() if found.startswith(prefix)), found)


def turns(ran: Ran) -> dict[str, list[str]]:
    """The hosts whose API server each phase restarted."""
    phases = sorted({phase for phase, _, resource in ran.changes if resource == UNIT})
    return {
        name: sorted(host for phase, host, resource in ran.changes if (phase, resource) == (name, UNIT))
        for name in phases
    }


def nothing_to_do(stage: Stage) -> None:
    assert "no changes" in stage.hardway("plan", "INV", "--exit-code").ok().out


class TestEncryption:
    chain = True

    def test_a_cluster_with_secrets_in_it(self, stage: Stage, canary: Canary, busy: Busy):
        assert stored(stage, busy) == "aescbc"
        stage.verified()

    def test_a_run_limited_to_one_host_is_refused(self, stage: Stage, busy: Busy):
        provider(stage, "secretbox")
        ran = stage.hardway("bootstrap", "INV", "--limit", "controller-1").ok(5)
        assert "[ERROR EncryptionUnread] controller-1" in ran.err and "controller-0, controller-2" in ran.err
        assert stored(stage, busy) == "aescbc"

    def test_the_second_pass_alone_is_refused(self, stage: Stage, busy: Busy):
        ran = stage.hardway("bootstrap", "INV", "--from", "control-plane").ok(9)
        assert "could not be read by kube-apiserver on" in ran.err
        assert stored(stage, busy) == "aescbc"

    def test_another_provider_in_two_passes(self, stage: Stage, canary: Canary, busy: Busy):
        plan = stage.hardway("plan", "INV").ok().out
        for phase in ("encryption-read", "control-plane"):
            assert f"{phase} on {', '.join(CONTROLLERS)}\n" in plan
        assert "writes Secrets with aescbc, the inventory says secretbox" in plan
        ran = stage.bootstrap()
        assert turns(ran) == {"control-plane": CONTROLLERS, "encryption-read": CONTROLLERS}
        assert stored(stage, busy) == "secretbox"
        nothing_to_do(stage)
        canary.alive()

    def test_no_encryption_any_more_in_one_pass(self, stage: Stage, canary: Canary, busy: Busy):
        provider(stage, "none")
        assert turns(stage.bootstrap()) == {"control-plane": CONTROLLERS}
        assert stored(stage, busy) == "none"
        nothing_to_do(stage)
        canary.alive()

    def test_back_to_the_first_whose_key_all_have(self, stage: Stage, canary: Canary, busy: Busy):
        provider(stage, "aescbc")
        assert turns(stage.bootstrap()) == {"control-plane": CONTROLLERS}
        assert stored(stage, busy) == "aescbc"
        nothing_to_do(stage)
        canary.alive()

    @pytest.mark.parametrize("kind", ["secretbox", "none", "aescbc"])
    def test_a_run_that_is_killed_in_a_turn_is_completed(self, stage: Stage, canary: Canary, busy: Busy, kind: str):
        provider(stage, kind)
        with Watched(stage) as running:

            def began(events):
                return [e for e in events if e["event"] == "applying" and UNIT in e["resources"]]

            assert running.until(lambda events: len(began(events)) > 1, 300), "a second API server has its turn"
            running.kill()
        stage.bootstrap()
        assert stored(stage, busy) == kind
        nothing_to_do(stage)
        canary.alive()

    def test_a_configuration_with_a_foreign_key_stays(self, stage: Stage, busy: Busy):
        """And so does everything else."""
        config = "/etc/kubernetes/encryption-config.yaml"
        stage.ssh("controller-1", f"cp -a {config} /root/kept && sed -i 's/name: key1/name: key2/' {config}")
        changed = stage.ssh("controller-1", f"cat {config}")
        try:
            ran = stage.hardway("bootstrap", "INV").ok(5)
            assert "[ERROR EncryptionKey] controller-1" in ran.err and "aescbc:key2=" in ran.err
            assert stage.ssh("controller-1", f"cat {config}") == changed
        finally:
            stage.ssh("controller-1", f"mv /root/kept {config}")
        nothing_to_do(stage)

    def test_old_secrets_are_written_again_by_the_command_of_the_page(self, stage: Stage, canary: Canary):
        kubectl = (stage.kubectl_program, "--kubeconfig", stage.state / "admin.conf")
        everything = run(*kubectl, "get", "secrets", "-A", "-o", "json", cwd=stage.folder).ok().out
        run(*kubectl, "replace", "-f", "-", cwd=stage.folder, stdin=everything, timeout=600).ok()
        assert raw(stage, "/registry/secrets/default/beat-0").startswith(PREFIX["aescbc"])
        stage.verified()
        canary.alive()


ROTATE = ("encryption", "rotate", "INV")
CONFIG = "/etc/kubernetes/encryption-config.yaml"


def counted(stage: Stage) -> dict[str, int]:
    """How many Secrets etcd has under which key, as the command says that finds nothing wrong."""
    return stage.hardway("encryption", "status", "INV", "--output", "json").ok().json["resources"]["secrets"]


def only_key(stage: Stage, key: str) -> None:
    """Every Secret is under it, the API servers have no other, and the state directory has all there ever were."""
    assert set(counted(stage)) == {key}
    number = int(key.rpartition("key")[2])
    for host in CONTROLLERS:
        assert stage.ssh(host, f"grep -c 'name: key' {CONFIG}") == "1\n"
        assert stage.ssh(host, f"grep -c 'name: key{number}$' {CONFIG}") == "1\n"
    assert all((stage.state / f"encryption/aescbc-key{one}.key").exists() for one in range(1, number + 1))
    assert raw(stage, "/registry/secrets/default/beat-0").startswith(f"k8s:enc:aescbc:v1:key{number}:")


class TestRotation:
    """It goes on from the cluster of the story before: aescbc, and Secrets that somebody writes and reads."""

    chain = True

    def test_the_plan_says_what_will_be_done_and_does_nothing(self, stage: Stage, busy: Busy):
        plan = stage.hardway(*ROTATE, "--plan").ok().out
        assert "a new key aescbc:key2 is created" in plan and "under aescbc:key1, not aescbc:key2" in plan
        assert not (stage.state / "encryption/aescbc-key2.key").exists()
        nothing_to_do(stage)

    def test_a_new_key_for_every_secret_and_no_call_fails(self, stage: Stage, canary: Canary, busy: Busy):
        said = stage.hardway(*ROTATE, timeout=1800).ok().out
        assert "none under another key" in said
        only_key(stage, "aescbc:key2")
        nothing_to_do(stage)
        canary.alive()

    @pytest.mark.parametrize("turn", [1, 4, 7])
    def test_a_rotation_that_is_killed_in_a_turn_is_continued(
        self, stage: Stage, canary: Canary, busy: Busy, turn: int
    ):
        """Three API servers have their turn in each of three passes."""
        number = 1 + max(int(path.stem.rpartition("key")[2]) for path in stage.state.glob("encryption/aescbc-key*.key"))
        with Watched(stage, command="encryption rotate") as running:

            def began(events):
                return [e for e in events if e["event"] == "applying" and UNIT in e["resources"]]

            assert running.until(lambda events: len(began(events)) >= turn, 600), f"turn {turn} has begun"
            running.kill()
        assert "[encryption-rotation]" in stage.hardway("doctor", "INV").out
        assert "a rotation is not finished" in stage.hardway("encryption", "status", "INV").ok(7).out
        assert "is continued" in stage.hardway(*ROTATE, timeout=1800).ok().out
        only_key(stage, f"aescbc:key{number}")
        nothing_to_do(stage)
        canary.alive()

    def test_a_snapshot_from_before_is_restored_with_the_key_of_its_day(self, stage: Stage, written):
        """API servers read with the retired key again, and the next rotation lets it go."""
        stage.hardway("etcd", "backup", "INV", "-o", "before.db").ok()
        stage.hardway(*ROTATE, timeout=1800).ok()
        said = stage.hardway("etcd", "restore", "INV", "before.db", "--yes", timeout=1800).ok().out
        assert "read with the retired encryption key" in said
        with Busy(stage, *written) as reading:
            reading.all_are_readable()
        assert "still in use beside the newer" in stage.hardway("encryption", "status", "INV").ok(7).out
        stage.hardway(*ROTATE, timeout=1800).ok()
        assert len(counted(stage)) == 1
        stage.verified()
