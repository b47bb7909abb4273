"""The three formats: exact text, JSON a program can rely on, XML that parses whatever a host answered."""

import json
from xml.etree import ElementTree

from hardway.checks.check import Check
from hardway.checks.outcome import Outcome, Status, failed, judged, passed
from hardway.checks.output import to_json, to_junit, to_text

CHECK = Check(
    "pod-routes",
    "Every host has routes to the pods",
    "These routes are the pod network.",
    "hardway bootstrap INV",
    lambda scene: passed(""),
)
RESULTS = [
    (CHECK, Outcome(Status.PASSED, "10 routes", 0.25)),
    (CHECK, Outcome(Status.FAILED, "worker-0: nowhere\nworker-1: \x1b[31mgone\x00", 1.0)),
    (CHECK, Outcome(Status.SKIPPED, "there is only one worker", 0.0)),
]

TEXT = """\
ok       pod-routes            10 routes
FAILED   pod-routes            worker-0: nowhere
                               worker-1: \x1b[31mgone\x00
                               why:  These routes are the pod network.
                               next: hardway bootstrap INV
skipped  pod-routes            there is only one worker
1 passed, 1 failed, 1 skipped
"""


def test_text():
    assert to_text(RESULTS) == TEXT


def test_json():
    document = json.loads(to_json(RESULTS))
    assert document["passed"] is False
    assert document["counts"] == {"passed": 1, "failed": 1, "skipped": 1}
    assert document["checks"][0] == {
        "name": "pod-routes",
        "title": "Every host has routes to the pods",
        "status": "passed",
        "detail": "10 routes",
        "seconds": 0.25,
        "reason": "These routes are the pod network.",
        "remedy": "hardway bootstrap INV",
    }
    assert json.loads(to_json(RESULTS[::2]))["passed"] is True


def test_junit():
    suite = ElementTree.fromstring(to_junit(RESULTS, "lab"))
    assert suite.tag == "testsuite" and suite.attrib == {
        "name": "hardway verify lab", "tests": "3", "failures": "1", "errors": "0", "skipped": "1", "time": "1.250",
    }  # fmt: skip
    ok, bad, skip = suite.findall("testcase")
    assert (
        ok.attrib == {"classname": "hardway.verify", "name": "pod-routes", "time": "0.250"}
        and ok.findtext("system-out") == "10 routes"
    )
    assert bad.find("failure").attrib["message"] == "worker-0: nowhere"
    assert "worker-1: ?[31mgone?" in bad.findtext("failure") and "next: hardway bootstrap INV" in bad.findtext(
        "failure"
    )
    assert skip.find("skipped").attrib["message"] == "there is only one worker"


def test_nothing_checked():
    assert to_text([]) == "no checks\n"
    assert ElementTree.fromstring(to_junit([])).attrib["tests"] == "0"


def test_judged():
    assert judged(["", ""], "all well") == passed("all well")
    assert judged(["a", "", "b"], "all well") == failed("a", "b")
