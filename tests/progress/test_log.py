"""The log of a run: where it is, who can read it, what is in it and what never is."""

from __future__ import annotations

import base64
import json
import os
import socket
import stat
from pathlib import Path

import pytest
import yaml
from fakes.local_transport import LocalTransport
from secrets_of import assert_no_secret, contents, secrets_of

from hardway.cli import app as cli
from hardway.errors import HardwayError
from hardway.inventory import load
from hardway.pki.credentials import Credentials
from hardway.progress.redact import INSTEAD, Redactor
from hardway.progress.runlog import KEPT, RunLog
from hardway.progress.trace import Traced, essence
from hardway.state.statedir import LOGS, StateDir

pytestmark = pytest.mark.slow

INVENTORIES = Path(__file__).parents[2] / "inventory"


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """An inventory whose only host refuses connections, and hardway run beside it; (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        (tmp_path / "ssh_config").write_text(f"Host node-1\n  HostName 127.0.0.1\n  Port {closed.getsockname()[1]}\n")
        ssh = {"agent": False, "config": str(tmp_path / "ssh_config")}
        host = {"name": "node-1", "address": "10.254.0.10", "roles": ["etcd", "control-plane", "worker"], "ssh": ssh}
        (tmp_path / "c.yaml").write_text(yaml.safe_dump({"cluster": "c", "hosts": [host]}))
        yield tmp_path


def ran(monkeypatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["hardway", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


def logs(folder: Path) -> list[Path]:
    return sorted((folder / ".hardway/c" / LOGS).glob("*"))


@pytest.mark.parametrize("command", ["bootstrap", "reset"])
def test_a_run_that_failed_names_its_log_and_everything_is_in_it(desk, monkeypatch, capsys, command):
    words = [command, "c.yaml", *(["--yes"] if command == "reset" else [])]
    assert ran(monkeypatch, *words) == 4
    [log] = logs(desk)
    said = capsys.readouterr().err.splitlines()
    assert said[-1] == f"  log: {log.relative_to(desk)}" and said[-2].startswith("  next: ")
    assert log.name.endswith(f"Z-{command}.log")
    assert (stat.S_IMODE(log.stat().st_mode), stat.S_IMODE(log.parent.stat().st_mode)) == (0o600, 0o700)
    text = log.read_text()
    assert f"hardway {command} c.yaml" in text and "node-1 connect -> " in text
    events = [json.loads(line.split(" event ", 1)[1]) for line in text.splitlines() if " event " in line]
    assert [event["event"] for event in events] == ["run-started", "error"] and events[1]["exit_code"] == 4


def test_a_state_directory_with_a_log_in_it_is_an_ordinary_one(desk, monkeypatch):
    assert ran(monkeypatch, "bootstrap", "c.yaml") == ran(monkeypatch, "bootstrap", "c.yaml") == 4
    assert len(logs(desk)) == 2
    store = StateDir(desk / ".hardway/c")
    assert store.names() == {"lock"}
    store.create("pki/ca.key", b"k")
    store.remove(keep="lab/")
    assert len(logs(desk)) == 2 and not (desk / ".hardway/c/pki").exists()


def test_who_only_looks_keeps_no_log_and_makes_no_folder(desk, monkeypatch):
    for code, words in ((4, "plan c.yaml"), (4, "bootstrap c.yaml --dry-run"), (7, "verify c.yaml --only nodes-ready")):
        assert ran(monkeypatch, *words.split()) == code
    assert not (desk / ".hardway").exists()


def test_verify_keeps_a_log_where_there_is_a_state_directory(desk, monkeypatch, capsys):
    StateDir(desk / ".hardway/c").create("cluster", b"c\n")
    assert ran(monkeypatch, "verify", "c.yaml", "--only", "nodes-ready", "--output", "json") == 7
    [log] = logs(desk)
    said = capsys.readouterr()
    assert json.loads(said.out)["checks"] and said.err.endswith(f"  log: {log.relative_to(desk)}\n")
    assert '"event": "check", "name": "nodes-ready", "status": "failed"' in log.read_text()


def test_a_folder_of_somebody_else_gets_no_log(desk, monkeypatch, capsys):
    (desk / "theirs").mkdir()
    (desk / "theirs/letter").write_text("dear")
    assert ran(monkeypatch, "bootstrap", "c.yaml", "--state-dir", "theirs") == 8
    assert os.listdir(desk / "theirs") == ["letter"] and "  log: " not in capsys.readouterr().err


def test_a_bug_is_kept_in_the_log(desk, monkeypatch, capsys):
    def broken(*_):
        raise ValueError("unforeseen")

    monkeypatch.setattr("hardway.commands.bootstrap.bootstrap", broken)
    assert ran(monkeypatch, "bootstrap", "c.yaml") == 1
    [log] = logs(desk)
    assert f"next: report it and attach {log.relative_to(desk)}" in capsys.readouterr().err
    assert "Traceback" in log.read_text() and "ValueError: unforeseen" in log.read_text()


def test_the_newest_logs_are_kept(tmp_path):
    for number in range(KEPT + 5):
        RunLog(Redactor()).open(tmp_path, f"n{number}")
    kept = {path.name.split("-", 1)[1] for path in tmp_path.iterdir()}
    assert len(kept) == KEPT and f"n{KEPT + 4}.log" in kept and "n0.log" not in kept


def test_a_full_disk_ends_the_log_and_not_the_run(tmp_path, monkeypatch):
    log = RunLog(Redactor())
    log.open(tmp_path, "x")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    log.write("text")


@pytest.fixture(scope="module", params=["ecdsa-p256", "rsa-2048"])
def state(request, tmp_path_factory) -> Path:
    """A state directory with every kind of secret there is."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "ha.yaml").write_text((INVENTORIES / "ha.yaml").read_text().replace("ecdsa-p384", request.param))
    Credentials(load(folder / "ha.yaml"), StateDir(folder / "state")).ensure_all()
    return folder / "state"


def test_no_secret_passes_in_any_form(state):
    secrets, redact = secrets_of(state), Redactor()
    for name in secrets:
        redact.learn((state / name).read_bytes())
    for name in secrets:
        content = (state / name).read_bytes().strip()
        lines = [line for line in content.splitlines() if not line.startswith(b"-----")]
        der = base64.b64decode(b"".join(lines) + b"==") if len(lines) > 1 else content
        forms = (
            content,
            b"".join(lines),
            der.hex().encode(),
            base64.b64encode(content),
            base64.b64encode(b"x" + content),
            base64.b64encode(b"xy" + content),
            json.dumps({"log": content.decode()}).encode(),
            *lines,
        )
        for form in forms:
            before = f"before {form.decode()} after"
            after = redact(before)
            assert_no_secret(secrets, after)
            assert after.startswith("before ") and INSTEAD in after


def test_what_is_no_secret_passes(state):
    redact = Redactor()
    for path in state.rglob("*.key"):
        redact.learn(path.read_bytes())
    digest = "a45de16600eafc57939b84013b0522c4670435471eb4073dd963d01e0eb5a217"
    for text in (
        f"w_binary /usr/local/bin/etcd 755 root root {digest} 0",
        "node-1 GET /readyz?verbose: 200",
        "/a/very/long/path" * 20,
    ):
        assert redact(text) == text


@pytest.mark.parametrize(
    ("before", "secret"),
    [
        ("Authorization: Bearer ", "abcdefghijklmnopqrstuvwxyz"),
        ("client-key-data: ", "LS0tLS1CRUdJTiBFQyBQUklWQVRF"),
        ("a ", "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJlcm5ldGVzIn0.c2lnbmF0dXJl"),
        ("https://me:", "hunter22"),
    ],
)
def test_what_is_always_secret_needs_not_be_learned(before, secret):
    assert Redactor()(f"{before}{secret}@mirror/x").startswith(f"{before}{INSTEAD}")


def test_a_password_that_was_typed_meanwhile_does_not_pass():
    typed: list[str] = []
    redact = Redactor(lambda: typed)
    assert redact("a sesame seed") == "a sesame seed"
    typed.append("sesame")
    assert redact("a sesame seed, c2VzYW1l, 736573616d65") == f"a {INSTEAD} seed, {INSTEAD}, {INSTEAD}"


def test_keys_that_a_run_makes_are_kept_out_of_its_log(tmp_path):
    redact = Redactor()
    store = StateDir(tmp_path / "state")
    store.made = lambda name, data: redact.learn(data)
    Credentials(load(INVENTORIES / "single.yaml"), store).ensure_all()
    secrets = secrets_of(tmp_path / "state")
    everything = "\n".join((tmp_path / "state" / name).read_text() for name in secrets)
    assert_no_secret(secrets, redact(everything))


def test_round_trips_are_told_without_what_they_carry(tmp_path):
    told: list[str] = []
    traced = Traced(LocalTransport(tmp_path, ["sh"], os.environ["PATH"]), told.append)
    traced.run("# a comment\ncat >/dev/null; echo lost >&2; exit 3", stdin=b"sesame")
    traced.stream("cat >/dev/null", [b"sesame"] * 3)
    assert told[0].startswith("here run, 6 bytes given: cat >/dev/null; echo lost >&2; exit 3 -> exit 3 (")
    assert told[0].endswith(" s)\nlost") and told[1].startswith("here stream: cat >/dev/null -> exit 0 (")
    assert "sesame" not in "".join(told)


def test_a_round_trip_that_fails_is_told_too(tmp_path):
    class Gone(LocalTransport):
        def run(self, script, **more):
            raise HardwayError("the connection broke")

    told: list[str] = []
    with pytest.raises(HardwayError):
        Traced(Gone(tmp_path, ["sh"], os.environ["PATH"]), told.append).run("true")
    assert "here run: true -> HardwayError: the connection broke (" in told[0]


def test_a_script_of_ours_is_told_by_its_calls():
    from hardway.targets import host as shell

    asking = f"{shell.READ}\necho '== 0123456789abcdef 0'; q_file /etc/x '' text\necho '== 0123456789abcdef end'"
    assert essence(asking) == "q_file /etc/x '' text"
    assert (
        essence(f"{shell.WRITE}\nset -eu\nat=-1\nat=0; w_put /x 600 root root 0\nat=1; w_start y.service wait")
        == "w_put /x 600 root root 0; w_start y.service wait"
    )


def test_the_search_finds_logs(state, tmp_path):
    """What the end-to-end tests search is what there is: a secret in a log would be found."""
    (tmp_path / LOGS).mkdir()
    (tmp_path / LOGS / "x.log").write_text((state / "pki/ca.key").read_text())
    assert [Path(where).name for where, _ in contents(tmp_path / LOGS)] == ["x.log"]
    with pytest.raises(AssertionError, match="ca.key in .*x.log"):
        assert_no_secret(secrets_of(state), tmp_path / LOGS)
