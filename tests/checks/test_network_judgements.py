"""What is made of the pods' answers, and the script that asks for them run by a real shell."""

import shutil
import subprocess
from dataclasses import replace
from types import SimpleNamespace

import pytest

from hardway.checks import interview, names, network

GOOD = "echo-1 10.200.0.7"
RESOLV = "search ns.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.32.0.10\noptions ndots:5\n"
LOOKUP = """Server:\t\t10.32.0.10
Address:\t10.32.0.10:53

Name:\techo.ns.svc.cluster.local
Address: 10.32.0.77

"""


def answers(**changes):
    """Two pods that hear everything; keyword `asker0`/`asker1` maps replace answers."""
    base = {
        f"echo-{i}": {
            **{f"pod echo-{j}": f"echo-{j} 10.200.{i}.7" for j in range(2)},
            **{f"node worker-{j}": f"echo-{j}" for j in range(2)},
            "service": "echo-0\necho-1",
            "resolv": RESOLV,
            "name echo": "echo-1",
            "lookup echo.ns.svc.cluster.local": LOOKUP,
        }
        for i in range(2)
    }
    for name, changed in changes.items():
        base[name.replace("asker", "echo-")] |= changed
    return base


ADDRESSES = {"echo.ns.svc.cluster.local": "10.32.0.77"}
JUDGES = {
    "pairs": network.pair_findings,
    "source": network.source_findings,
    "service": network.service_findings,
    "hairpin": network.hairpin_findings,
    "port": network.port_findings,
    "names": lambda pods, said: names.name_findings(pods, said, ADDRESSES),
}


@pytest.mark.parametrize("judge", JUDGES)
def test_good_answers_have_no_findings(pods, judge):
    assert JUDGES[judge](pods, answers()) == []


@pytest.mark.parametrize(
    "judge, changed, words",
    [
        ("pairs", {"pod echo-1": "failed: exit code 143"}, "worker-0 to worker-1 (10.200.1.7): no answer within 4 s"),
        ("pairs", {"pod echo-1": "echo-0 10.200.0.7"}, "worker-0 to worker-1"),
        (
            "source",
            {"pod echo-1": "echo-1 10.240.0.20"},
            "worker-1 sees the pod of worker-0 as 10.240.0.20 instead of 10.200.0.7",
        ),
        ("source", {"pod echo-0": "echo-0 10.240.0.20"}, "worker-0 sees the pod of worker-0 as 10.240.0.20"),
        ("service", {"service": "echo-0"}, "from worker-0: the server on worker-1 never answers"),
        ("hairpin", {"service": "echo-1\nfailed: exit code 143"}, "the pod on worker-0 cannot reach itself"),
        ("port", {"node worker-1": "failed: exit code 1"}, "from the pod on worker-0 to worker-1: failed: exit code 1"),
        ("port", {"node worker-1": "somebody else"}, "somebody else"),
        ("names", {"name echo": "wget: bad address 'echo:8080'"}, "on worker-0: echo: wget: bad address"),
        (
            "names",
            {"lookup echo.ns.svc.cluster.local": LOOKUP.replace("0.77", "0.78")},
            "resolves to 10.32.0.78 instead of 10.32.0.77",
        ),
        (
            "names",
            {"lookup echo.ns.svc.cluster.local": ";; connection timed out"},
            "resolves to nothing (;; connection timed out) instead of 10.32.0.77",
        ),
    ],
)
def test_bad_answers_are_found(pods, judge, changed, words):
    (finding,) = JUDGES[judge](pods, answers(asker0=changed))
    assert words in finding


@pytest.mark.parametrize("judge", ["pairs", "service", "hairpin", "port"])
def test_missing_answers_are_findings(pods, judge):
    said = answers()
    said["echo-0"] = {}
    assert JUDGES[judge](pods, said)


@pytest.mark.parametrize(
    "answer, heard",
    [
        (GOOD, ("echo-1", "10.200.0.7")),
        ("echo-1 [::ffff:10.200.0.7]\n", ("echo-1", "10.200.0.7")),
        ("wget: timed out", ("", "")),
        (None, ("", "")),
    ],
)
def test_who(answer, heard):
    assert network.who(answer) == heard


def test_resolver_right(cluster):
    assert names.resolver_findings(cluster, "ns", RESOLV) == []
    assert (
        names.resolver_findings(cluster, "ns", RESOLV.replace("cluster.local\nname", "cluster.local example.org\nname"))
        == []
    )


@pytest.mark.parametrize(
    "text, words",
    [
        (RESOLV.replace("10.32.0.10", "10.96.0.10"), "nameserver is 10.96.0.10 instead of 10.32.0.10"),
        (
            RESOLV.replace("nameserver 10.32.0.10", "nameserver 10.32.0.10\nnameserver 1.1.1.1"),
            "nameserver is 10.32.0.10, 1.1.1.1",
        ),
        (RESOLV.replace("ns.svc", "default.svc"), "search is default.svc.cluster.local"),
        (RESOLV.replace("ndots:5", "ndots:1"), "without ndots:5"),
    ],
)
def test_resolver_findings(cluster, text, words):
    (finding,) = names.resolver_findings(cluster, "ns", text)
    assert words in finding


def test_resolver_with_nothing_in_it(cluster):
    assert len(names.resolver_findings(cluster, "ns", "")) == 3


def test_the_name_servers_own_address_is_no_answer():
    assert names.looked_up("Server: 10.32.0.10\nAddress: 10.32.0.10:53\n\n** server can't find x: NXDOMAIN\n") == set()
    assert names.looked_up(LOOKUP + "Name:\techo\nAddress: 10.32.0.78\n") == {"10.32.0.77", "10.32.0.78"}


SHELLS = [["sh"]] + ([["busybox", "sh"]] if shutil.which("busybox") else [])


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_questions_run_side_by_side_and_answers_stay_apart(shell):
    asked = {
        "one": "sleep 0.3; echo 1",
        "two": "sleep 0.3; echo mark-x 0",
        "nothing": ":",
        "bad": "cat /nonexistent/file",
        "last": "echo a; echo b",
    }
    script = interview.script(asked, "mark-y")
    done = subprocess.run(shell, input=script, capture_output=True, text=True, timeout=20)
    found = interview.split(done.stdout, asked, "mark-y")
    assert found["one"] == "1" and found["two"] == "mark-x 0" and found["nothing"] == "" and found["last"] == "a\nb"
    assert "/nonexistent/file" in found["bad"]


def test_a_cut_off_answer_is_left_out():
    asked = {"one": "echo 1", "two": "echo 2"}
    assert interview.split("mark 0\n1\n\n", asked, "mark") == {"one": "1"}


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_backends_stops_when_all_have_answered(shell, tmp_path):
    """With a wget that answers as each of two servers in turn."""
    turn, wget = tmp_path / "turn", tmp_path / "wget"
    wget.write_text(
        f"#!/bin/sh\nn=$(cat {turn} 2>/dev/null || echo 0); echo $((n + 1)) >{turn}; echo echo-$((n % 2))\n"
    )
    wget.chmod(0o755)
    functions = interview.FUNCTIONS.replace("wget", str(wget))
    done = subprocess.run(
        shell,
        input=f"{interview.limits()}\n{functions}\nbackends http://x/ 2",
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.stdout.split() == ["echo-0", "echo-1"]
    assert int(turn.read_text()) <= 4


def test_a_single_worker_has_no_pairs(pods):
    assert network.pair_findings(pods[:1], {"echo-0": {}}) == []


def test_pods_are_compared_by_worker(pods):
    moved = (pods[0], replace(pods[1], name="echo-9"))
    assert "never answers" in network.service_findings(moved, answers() | {"echo-9": answers()["echo-1"]})[0]


def test_a_resolved_name_whose_server_is_silent_is_no_matter_of_dns(pods):
    said = answers(asker0={"name echo": "Terminated\nfailed: exit code 143"})
    assert names.name_findings(pods, said, ADDRESSES) == []


def test_a_silent_name_counts_when_lookups_fail_too(pods):
    said = answers(asker0={"name echo": "Terminated", "lookup echo.ns.svc.cluster.local": "Terminated"})
    assert len(names.name_findings(pods, said, ADDRESSES)) == 2


@pytest.mark.parametrize(
    "workers, left_out, ready, words",
    [
        (1, 0, 1, "there is only one worker"),
        (2, 1, 1, "only one worker accepts pods; cordoned: worker-1"),
        (2, 0, 1, "a pod became ready only on worker-0"),
    ],
)
def test_crossing_checks_are_skipped_with_the_reason(cluster, pods, workers, left_out, ready, words):
    chosen = cluster.workers[:workers]
    suite = SimpleNamespace(workers=chosen[: workers - left_out], left_out=chosen[workers - left_out :])
    scene = SimpleNamespace(
        cluster=SimpleNamespace(workers=chosen), suite=suite, smoke=SimpleNamespace(pods=pods[:ready])
    )
    crossing = {check.name: check for check in network.CHECKS}
    for name in ("pod-to-pod", "source-address"):
        outcome = crossing[name].run(scene)
        assert outcome.status == "skipped" and outcome.detail == words


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_question_that_is_never_answered_says_so(shell, tmp_path):
    """`timeout` ends it, and the shells say "Terminated" or only a code."""
    wget = tmp_path / "wget"
    wget.write_text("#!/bin/sh\nexec sleep 60\n")
    wget.chmod(0o755)
    functions = "seconds=1\n" + interview.FUNCTIONS.replace("wget", str(wget))
    said = subprocess.run([*shell, "-c", f"{functions}\nget x"], capture_output=True, text=True, timeout=20).stdout
    assert interview.heard(said.strip()) == f"no answer within {interview.SECONDS} s"
    assert interview.heard("wget: bad address") == "wget: bad address" and interview.heard(None) == "no answer"


ANSWERED = "Server:\t\t10.32.0.10\nAddress:\t10.32.0.10:53\n\n"
UNKNOWN = ANSWERED + "** server can't find x: NXDOMAIN\n"
TWO = ANSWERED + "Name:\tx\nAddress: 10.200.0.3\nName:\tx\nAddress: 10.200.1.2\n"


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_name_is_asked_for_until_it_has_its_addresses(shell, tmp_path):
    """With an nslookup that knows nothing, then one of them, then both; the last answer is what is told."""
    turn, nslookup = tmp_path / "turn", tmp_path / "nslookup"
    (tmp_path / "0").write_text(UNKNOWN)
    (tmp_path / "1").write_text(TWO.rpartition("Name:")[0])
    (tmp_path / "2").write_text(TWO)
    nslookup.write_text(
        f"#!/bin/sh\nn=$(cat {turn} 2>/dev/null || echo 0); echo $((n + 1)) >{turn}; cat {tmp_path}/$n; [ $n != 0 ]\n"
    )
    nslookup.chmod(0o755)
    functions = interview.FUNCTIONS.replace("nslookup", str(nslookup))
    said = subprocess.run(
        [*shell, "-c", f"{interview.limits()}\n{functions}\nfound x 2"], capture_output=True, text=True, timeout=20
    ).stdout
    assert said == TWO and turn.read_text() == "3\n"
    assert names.looked_up(said) == {"10.200.0.3", "10.200.1.2"}


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@pytest.mark.parametrize(
    ("does", "told"),
    [
        ("exec sleep 60", f"no answer within {interview.SECONDS} s"),
        (f"cat <<'E'\n{UNKNOWN}E\nexit 1", "** server can't find x: NXDOMAIN"),
    ],
)
def test_a_name_that_nobody_knows_is_told_after_a_while(shell, does, told, tmp_path):
    nslookup = tmp_path / "nslookup"
    nslookup.write_text(f"#!/bin/sh\n{does}\n")
    nslookup.chmod(0o755)
    functions = interview.FUNCTIONS.replace("nslookup", str(nslookup))
    asked = f"seconds=1 learned=1\n{functions}\nfound x 1"
    said = subprocess.run([*shell, "-c", asked], capture_output=True, text=True, timeout=20).stdout
    assert f"x resolves to nothing ({told}) instead of 10.200.0.3" == names.lookup_finding("x", said, ["10.200.0.3"])
