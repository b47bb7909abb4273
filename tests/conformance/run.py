"""One run of ginkgo with the suite. Whatever becomes of it, its processes are gone afterwards and results are kept."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from . import report
from .programs import Programs
from .progress import listening
from .report import Result

# Beyond its own time limit, for ginkgo to stop tests that run and to write its report.
GRACE = 300.0


@dataclass(frozen=True)
class Suite:
    """The suite against one cluster, as the kubeconfig says; each run has a folder of its own below `folder`."""

    programs: Programs
    kubeconfig: Path
    kubectl: Path
    folder: Path
    say: Callable[[str], None]

    def run(
        self, name: str, focus: str, skip: str = "", processes: int = 1, seconds: float = 1800
    ) -> dict[str, Result]:
        """The results of the tests that `focus` finds and `skip` does not, as far as they came to an end."""
        folder = self.folder / name
        (folder / "tmp").mkdir(parents=True)
        with listening(self.say) as (url, heard), self.log(name).open("w") as log:
            argv = self.argv(folder, url, focus, skip, processes, seconds)
            process = subprocess.Popen(
                argv,
                cwd=folder,
                env=environment(folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                if not ended(process.pid, seconds + GRACE):
                    self.say(f"{name}: ginkgo did not end by itself within {seconds + GRACE:.0f} s")
            finally:
                # Not reaped yet, so that its number is still its own: nobody else is hit.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        suites = report.read(folder / "report.json")
        for line in report.trouble(suites):
            self.say(f"{name}: {line[:500]}")
        return {**heard.results, **report.results(suites)}

    def log(self, name: str) -> Path:
        """What ginkgo printed in a run."""
        return self.folder / name / "log"

    def argv(self, folder: Path, url: str, focus: str, skip: str, processes: int, seconds: float) -> Sequence[str]:
        """Ginkgo's own options, the suite, and behind the dashes what the suite takes."""
        return (
            str(self.programs.path("ginkgo")),
            "run",
            "--no-color",
            f"--procs={processes}",
            f"--timeout={seconds:.0f}s",
            "--poll-progress-after=10m",
            "--poll-progress-interval=5m",
            f"--output-dir={folder}",
            "--json-report=report.json",
            f"--focus={focus}",
            *([f"--skip={skip}"] if skip else ()),
            str(self.programs.path("e2e.test")),
            "--",
            f"--kubeconfig={self.kubeconfig}",
            f"--kubectl-path={self.kubectl}",
            "--provider=skeleton",
            "--repo-root=",
            "--disable-log-dump",
            f"--e2e-output-dir={folder}",
            f"--progress-report-url={url}",
        )


def environment(folder: Path) -> dict[str, str]:
    """Ours, without what would send the suite through a proxy or to other images; it leaves its files in `folder`."""
    strange = ("KUBE", "E2E_", "GINKGO_")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and not name.startswith(strange)
    }
    return {**kept, "TMPDIR": str(folder / "tmp"), "HOME": str(folder)}


def ended(process: int, seconds: float) -> bool:
    """Whether a child ends within this time; it is left for its parent to reap."""
    deadline = time.monotonic() + seconds
    while os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True
