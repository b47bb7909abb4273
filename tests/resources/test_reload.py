"""What a unit can load while it serves is loaded so; and what is no longer wanted is taken away once it is due."""

from dataclasses import replace

import pytest

from hardway.resources import Directory, File, Gone, Packages, Unit, gone, text
from hardway.resources.base import Situation

CONFIG, KEY = File("/etc/x/x.cfg", text(b"new")), File("/etc/x/x.key", text(b"key"))
RUNS = "ActiveState=active\nUnitFileState=enabled\n"


def compared(unit: Unit, changed: tuple[str, ...] = (), stamp: str | None = None, state: str = RUNS):
    """The change of a unit that runs, or not, with other files changed before it in the same step."""
    answers = {probe: "yes" for probe in unit.probes()}
    answers[unit.probes()[0]] = f"{state}Stamp={unit.digest if stamp is None else stamp}"
    return unit.compare(Situation(answers, frozenset(changed)))


@pytest.mark.parametrize(
    ("reloads", "changed", "stamp", "verb"),
    [
        ((CONFIG, KEY), ("/etc/x/x.cfg",), None, "load"),
        ((CONFIG, KEY), (), "older", "load"),
        ((CONFIG,), ("/etc/x/x.cfg",), None, "load"),
        ((CONFIG,), ("/etc/x/x.key",), None, "restart"),
        ((CONFIG,), ("/etc/x/x.cfg", "/etc/x/x.key"), None, "restart"),
        # Which of them it runs with nobody knows.
        ((CONFIG,), (), "older", "restart"),
        ((), ("/etc/x/x.cfg",), None, "restart"),
    ],
)
def test_a_unit_is_reloaded_when_all_that_changed_can_be(reloads, changed, stamp, verb):
    unit = Unit("x.service", (CONFIG, KEY), block=True, reloads=frozenset(file.path for file in reloads))
    change = compared(unit, changed, stamp)
    assert [op.verb for op in change.ops if op.verb in ("load", "restart")] == [verb]
    assert change.restarts == (verb == "restart") and change.why[0].startswith(
        "reload: " if verb == "load" else "restart: "
    )
    assert change.ops[-1].verb == "stamp" and [op.verb for op in change.before] == ["unstamp"]


def test_a_unit_that_does_not_run_is_started_whatever_changed():
    unit = Unit("x.service", (CONFIG,), reloads=frozenset([CONFIG.path]))
    change = compared(unit, (CONFIG.path,), state="ActiveState=inactive\nUnitFileState=enabled\n")
    assert [op.verb for op in change.ops if op.verb not in ("reload", "stamp")] == ["start"] and not change.restarts


def test_a_file_is_checked_before_it_is_put():
    file = File("/etc/x/x.cfg", text(b"new"), checked="x")
    absent = {probe: "absent" for probe in file.probes()}
    assert [op.verb for op in file.compare(Situation(absent)).ops] == ["check", "put"]
    other = {file.probes()[0]: f"file 644 root root 3 {'0' * 64}\n", file.probes()[1]: "yes"}
    assert [op.verb for op in file.compare(Situation(other)).ops] == ["check", "put"]
    lax = {file.probes()[0]: f"file 666 root root 3 {file.blob.sha256}\n", file.probes()[1]: "yes"}
    assert [op.verb for op in file.compare(Situation(lax)).ops] == ["own"]


THERE = [Directory("/etc/x"), CONFIG, Packages("apt-get", (("x", "x"),)), Unit("x.service", (CONFIG,))]


def answers(ours: str):
    found = {probe: ours for one in THERE for probe in one.probes()}
    return found | {
        THERE[3].probes()[0]: f"{RUNS}Stamp={'s' if ours == 'yes' else ''}",
        THERE[0].probes()[0]: "dir 755",
    }


def test_what_is_no_longer_wanted_goes_last_first_and_a_folder_stays():
    absent = gone(THERE, "not any more")
    found = [change for one in absent if (change := one.compare(Situation(answers("yes"))))]
    assert [change.key for change in found] == ["unit x.service", "packages x", "file /etc/x/x.cfg"]
    assert [op.verb for change in found for op in change.ops] == ["stop", "unstamp", "unpackages", "drop"]
    assert all(change.why == ("not any more",) for change in found)
    # A reset tries the folder too.
    assert [op.verb for one in absent for op in one.removal(answers("yes"))][-1] == "rmdir"


def test_what_is_not_ours_stays():
    assert not [one for one in gone(THERE, "") if one.compare(Situation(answers("no")))]


def test_what_is_not_due_stays_until_it_is():
    later = Gone(CONFIG, "", due=False)
    assert later.compare(Situation(answers("yes"))) is None and later.removal(answers("yes"))


def test_other_units_pause_while_one_restarts_and_only_then():
    file = File("/etc/etcd.service", text(b"new"))
    unit = Unit("etcd.service", (file,), pauses=("kube-apiserver.service",))
    running = "ActiveState=active\nUnitFileState=enabled\nStamp=other"
    probe, mine = unit.probes()

    def verbs(state: str) -> list[str]:
        change = unit.compare(Situation({probe: state, mine: "yes"}))
        return [f"{op.verb} {op.args[0]}" for op in (change.ops if change else ())]

    others = [
        "pause kube-apiserver.service",
        "restart etcd.service",
        "start kube-apiserver.service",
        "stamp etcd.service",
    ]
    assert verbs(running) == others
    assert verbs("ActiveState=inactive\nUnitFileState=enabled") == ["start etcd.service", "stamp etcd.service"]
    assert verbs(running.replace("other", unit.digest)) == []


def test_what_is_taken_away_for_a_unit_to_start_over_restarts_it_with_the_same_pause():
    """Such a file is in no stamp, and cannot be loaded."""
    file, own = File("/etc/kubelet.conf", text(b"new")), "/var/lib/kubelet/own.pem"
    unit = Unit("kubelet.service", (file,), reloads=frozenset({own}), pauses=("other.service",))
    watching = replace(unit, reloads=frozenset({file.path}), watches=frozenset({own}))
    probe, mine = unit.probes()
    answers = {probe: f"ActiveState=active\nUnitFileState=enabled\nStamp={unit.digest}", mine: "yes"}
    assert unit.compare(Situation(answers, frozenset({own}))) is None and unit.digest == watching.digest
    change = watching.compare(Situation(answers, frozenset({own})))
    acts = [" ".join((op.verb, *op.args[:1])) for op in change.ops]
    assert acts == ["reload", "pause other.service", "restart kubelet.service", "start other.service",
                    "stamp kubelet.service"]  # fmt: skip
    assert change.restarts and own in change.uses and [op.verb for op in change.before] == ["unstamp"]
