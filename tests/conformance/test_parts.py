"""The parts of the conformance run that need no cluster, from the names of images to the table at the end."""

from __future__ import annotations

import datetime
import hashlib
import http.client
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

from hardway.assets import images as archives
from hardway.assets.building import pinned
from hardway.assets.images import Entry
from hardway.cluster import overlapping
from hardway.inventory import load

from . import images, manifest, module, nodes, progress, registry, report, run, suite, table, verdicts
from .conduct import Outcome, conduct
from .images import Kitchen, Parts
from .layout import Layout
from .programs import PACKAGES, Programs, stamps
from .report import Result
from .root import Root
from .run import Suite
from .suite import Names
from .test_conformance import KUBERNETES, inventory
from .verdicts import Excuse, Kind, Verdict

pytestmark = pytest.mark.slow

# --- names


MANIFEST_GO = """
	initRegistry = RegistryList{
		PromoterE2eRegistry:      "registry.k8s.io/e2e-test-images",
		GcRegistry:               "registry.k8s.io",
	}

	configs := map[ImageID]Config{}
	configs[Agnhost] = Config{list.PromoterE2eRegistry, "agnhost", "2.66.1"}
	configs[Pause] = Config{list.GcRegistry, "pause", "3.10.2"}
	configs[NodePerfNpbEp] = Config{list.PromoterE2eRegistry, "node-perf/npb-ep", "1.6.0"}
"""


def test_images_are_called_as_the_suite_calls_them():
    assert manifest.references(MANIFEST_GO) == {
        "Agnhost": "registry.k8s.io/e2e-test-images/agnhost:2.66.1",
        "Pause": "registry.k8s.io/pause:3.10.2",
        "NodePerfNpbEp": "registry.k8s.io/e2e-test-images/node-perf/npb-ep:1.6.0",
    }


NAMES = (
    "[sig-a] Things (a+b) should |work| [Conformance]",
    "[sig-a] Things should work [Conformance] [Serial]",
    "[sig-b] Taints [Conformance] [Disruptive] [Serial]",
    "[sig-c] Things should work [Conformance]",
)


def test_tests_that_must_be_alone_are_known_by_their_names():
    tests = suite.divided(NAMES)
    assert (tests.together, tests.alone) == ((NAMES[0], NAMES[3]), (NAMES[1], NAMES[2]))
    assert tests.only("sig-[ab]").every == (NAMES[0], NAMES[1], NAMES[2])
    assert tests.only("") == tests and tests.only("nothing").every == ()


@pytest.mark.parametrize("name", NAMES)
def test_a_test_is_asked_for_alone(name):
    # Ginkgo puts the suite's description before the name.
    assert [other for other in NAMES if re.search(suite.exactly([name]), f"Kubernetes e2e suite {other}")] == [name]


def test_what_is_escaped_is_what_go_takes_for_itself():
    """Go refuses a backslash before a letter or digit that has no meaning."""
    escaped = re.findall(r"\\(.)", suite.exactly(NAMES))
    assert escaped and not any(character.isalnum() or not character.isascii() for character in escaped)


def test_the_list_is_kubernetes_own(tmp_path):
    place = tmp_path / suite.PLACE
    place.parent.mkdir(parents=True)
    place.write_text("- testname: one\n  codename: '[sig-a] Things should\n    work [Conformance]'\n")
    assert suite.read(tmp_path).every == ("[sig-a] Things should work [Conformance]",)


# --- the module and its programs


def test_the_module_is_the_pinned_one_and_what_kubernetes_requires_besides():
    own = "module m\n\ngo 1.26.0\n\n"
    own += "require (\n\tk8s.io/api v0.37.2 // indirect\n\tk8s.io/kubernetes v1.37.2 // indirect\n)\n\n"
    own += "replace k8s.io/api => k8s.io/api v0.37.2\n\n"
    own += "replace k8s.io/sample-apiserver => k8s.io/sample-apiserver v0.37.2\n"
    theirs = (
        "module k8s.io/kubernetes\n\ngo 1.26.0\n\nrequire (\n\tgithub.com/onsi/ginkgo/v2 v2.32.0\n\tk8s.io/api v0.0.0\n"
    )
    theirs += "\tk8s.io/sample-apiserver v0.0.0\n)\n\nrequire gopkg.in/yaml.v3 v3.0.1 // indirect\n\n"
    theirs += "replace (\n\tk8s.io/api => ./staging/src/k8s.io/api\n)\n"
    merged = module.go_mod(own, theirs)
    assert merged.startswith(own.rstrip())
    assert merged.removeprefix(own.rstrip()).split("\n") == [
        "",
        "",
        "require (",
        "\tgithub.com/onsi/ginkgo/v2 v2.32.0 // indirect",
        "\tk8s.io/sample-apiserver v0.37.2 // indirect",
        "\tgopkg.in/yaml.v3 v3.0.1 // indirect",
        ")",
        "",
    ]


def test_sums_are_kept_once():
    assert module.go_sum("b v1 h1:x=\na v1 h1:y=\n", "a v1 h1:y=\n\n") == "a v1 h1:y=\nb v1 h1:x=\n"


def test_what_is_published_apart_has_its_sums_for_this_version():
    """A new Kubernetes needs these lines anew: go mod download -json k8s.io/sample-apiserver@v0.MINOR.PATCH."""
    version = f"v0.{KUBERNETES.partition('.')[2]}"
    lines = module.MORE.read_text().splitlines()
    assert {(name, kind) for name, kind, _ in map(str.split, lines)} == {
        ("k8s.io/sample-apiserver", version),
        ("k8s.io/sample-apiserver", f"{version}/go.mod"),
        ("k8s.io/code-generator", f"{version}/go.mod"),
    }


def test_the_suite_is_told_its_version():
    flags = stamps("1.37.2", "2.66.1").split(" -X ")
    assert {
        "k8s.io/component-base/version.gitMajor=1",
        "k8s.io/client-go/pkg/version.gitMinor=37",
        "main.Version=2.66.1",
    } <= set(flags)
    assert "k8s.io/component-base/version.gitVersion=v1.37.2" in " ".join(flags)


def test_the_version_is_pinned():
    assert (pinned.folder("kubernetes", KUBERNETES) / "go.sum").is_file()


# --- images and the registry


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "layout")
    (tmp_path / "large").write_bytes(b"a large layer")
    layers = [layout.put(tmp_path / "large"), layout.put(archives.layer([Entry("a", b"1")]))]
    layout.image("registry.k8s.io/e2e-test-images/agnhost:2.66.1", "amd64", layers, {"Cmd": ["pause"]})
    return layout


def test_an_image_points_at_what_is_there(layout):
    [digest] = layout.references.values()
    document = json.loads(layout.blob(digest).read_text())
    for part in (document["config"], *document["layers"]):
        content = layout.blob(part["digest"]).read_bytes()
        assert part["digest"] == f"sha256:{hashlib.sha256(content).hexdigest()}" and part["size"] == len(content)
    config = json.loads(layout.blob(document["config"]["digest"]).read_text())
    assert config["rootfs"]["diff_ids"] == [layer["digest"] for layer in document["layers"]]
    assert config["config"] == {"Cmd": ["pause"]} and len(config["history"]) == 2


def test_an_image_that_hardway_made_is_taken_as_it_is(layout, tmp_path):
    archives.build(
        tmp_path / "pause.tar",
        "registry.k8s.io/pause:3.10.2",
        "amd64",
        [Entry("pause", b"#!")],
        {"Entrypoint": ["/pause"]},
    )
    layout.adopt(tmp_path / "pause.tar", "registry.k8s.io/pause:3.10.2")
    document = json.loads(layout.blob(layout.references["registry.k8s.io/pause:3.10.2"]).read_text())
    assert all(layout.blob(part["digest"]).is_file() for part in (document["config"], *document["layers"]))


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    """Programs and a Debian in name only; busybox says what it can do."""
    pages = ["kitten/html/kitten.jpg", "kitten/html/data.json", "nautilus/html/nautilus.jpg", "nautilus/html/data.json"]
    pages += ["agnhost/porter/localhost.crt", "agnhost/porter/localhost.key"]
    files = {f"source/test/images/{page}": page for page in pages}
    files |= {f"programs/{name}": name for name in ("agnhost", "nonewprivs", "sample-apiserver")}
    files |= {
        "root/layer.tar": "debian",
        "root/bash": "bash",
        "root/busybox": "#!/bin/sh\necho busybox sh ls bash\n",
        "etcd": "etcd",
    }
    for place, content in files.items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(content)
    (tmp_path / "root/busybox").chmod(0o755)
    archives.build(tmp_path / "pause.tar", "pause", "amd64", [Entry("pause", b"#!")], {})
    return Parts(
        Programs(tmp_path / "programs", tmp_path / "source"),
        Root(tmp_path / "root"),
        tmp_path / "etcd",
        tmp_path / "pause.tar",
    )


def test_every_image_is_made_under_its_name(parts, tmp_path):
    names = {name: f"registry.k8s.io/{name.lower()}:1" for name in (*images.RECIPES, "Pause", "Perl")}
    layout = Layout(tmp_path / "layout")
    images.make(layout, names, "amd64", parts)
    assert set(layout.references) == set(names.values()) - {names["Perl"]}
    assert layout.references[names["Agnhost"]] == layout.references[names["AgnhostPrev"]]


def entries(layout: Layout, layers) -> dict[str, str]:
    """What `tar` lists of these layers, mode and name, the last of each name."""
    paths = [layout.blob(layer["digest"]) for layer in layers]
    listed = [
        subprocess.run(["tar", "-tvf", path], capture_output=True, text=True, check=True).stdout for path in paths
    ]
    return {line.split(maxsplit=5)[5]: line.split()[0] for text in listed for line in text.splitlines()}


def test_the_shell_of_busybox_is_bash(parts, tmp_path):
    layout = Layout(tmp_path / "layout")
    found = entries(layout, Kitchen(layout, parts).busybox()[0])
    assert "bin/sh -> bash" in found and "bin/ls -> busybox" in found
    assert "bin/sh -> busybox" not in found and "bin/bash -> busybox" not in found
    assert found["tmp/"] == "drwxrwxrwt"


def test_the_program_that_gains_rights_may(parts, tmp_path):
    layout = Layout(tmp_path / "layout")
    assert entries(layout, Kitchen(layout, parts).nonewprivs()[0])["usr/local/bin/nnp"] == "-rwsr-sr-x"


def test_pets_have_their_picture_and_a_web_server(parts, tmp_path):
    layout = Layout(tmp_path / "layout")
    layers, config = Kitchen(layout, parts).kitten()
    assert {"kitten.jpg", "data.json", "etc/os-release"} <= set(entries(layout, layers[2:]))
    assert config["Entrypoint"] + config["Cmd"] == ["/agnhost", "test-webserver"]


@pytest.fixture
def url(layout):
    with registry.serving(layout, "127.0.0.1") as url:
        yield url


def test_the_registry_answers_as_containerd_asks(layout, url):
    """First the head of the tag, in the name of another registry; then everything by its digest."""
    tag = f"{url}/v2/e2e-test-images/agnhost/manifests/2.66.1?ns=registry.k8s.io"
    with urllib.request.urlopen(urllib.request.Request(tag, method="HEAD")) as answer:
        digest, size = answer.headers["Docker-Content-Digest"], int(answer.headers["Content-Length"])
        assert answer.headers["Content-Type"] == archives.MANIFEST and answer.read() == b""
    with urllib.request.urlopen(f"{url}/v2/e2e-test-images/agnhost/manifests/{digest}?ns=registry.k8s.io") as answer:
        content = answer.read()
        assert answer.headers["Content-Type"] == archives.MANIFEST
    assert len(content) == size and f"sha256:{hashlib.sha256(content).hexdigest()}" == digest
    for part in (document := json.loads(content))["layers"] + [document["config"]]:
        with urllib.request.urlopen(f"{url}/v2/e2e-test-images/agnhost/blobs/{part['digest']}") as answer:
            assert f"sha256:{hashlib.sha256(answer.read()).hexdigest()}" == part["digest"]


def test_one_connection_serves_many_questions(url):
    connection = http.client.HTTPConnection(url.removeprefix("http://"))
    said = []
    for method, path in (
        ("GET", "/v2/"),
        ("HEAD", "/v2/none/manifests/1"),
        ("GET", "/v2/none/manifests/1"),
        ("GET", "/v2/"),
    ):
        connection.request(method, path)
        answer = connection.getresponse()
        said.append((answer.status, answer.read()))
    assert said == [(200, b"{}"), (404, b""), (404, b""), (200, b"{}")]


@pytest.mark.parametrize(
    "path",
    [
        "/v2/e2e-test-images/agnhost/manifests/2.55?ns=registry.k8s.io",
        "/v2/e2e-test-images/agnhost/manifests/2.66.1?ns=elsewhere.example",
        f"/v2/e2e-test-images/agnhost/blobs/sha256:{'0' * 64}",
        f"/v2/e2e-test-images/agnhost/manifests/sha256:{hashlib.sha256(b'a large layer').hexdigest()}",
        "/v2/../../../etc/passwd/blobs/passwd",
        "/v2/agnhost/blobs/..%2F..%2Fetc%2Fpasswd",
        "/index.json",
    ],
)
def test_the_registry_has_nothing_else(url, path):
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url + path)
    assert caught.value.code == 404


def test_containerd_is_told_of_one_server_by_http():
    import tomllib

    assert tomllib.loads(nodes.hosts_toml("http://10.252.0.1:5000")) == {
        "server": "http://10.252.0.1:5000",
        "capabilities": ["pull", "resolve"],
    }


# --- reports, verdicts, tables


def spec(name: str, state: str, message: str = "", **more) -> dict:
    failure = {"Failure": {"Message": message}} if message else {}
    node = {"ContainerHierarchyTexts": ["[sig-a] Things"], "LeafNodeType": "It", "LeafNodeText": name}
    return {**node, "State": state, "RunTime": 2_500_000_000, **failure, **more}


REPORT = [
    {
        "SpecialSuiteFailureReasons": ["Suite Timeout Elapsed"],
        "SpecReports": [
            spec("work [Conformance]", "passed"),
            spec("fail [Conformance]", "failed", "Unexpected error", CapturedGinkgoWriterOutput="what was logged"),
            spec(
                "panic [Conformance]",
                "panicked",
                "Test Panicked",
                Failure={"Message": "Test Panicked", "ForwardedPanic": "nil pointer"},
            ),
            spec("stop [Conformance]", "timedout", "A suite timeout occurred"),
            spec("skip itself [Conformance]", "skipped", "needs two zones"),
            spec("not be asked for [Conformance]", "skipped"),
            spec("be no part of it [NodeConformance]", "passed"),
            spec("", "failed", "the API is away", LeafNodeType="SynchronizedBeforeSuite", ContainerHierarchyTexts=None),
            spec("", "passed", LeafNodeType="SynchronizedAfterSuite", ContainerHierarchyTexts=None),
        ],
    }
]


def test_a_report_is_read():
    found = report.results(REPORT)
    assert {name: result.state for name, result in found.items()} == {
        "[sig-a] Things work [Conformance]": "passed",
        "[sig-a] Things fail [Conformance]": "failed",
        "[sig-a] Things panic [Conformance]": "failed",
        "[sig-a] Things stop [Conformance]": "failed",
        "[sig-a] Things skip itself [Conformance]": "skipped",
    }
    failed = found["[sig-a] Things fail [Conformance]"]
    assert (failed.seconds, failed.message, failed.output) == (2.5, "Unexpected error", "what was logged")
    assert found["[sig-a] Things panic [Conformance]"].message == "Test Panicked\nnil pointer"
    assert report.trouble(REPORT) == ["Suite Timeout Elapsed", "SynchronizedBeforeSuite: the API is away"]


@pytest.mark.parametrize("content", [None, "", "[]", "null", '[{"SpecReports": null}]'])
def test_a_report_that_was_not_written_holds_nothing(tmp_path, content):
    if content is not None:
        (tmp_path / "report.json").write_text(content)
    suites = report.read(tmp_path / "report.json")
    assert report.results(suites) == {} and report.trouble(suites) == []


OUTCOME = Outcome(
    first={
        "a": Result("passed"),
        "b": Result("failed", message="deadline\n  exceeded"),
        "c": Result("failed", message="no internet: dial tcp"),
        "d": Result("failed", message="wrong answer"),
        "g": Result("skipped", message="needs two zones"),
    },
    again={
        "b": Result("passed"),
        "c": Result("failed", message="no internet: dial tcp"),
        "d": Result("failed", message="wrong again"),
        "e": Result("passed"),
        "g": Result("skipped", message="needs two zones"),
    },
)
LISTED = [Excuse("c", "dial tcp", "it downloads"), Excuse("d", "dial tcp", "it downloads"), Excuse("a", ".", "never")]


def test_verdicts():
    found = verdicts.judge("abcdefg", OUTCOME, LISTED)
    assert [(one.test, one.kind.name, one.why) for one in found] == [
        ("a", "PASSED", ""),
        ("b", "AGAIN", "at first: deadline exceeded"),
        ("c", "NOT_RUNNABLE", "it downloads"),
        ("d", "FAILED", "wrong again"),
        ("e", "AGAIN", "at first: no result"),
        ("f", "FAILED", verdicts.NO_RESULT),
        ("g", "NOT_RUNNABLE", "it skips itself: needs two zones"),
    ]


def test_what_is_listed_as_not_runnable_says_how_that_shows_and_why():
    for excuse in verdicts.excuses():
        assert "[Conformance]" in excuse.test and len(excuse.why) > 20
        assert re.search(excuse.says, "") is None, "this covers any failure"


def test_a_listed_reason_is_read(tmp_path):
    (tmp_path / "list.yaml").write_text(yaml.safe_dump([{"test": "c", "says": "dial tcp", "why": "it downloads"}]))
    assert verdicts.excuses(tmp_path / "list.yaml") == [Excuse("c", "dial tcp", "it downloads")]


TESTS = Names(together=tuple("abcde"), alone=tuple("fg"))
ABOUT = table.About("1.37.2", datetime.date(2026, 1, 2), 2, 3000.0, "Stand-ins.")


def test_the_table():
    text = table.text(ABOUT, TESTS, verdicts.judge("abcdefg", OUTCOME, LISTED))
    assert text.startswith("Conformance tests of Kubernetes 1.37.2, 2026-01-02, on 2 cores, 50 min\n")
    rows = {line[:24].strip(): line[24:].split() for line in text.splitlines() if re.search(r"\d+ +\d+ +\d+$", line)}
    assert rows == {
        "passed": ["1", "0", "1"],
        "passed when run again": ["2", "0", "2"],
        "not runnable here": ["1", "1", "2"],
        "failed": ["1", "1", "2"],
        "all": ["5", "2", "7"],
    }
    assert text.index("failed: d") < text.index("not runnable here: c") < text.index("passed when run again: b")


def test_the_table_as_markdown():
    found = [Verdict("a", Kind.PASSED), Verdict("b", Kind.FAILED, "a | b <nil>")]
    assert (
        table.markdown(ABOUT, Names(("a", "b"), ()), found)
        == "Conformance tests of Kubernetes 1.37.2, 2026-01-02, on 2 cores, 50 min:\n\n"
        "| | together | alone | all |\n|---|---|---|---|\n"
        "| passed | 1 | 0 | 1 |\n| passed when run again | 0 | 0 | 0 |\n| not runnable here | 0 | 0 | 0 |\n"
        "| failed | 1 | 0 | 1 |\n| all | 2 | 0 | 2 |\n\n"
        "| test | outcome | why |\n|---|---|---|\n| b | failed | a \\| b &lt;nil> |\n\nStand-ins.\n"
    )


# --- runs


GINKGO = """
import json, pathlib, subprocess, sys, urllib.request
options = dict(word.lstrip("-").partition("=")[::2] for word in sys.argv[1:])
def tell(message):
    urllib.request.urlopen(options["progress-report-url"], json.dumps({"msg": message, "total": 2}).encode())
tell("PASSED [sig-a] Things work [Conformance]")
tell("FAILED [sig-a] Things fail [Conformance]")
tell("Test Suite completed")
pathlib.Path("environment").write_text("".join(sorted(__import__("os").environ)))
left = subprocess.Popen(["sleep", "600"])
pathlib.Path("left").write_text(str(left.pid))
MORE
"""
WRITES = 'pathlib.Path(options["output-dir"], options["json-report"]).write_text(json.dumps(REPORT))\nsys.exit(1)'


@pytest.fixture
def said() -> list[str]:
    """The lines that a run says."""
    return []


@pytest.fixture
def running(tmp_path: Path, said: list[str]):
    """A ginkgo that does what the given lines say, after it told of two tests and left a process behind."""

    def make(more: str) -> Suite:
        (tmp_path / "programs").mkdir(exist_ok=True)
        script = GINKGO.replace("MORE", more.replace("REPORT", repr(REPORT)))
        (tmp_path / "programs/ginkgo").write_text(f"#!{sys.executable}\n{script}")
        (tmp_path / "programs/ginkgo").chmod(0o755)
        programs = Programs(tmp_path / "programs", tmp_path)
        return Suite(programs, tmp_path / "admin.conf", Path("kubectl"), tmp_path / "runs", said.append)

    return make


def gone(path: Path) -> bool:
    """Whether the process that a run left behind has ended; init reaps it in its own time."""
    state = Path(f"/proc/{path.read_text()}/stat")
    deadline = time.monotonic() + 10
    while state.exists() and state.read_text().rpartition(") ")[2][0] != "Z" and time.monotonic() < deadline:
        time.sleep(0.05)
    return not state.exists() or state.read_text().rpartition(") ")[2][0] == "Z"


def test_a_run_gives_what_the_report_says_and_leaves_nothing_behind(running, said, tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", "/mine")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    found = running(WRITES).run("once", "x")
    assert found["[sig-a] Things fail [Conformance]"].message == "Unexpected error"
    assert gone(tmp_path / "runs/once/left")
    told = (tmp_path / "runs/once/environment").read_text()
    assert "TMPDIR" in told and "KUBECONFIG" not in told and "PROXY" not in told
    assert "did not pass: [sig-a] Things fail [Conformance]" in said
    assert "once: SynchronizedBeforeSuite: the API is away" in said


def test_a_run_that_dies_gives_what_was_heard(running, tmp_path):
    found = running('__import__("os").kill(__import__("os").getpid(), 9)').run("dead", "x")
    assert found["[sig-a] Things work [Conformance]"].passed
    assert found["[sig-a] Things fail [Conformance]"].message == progress.UNTOLD
    assert gone(tmp_path / "runs/dead/left")


def test_a_run_that_hangs_is_ended(running, said, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "GRACE", 0.5)
    found = running("__import__('time').sleep(600)").run("hung", "x", seconds=2)
    assert found["[sig-a] Things work [Conformance]"].passed
    assert any("did not end by itself" in line for line in said)
    assert gone(tmp_path / "runs/hung/left")


def test_ginkgo_is_asked_as_it_wants_to_be(tmp_path):
    made = Suite(Programs(Path("/p"), Path("/s")), Path("/admin.conf"), Path("/kubectl"), tmp_path, print)
    words = made.argv(tmp_path, "http://127.0.0.1:1", "F", "S", processes=8, seconds=60)
    own, theirs = words[: words.index("--")], words[words.index("--") + 1 :]
    assert own[:2] == ("/p/ginkgo", "run") and own[-1] == "/p/e2e.test"
    assert {"--procs=8", "--timeout=60s", "--focus=F", "--skip=S", "--json-report=report.json"} <= set(own)
    assert {"--kubeconfig=/admin.conf", "--provider=skeleton", "--progress-report-url=http://127.0.0.1:1"} <= set(
        theirs
    )


class Scripted:
    """A suite whose runs come to what was written down before; it keeps what it was asked."""

    def __init__(self, **runs: dict[str, Result]):
        self.runs, self.asked = runs, []

    def say(self, line: str) -> None: ...

    def log(self, name: str) -> Path:
        return Path(os.devnull)

    def run(self, name: str, focus: str, skip: str = "", processes: int = 1, seconds: float = 1) -> dict[str, Result]:
        self.asked.append((name, focus, skip, processes))
        return self.runs.get(name.replace("-", "_"), {})


def test_what_did_not_pass_runs_once_more_and_the_others_alone():
    passed, failed = Result("passed"), Result("failed", message="no")
    runs = {
        "together": {"a": passed, "b": failed},
        "together_again": {"b": passed},
        "alone_1": {"x": passed},
        "alone_2": {},
    }
    scripted = Scripted(**runs, alone_2_again={"y": failed})
    outcome = conduct(scripted, Names(("a", "b", "c"), ("x", "y")), whole=True)
    assert outcome == Outcome({"a": passed, "b": failed, "x": passed}, {"b": passed, "y": failed})
    assert [name for name, *_ in scripted.asked] == [
        "together",
        "together-again",
        "alone-1",
        "alone-2",
        "alone-2-again",
    ]
    assert scripted.asked[0][1:3] == (suite.ALL, suite.ALONE)
    assert scripted.asked[1][1] == suite.exactly(["b", "c"])


def test_a_suite_that_does_not_begin_is_not_repeated():
    scripted = Scripted()
    with pytest.raises(AssertionError, match="not one test ran to its end"):
        conduct(scripted, Names(("a",), ("x",)), whole=False)
    assert len(scripted.asked) == 1 and scripted.asked[0][1] == suite.exactly(["a"])


# --- the cluster


def test_its_lab_shares_no_address_with_the_demo(tmp_path):
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(inventory()))
    plans = (load(tmp_path / "own.yaml").network, load(Path(__file__).parents[2] / "inventory/lab.yaml").network)
    assert (
        overlapping(*(network for plan in plans for network in (plan.node_cidr, plan.pod_cidr, plan.service_cidr)))
        == []
    )


def test_every_program_of_an_image_is_compiled():
    assert {package.rpartition("/")[2] for package in PACKAGES} == {
        "ginkgo",
        "agnhost",
        "nonewprivs",
        "sample-apiserver",
    }
