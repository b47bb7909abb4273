"""What a plan is given cannot write: each way that leads to a host, the API, etcd or the state directory is tried."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from hardway.checks.scene import KUBECTL
from hardway.errors import ConnectionFailed, ReadOnlyError, RemoteCommandError
from hardway.inventory import load
from hardway.report import Report
from hardway.session import Known, Session
from hardway.targets.kube import REVIEW
from hardway.transport import Result
from hardway.vocabulary import Blob, Op, Probe

INVENTORY = Path(__file__).parents[2] / "inventory" / "lab.yaml"
MANIFEST = {"kind": "ConfigMap", "metadata": {"name": "one"}}
QUESTION = (
    "PATH=/usr/local/bin:$PATH\nexec etcdctl --endpoints=https://10.0.0.1:2379 --cacert=/etc/etcd/pki/ca.crt -w json"
    " member list"
)


class Recording:
    """A transport that would do anything it is told, and remembers it."""

    def __init__(self, host):
        self.host, self.done = host, []

    def connect(self) -> None: ...

    def close(self) -> None: ...

    def run(self, script: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Result:
        self.done.append(script)
        return Result(0, b"", b"")

    def stream(self, command: str, chunks, **options) -> Result:
        self.done.append(command)
        return Result(0, b"", b"")

    follow = stream

    def dial(self, port: int, address: str = "127.0.0.1", seconds: float | None = None):
        raise ConnectionRefusedError

    forward = dial


def test_a_host_is_asked_for_its_way_to_each_worker_with_everything_else(session, made):
    with pytest.raises(RemoteCommandError):
        session.live.survey(session.cluster.host("controller-0"))
    script = made["controller-0"].done.pop()
    hops = " ".join(str(worker.address) for worker in session.cluster.workers)
    assert f"; q_survey '' {hops}\n" in script


@pytest.fixture
def made() -> dict[str, Recording]:
    return {}


@pytest.fixture
def session(tmp_path, monkeypatch, made) -> Session:
    """What `hardway plan` works with, its connections replaced by such that would carry anything."""
    monkeypatch.setattr("hardway.ssh.connect", lambda host, prompt=None: made.setdefault(host.name, Recording(host)))
    return Session.open(load(INVENTORY), tmp_path / "state", Report(stream=io.StringIO()), read_only=True)


@pytest.fixture(autouse=True)
def nothing_was_done(request, tmp_path, made):
    yield
    assert [script for transport in made.values() for script in transport.done] == []
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    "script",
    [
        "touch /etc/ours",
        QUESTION.replace("member list", "member add x --peer-urls=https://10.0.0.1:2380"),
        QUESTION.replace("member list", "put -- key value"),
        QUESTION + "; touch /etc/ours",
        QUESTION + "\ntouch /etc/ours",
        QUESTION.replace("member list", "get -- $(touch /etc/ours)"),
        QUESTION.replace("/etc/etcd/pki/ca.crt", "`touch /etc/ours`"),
        f"exec {KUBECTL} delete nodes --all",
        f"exec {KUBECTL} get nodes -o name; touch /etc/ours",
        f"exec {KUBECTL} get nodes -o name --cache-dir /root/.kube",
    ],
)
def test_no_command_gets_onto_a_host(session, script):
    with pytest.raises(ReadOnlyError):
        session.live.transports["lb"].run(script)


@pytest.mark.parametrize("script", [QUESTION, f"exec {KUBECTL} get nodes -o name"])
def test_questions_that_are_commands_of_the_hosts_own_clients_get_through(session, made, script):
    assert session.live.transports["lb"].run(script).code == 0
    assert made["lb"].done.pop() == script


def test_there_is_no_way_for_content(session):
    with pytest.raises(TypeError):
        session.live.transports["lb"].run(QUESTION, stdin=b"content")
    for way in ("stream", "follow", "talk"):
        assert not hasattr(session.live.transports["lb"], way)


@pytest.mark.parametrize(
    "verb", ["file /etc/hosts; touch /etc/ours; q_file", "w_put", "put", "file\ntouch /etc/ours\n"]
)
def test_only_the_questions_of_read_sh_are_asked(session, verb):
    with pytest.raises(ValueError, match="no such question"):
        session.live.remotes["lb"].probe([Probe(verb, ("/etc/hosts",))])
    with pytest.raises(ValueError, match="no such question"):
        session.live.remotes["lb"].listen(Probe(verb, ("/etc/hosts",)), print, lambda: True)


def test_arguments_are_no_commands(session, made):
    evil = Probe("file", ("/etc/hosts; touch /etc/ours", "$(touch /etc/ours)", "`touch /etc/ours`\ntouch /etc/ours"))
    with pytest.raises(Exception, match="ended early"):
        session.live.remotes["lb"].probe([evil])
    (script,) = made["lb"].done
    made["lb"].done.clear()
    assert "q_file '/etc/hosts; touch /etc/ours' '$(touch /etc/ours)' '`touch /etc/ours`\ntouch /etc/ours'\n" in script


def test_no_target_can_act(session):
    for name, reader in Known(session, {}, {}).readers().items():
        assert not hasattr(reader, "change"), name
    for name, remote in session.live.remotes.items():
        assert not hasattr(remote, "change"), name


def test_the_operators_own_target_writes_nothing_even_with_its_op(session):
    operator = Known(session, {}, {}).remotes()["operator"]
    operator.change([Op("issue", ("pki",)), Op("keep", ("admin.conf",), Blob(b"x"))])  # into a copy in memory
    assert operator.store.read("admin.conf") == b"x"


def test_a_host_that_was_given_up_is_asked_nothing_more(session, made):
    session.live.give_up("lb", ConnectionFailed("lb is excluded from this run", "lb"))
    session.live.give_up("worker-0", RemoteCommandError("too slow", "worker-0"))
    for one in (session, session.looking()):
        for name in ("lb", "worker-0"):
            transport = one.live.transports[name]
            ways = [
                lambda t=transport: t.connect(),
                lambda t=transport: t.dial(22),
                lambda remote=one.live.remotes[name]: remote.probe([Probe("age")]),
            ]
            for way in ways:
                with pytest.raises(ConnectionFailed) as caught:
                    way()
                assert caught.value.host == name
    assert made["lb"].done == made["worker-0"].done == []


@pytest.mark.parametrize(
    ("method", "path"), [("PATCH", "/api/v1/nodes/worker-0"), ("POST", "/api/v1/namespaces"), ("DELETE", "/x")]
)
def test_the_api_is_only_read(session, method, path):
    with pytest.raises(ReadOnlyError):
        session.live.kube(session.cluster.control_plane[0]).send(method, path, MANIFEST)
    with pytest.raises(ReadOnlyError):
        session.live.administrator().send(method, path, MANIFEST)
    with pytest.raises(ReadOnlyError):
        session.live.balanced().delete(path)


def test_the_one_post_asks_what_we_may_do(session):
    with pytest.raises(ConnectionRefusedError):  # it gets as far as the connection
        session.live.administrator().send("POST", REVIEW, {})


def test_the_state_directory_is_closed(session):
    session.credentials.ensure_all()  # made in memory, as a plan does
    for write in (session.store.create, session.store.replace):
        with pytest.raises(ReadOnlyError):
            write("pki/ca.crt", b"x")
    with pytest.raises(ReadOnlyError), session.locked():
        pass
    assert not hasattr(session.store, "remove")
