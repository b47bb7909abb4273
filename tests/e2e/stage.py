"""What the end-to-end tests stand on: an inventory with machines of its own, worked on by the real command line
alone."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from hardway.progress.events import Moment

HERE = Path(__file__).parent
# What every inventory of the lab says: its machines have the cgroups of this computer, whichever those are.
COMMON = {"kubelet": {"fail_cgroup_v1": False}}
SHARED_INVENTORY = HERE.parents[1] / "inventory/lab.yaml"


@dataclass(frozen=True)
class Ran:
    """One finished command."""

    words: tuple[str, ...]
    code: int
    out: str
    err: str
    seconds: float

    def __str__(self) -> str:
        return (
            f"$ {' '.join(self.words)}\n{self.out[-6000:]}{self.err[-6000:]}exit code {self.code} after"
            f" {self.seconds:.1f} s"
        )

    def ok(self, code: int = 0) -> Ran:
        """Itself, when it ended with this code; what it said otherwise."""
        assert self.code == code, f"exit code {code} expected\n{self}"
        return self

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def events(self) -> list[dict[str, Any]]:
        """What was told with --output json, each event as it is declared: another is a KeyError or TypeError."""
        return [json.loads(line) for line in self.out.splitlines() if Moment.parse(line)]

    @property
    def changes(self) -> set[tuple[str, str, str]]:
        """(phase, host, resource) of everything a bootstrap with JSON events has changed."""
        steps = [event for event in self.events if event["event"] == "step-finished"]
        return {(step["phase"], step["host"], change["resource"]) for step in steps for change in step["changes"]}


def run(
    *words: str | Path, cwd: Path, timeout: float = 300, stdin: str = "", env: Mapping[str, str] | None = None
) -> Ran:
    """Run a program to its end, in our environment or in this one."""
    argv = tuple(map(str, words))
    start = time.monotonic()
    done = subprocess.run(argv, cwd=cwd, input=stdin, capture_output=True, text=True, timeout=timeout, env=env)
    return Ran(argv, done.returncode, done.stdout, done.stderr, time.monotonic() - start)


class Stage:
    """A lab cluster in a folder of its own; the user's clusters are never touched."""

    def __init__(self, folder: Path, inventory: dict[str, Any]):
        self.folder, self.name = folder, inventory["cluster"]
        self.inventory = folder / f"{self.name}.yaml"
        self.hosts = [host["name"] for host in inventory["hosts"]]
        if "lab" in inventory:
            inventory["lab"]["directory"] = str(folder / "machines")
        folder.mkdir(parents=True, exist_ok=True)
        self.inventory.write_text(yaml.safe_dump(inventory, sort_keys=False))

    def edit(self, change: Callable[[dict[str, Any]], Any]) -> None:
        """The inventory from now on: as `change` leaves it."""
        inventory = yaml.safe_load(self.inventory.read_text())
        change(inventory)
        self.inventory.write_text(yaml.safe_dump(inventory, sort_keys=False))

    @property
    def state(self) -> Path:
        return self.folder / ".hardway" / self.name

    def argv(self, *words: str) -> tuple[str, ...]:
        """A hardway command of this interpreter; the word INV stands for the inventory."""
        return (
            sys.executable,
            "-m",
            "hardway.cli.app",
            *(str(self.inventory) if word == "INV" else word for word in words),
        )

    def hardway(self, *words: str, timeout: float = 300) -> Ran:
        return run(*self.argv(*words), cwd=self.folder, timeout=timeout)

    def lab(self, action: str, *hosts: str) -> Ran:
        return self.hardway("lab", action, "INV", *hosts).ok()

    def ssh(self, host: str, command: str, stdin: str = "") -> str:
        """What a command prints on a machine."""
        # As `hardway lab ssh` does, without starting Python for it some thousand times.
        words = ("ssh", "-F", self.state / "lab" / "ssh_config", host, command)
        return run(*words, cwd=self.folder, stdin=stdin, timeout=120).ok().out

    def bootstrap(self) -> Ran:
        return self.hardway("bootstrap", "INV", "--output", "json", timeout=600).ok()

    def kubectl(self, *words: str, stdin: str = "") -> Ran:
        """The gathered kubectl, with the administrator's kubeconfig: through the load balancer, from the operator's
        side."""
        found = (self.kubectl_program, "--kubeconfig", self.state / "admin.conf", "--request-timeout=5s", *words)
        return run(*found, cwd=self.folder, stdin=stdin, timeout=60)

    @cached_property
    def kubectl_program(self) -> str:
        lines = self.hardway("env", "INV").ok().out.splitlines()
        return next(line.partition("=")[2].strip("'\"") for line in lines if line.startswith("alias kubectl="))

    def verify(self) -> Ran:
        return self.hardway("verify", "INV", "--output", "json", timeout=600)

    def verified(self, ran: Ran | None = None) -> Ran:
        """Every check passed; one that was skipped says why."""
        ran = ran or self.verify()
        assert ran.code == 0, f"{failures(ran)}\n{ran.err[-3000:]}"
        checks = ran.json["checks"]
        assert len(checks) > 20
        assert [
            check
            for check in checks
            if check["status"] != "passed" and not (check["status"] == "skipped" and check["detail"])
        ] == []
        return ran

    def settled(self, seconds: float = 180) -> Ran:
        """`verified` as soon as the cluster is itself again: after a reboot or a power cut it needs a while."""
        await_true(lambda: self.kubectl("get", "--raw", "/readyz").code == 0, seconds, "the API server to be ready")
        last: list[Ran] = []

        def well() -> bool:
            last[:] = [self.verify()]
            return last[0].code == 0

        await_true(well, seconds, "verify to pass", evidence=lambda: failures(last[0]))
        return self.verified(last[0])

    def keys(self) -> dict[str, bytes]:
        """Everything of the state directory that must never change once it exists: authorities, keys, certificates."""
        folders = (self.state / "pki", self.state / "encryption")
        files = [
            path for folder in folders for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")
        ]
        return {path.relative_to(self.state).as_posix(): path.read_bytes() for path in files}


def failures(ran: Ran) -> str:
    """The failed checks of a verify, or all it said when it got no further."""
    try:
        return "\n".join(
            f"{check['name']}: {check['detail']}" for check in ran.json["checks"] if check["status"] == "failed"
        )
    except ValueError:
        return str(ran)


def await_true(condition: Callable[[], bool], seconds: float, what: str, evidence: Callable[[], str] = str) -> float:
    """Ask until it is so; the seconds it took. AssertionError at the deadline."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > seconds:
            raise AssertionError(f"waited {seconds} s in vain for {what}\n{evidence()}")
        time.sleep(0.2)
    return time.monotonic() - start


def of_the_lab(name: str, node: str, pods: str, services: str) -> dict[str, Any]:
    """inventory/lab.yaml under another name in other networks, given as the first two or three bytes ("10.241.0")."""
    inventory = yaml.safe_load(SHARED_INVENTORY.read_text())
    inventory["cluster"] = name
    inventory["network"] |= {
        "node_cidr": f"{node}.0/24",
        "pod_cidr": f"{pods}.0.0/16",
        "service_cidr": f"{services}.0/24",
    }
    inventory["lab"]["gateway"] = f"{node}.1"
    for host in inventory["hosts"]:
        host["address"] = f"{node}.{host['address'].rpartition('.')[2]}"
    return inventory
