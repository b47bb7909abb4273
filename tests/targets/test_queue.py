"""What a host says of systemd's queue, by its real shells; systemctl's own words are recorded (systemd 252)."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.local_transport import LocalTransport

from hardway.errors import RemoteCommandError
from hardway.facts import parse
from hardway.resources.unit_state import Boot, Job, UnitState
from hardway.targets.remote import HostRemote
from hardway.vocabulary import Op, Probe

HANGS = """3  kubelet.service                                 start waiting
`- \twaiting for job 4 (containerd.service/start)   -     -
`- \twaiting for job 19 (network-online.target/start)   -     -
20 wait-online.service                             start running
4  containerd.service                              start waiting
`- \twaiting for job 19 (network-online.target/start)   -     -
19 network-online.target                               start waiting
`- \twaiting for job 20 (wait-online.service/start) -     -
"""
# Two things run; the unit waits for the second of them, through a target that waits for itself in a circle.
ONE_OF_TWO = """7 cloud-final.service start running
1 kubelet.service start waiting
`- \tblocking job 2 (a.target/start) - -
2 a.target start waiting
`- \tblocking job 2 (a.target/start) - -
`- \tblocking job 3 (b.service/stop) - -
3 b.service stop running
"""
NEXT = "1 kubelet.service start waiting\n"  # it will be begun in a moment
UP, RUNS_SINCE = "ActiveState=inactive\nSubState=dead\nJob=3", "5000000"
STUB = """#!/bin/sh
echo "$*" >>{folder}/asked
case "$*" in
  'list-jobs '*) cat {folder}/jobs ;;
  is-system-running) cat {folder}/running ;;
  *--value*) echo {since} ;;
  show*) cat {folder}/said ;;
  'start slow.service') exec sleep 30 ;;
  'start broken.service') echo 'Job for broken.service failed.' >&2; exit 1 ;;
esac
"""


@pytest.fixture(params=["sh", "busybox"])
def remote(request, tmp_path) -> HostRemote:
    """A host with a systemctl that says what is in `jobs`, `running` and `said` of its folder."""
    tools = tmp_path / "tools"
    tools.mkdir()
    if request.param == "busybox":
        subprocess.run([shutil.which("busybox") or "busybox", "--install", "-s", tools], check=True)
    systemctl = tools / "systemctl"
    systemctl.write_text(STUB.format(folder=tmp_path, since=RUNS_SINCE))
    systemctl.chmod(0o755)
    for name, text in (("jobs", ""), ("running", "running\n"), ("said", UP)):
        (tmp_path / name).write_text(text)
    shell, path = ("/bin/sh", f"{tools}:{os.environ['PATH']}") if request.param == "sh" else (tools / "sh", tools)
    return HostRemote(LocalTransport(tmp_path, [str(shell)], str(path)))


@pytest.fixture
def unit(remote, tmp_path) -> Callable[..., UnitState]:
    """unit(jobs, said): the kubelet, while systemd's queue and its own properties are these."""

    def ask(jobs: str, said: str = UP) -> UnitState:
        (tmp_path / "jobs").write_text(jobs)
        (tmp_path / "said").write_text(said)
        probe = Probe("unit", ("kubelet.service",))
        return UnitState.parse(remote.probe([probe])[probe])

    return ask


def test_a_unit_in_the_queue_is_told_with_the_end_of_its_chain(unit):
    seen = unit(HANGS)
    behind = seen.behind
    assert seen.queued and (behind.unit, behind.kind, behind.state) == ("wait-online.service", "start", "running")
    up = float(Path("/proc/uptime").read_text().split()[0])
    assert abs(behind.seconds - (up - 5)) < 30


@pytest.mark.parametrize(("jobs", "end"), [(ONE_OF_TWO, ("b.service", "stop", "running")), (NEXT, None), ("", None)])
def test_other_queues(unit, jobs, end):
    behind = unit(jobs).behind
    assert (behind and (behind.unit, behind.kind, behind.state)) == end


@pytest.mark.parametrize("said", ["ActiveState=active\nJob=3", "ActiveState=inactive\nJob=", "ActiveState=failed"])
def test_of_one_that_runs_or_has_no_job_nobody_asks_for_the_queue(unit, tmp_path, said):
    assert unit(HANGS, said).behind is None
    assert "list-jobs" not in (tmp_path / "asked").read_text()


@pytest.mark.parametrize(
    ("ago", "more", "young"),
    [
        (5, "ActiveState=active", True),
        (5, "ActiveState=activating\nNRestarts=0", True),
        (5, "ActiveState=active\nNRestarts=3", False),
        (5, "ActiveState=failed", False),
        (500, "ActiveState=active", False),
        (None, "ActiveState=active", False),
    ],
)
def test_what_has_only_just_been_started(unit, ago, more, young):
    """A program that ends again and again has been started by nobody."""
    up = float(Path("/proc/uptime").read_text().split()[0])
    began = "" if ago is None else f"ExecMainStartTimestampMonotonic={(up - ago) * 1e6:.0f}"
    seen = unit("", f"{more}\n{began}")
    assert seen.has_just_started(60) is young
    assert (seen.age is None) == (ago is None or "failed" in more)


@pytest.mark.parametrize(
    ("running", "jobs", "behind"),
    [
        ("starting", HANGS, "wait-online.service"),
        ("starting", "9 x.service start waiting\n" + ONE_OF_TWO, "cloud-final.service"),
        ("stopping", "", None),
    ],
)
def test_a_boot_that_is_not_finished(remote, tmp_path, running, jobs, behind):
    (tmp_path / "running").write_text(f"{running}\n")
    (tmp_path / "jobs").write_text(jobs)
    boot = Boot.parse(parse(remote.probe([Probe("survey")])[Probe("survey")], 0.0, 0.0).boot)
    count = sum(line[0].isdigit() for line in jobs.splitlines())
    assert (boot.word, boot.jobs, boot.behind and boot.behind.unit) == (running, count, behind)


@pytest.mark.parametrize("running", ["running", "degraded", "maintenance", "offline"])
def test_one_that_is(remote, tmp_path, running):
    (tmp_path / "running").write_text(f"{running}\n")
    (tmp_path / "jobs").write_text(HANGS)
    assert parse(remote.probe([Probe("survey")])[Probe("survey")], 0.0, 0.0).boot == ""


def test_nobody_waits_for_ever_for_a_start_that_is_in_the_queue(remote, tmp_path):
    run = remote.transport.run
    remote.transport.run = lambda script, **kw: run(script.replace("\nSETTLING=240\n", "\nSETTLING=1\n"), **kw)
    (tmp_path / "jobs").write_text(HANGS)
    with pytest.raises(RemoteCommandError) as caught:
        remote.change([Op("start", ("slow.service", "wait"))])
    assert caught.value.command == "start slow.service wait" and "wait-online.service" in caught.value.evidence
    with pytest.raises(RemoteCommandError) as caught:
        remote.change([Op("start", ("broken.service", "wait"))])
    assert caught.value.evidence == "Job for broken.service failed."
    remote.change([Op("start", ("other.service", "wait")), Op("restart", ("slow.service", "queue"))])
    assert "restart --no-block slow.service" in (tmp_path / "asked").read_text()


def test_a_unit_that_a_drill_stopped_is_on_its_way_once_it_is_in_the_queue(remote, tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state/drill").write_text(f"kubelet 1700000000 kubelet.service={RUNS_SINCE}\n")
    for said, now in ((UP, "running"), ("ActiveState=inactive\nJob=", "stopped"), ("ActiveState=active\n", "running")):
        (tmp_path / "said").write_text(said)
        answer = remote.probe([Probe("drill")])[Probe("drill")]
        assert answer == f"kubelet 1700000000 kubelet.service={now}"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("x.service start running 84", "x.service (start running for 84 s)"),
        ("dev-sdb.device start running", "dev-sdb.device (start running)"),
    ],
)
def test_a_job_in_words(words, told):
    assert str(Job.parse(words)) == told and Job.parse(words).look.startswith("systemctl list-jobs; systemctl status ")
    assert Job.parse("") is None and Job.parse("x.service start") is None
