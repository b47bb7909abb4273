"""State of the operating system: users, kernel modules, sysctls, swap, images, live routes."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from ..vocabulary import Answers, Blob, Op, Probe
from .base import Change, Situation
from .unit_state import properties


@dataclass(frozen=True)
class User:
    """A system user that cannot log in, with its group: /etc/passwd is written first, and is not all of it."""

    name: str
    home: str

    @property
    def key(self) -> str:
        return f"user {self.name}"

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("user", (self.name,)), Probe("ours", ("users", self.name)))

    def compare(self, now: Situation) -> Change | None:
        found, *rest = now.answers[self.probes()[0]].splitlines()
        missing = [line.removeprefix("missing ") for line in rest if line.startswith("missing ")]
        if found != "absent" and not missing:
            return None
        why = "new" if found == "absent" else f"incomplete, missing {', '.join(missing)}"
        return Change(self.key, (why,), (Op("user", (self.name, self.home)),))

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        ours = answers[self.probes()[1]] == "yes" and answers[self.probes()[0]] != "absent"
        return (Op("dropuser", (self.name,)),) if ours else ()


@dataclass(frozen=True)
class KernelModule:
    """A module in effect now; that it comes back at boot is the modules-load drop-in's business."""

    name: str

    @property
    def key(self) -> str:
        return f"kernel module {self.name}"

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("module", (self.name,)),)

    def compare(self, now: Situation) -> Change | None:
        absent = now.answers[self.probes()[0]] == "absent"
        return Change(self.key, ("not loaded",), (Op("modprobe", (self.name,)),)) if absent else None

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        return ()


@dataclass(frozen=True)
class Sysctl:
    """Live values of a sysctl drop-in at `path`; `values` are (key, value) in the file's order."""

    path: str
    values: tuple[tuple[str, str], ...]

    @property
    def key(self) -> str:
        return f"sysctl {self.path}"

    def probes(self) -> tuple[Probe, ...]:
        return (*(Probe("sysctl", (key,)) for key, _ in self.values), Probe("exists", ("/var/lib/hardway/sysctl",)))

    def compare(self, now: Situation) -> Change | None:
        wrong = [
            (key, now.answers[Probe("sysctl", (key,))], value)
            for key, value in self.values
            if now.answers[Probe("sysctl", (key,))] != value
        ]
        why = tuple(f"{key} is {actual}, should be {value}" for key, actual, value in wrong)
        return Change(self.key, why, (Op("sysctl", (self.path,)),)) if wrong else None

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        return (Op("unsysctl"),) if answers[Probe("exists", ("/var/lib/hardway/sysctl",))] == "yes" else ()


@dataclass(frozen=True)
class SwapOff:
    """No swap, now and after a reboot."""

    @property
    def key(self) -> str:
        return "swap off"

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("swap"), Probe("exists", ("/var/lib/hardway/swap",)))

    def compare(self, now: Situation) -> Change | None:
        found = now.answers[self.probes()[0]].splitlines()
        return Change(self.key, tuple(found), (Op("swapoff"),)) if found else None

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        return (Op("swapback"),) if answers[self.probes()[1]] == "yes" else ()


@dataclass(frozen=True)
class Image:
    """A container image in containerd's k8s.io namespace, imported from an archive and pinned: the kubelet keeps it.

    `digest` is that of its manifest (sha256:...), by which one of the same name with other content is noticed; empty
    where the archive is not here yet.
    """

    reference: str
    blob: Blob
    digest: str = ""

    @property
    def key(self) -> str:
        return f"image {self.reference}"

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("image", (self.reference,)),)

    def compare(self, now: Situation) -> Change | None:
        found, *digests = now.answers[self.probes()[0]].split()
        bring = Op("image", (self.reference,), self.blob)
        if found in ("present", "unpinned") and (other := self._other(*digests)):
            why = "other content under its name; pods get the right one when they are started again"
            return Change(self.key, (why,), (bring,), diff=f"-{other}\n+{self.digest}", was=other)
        if found == "present":
            return None
        if found == "unpinned":
            why = "the kubelet may remove it when the disk is full"
            return Change(self.key, (why,), (Op("pinimage", (self.reference,)),))
        half = found != "absent"
        ops = (Op("dropimage", (self.reference,)), bring) if half else (bring,)
        return Change(self.key, ("import incomplete" if half else "new",), ops, diff=f"{self.blob.size} bytes")

    def _other(self, there: str = "", brought: str = "") -> str:
        """What is there, where it is neither the archive's nor what another computer brought."""
        return there if self.digest and there.startswith("sha256:") and there not in (self.digest, brought) else ""

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        return ()


@dataclass(frozen=True)
class LiveRoutes:
    """Routes as the kernel has them; the running unit that sets them is restarted when one is missing or wrong.

    A unit that is not running, or is restarted for a change of its `files`, is Unit's business. One that could not set
    a route is activating: it tries again.
    """

    routes: tuple[tuple[IPv4Network, IPv4Address], ...]
    unit: str
    files: tuple[str, ...]

    @property
    def key(self) -> str:
        return "routes to pod CIDRs"

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("routes"), Probe("unit", (self.unit,)))

    def compare(self, now: Situation) -> Change | None:
        state = properties(now.answers[self.probes()[1]])["ActiveState"]
        if now.changed.intersection(self.files) or state not in ("active", "activating"):
            return None
        lines = set(now.answers[self.probes()[0]].splitlines())
        missing = tuple(f"{cidr} via {hop}" for cidr, hop in self.routes if f"{cidr} {hop}" not in lines)
        return Change(self.key, missing, (Op("restart", (self.unit, "wait")),)) if missing else None

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        return ()


@dataclass(frozen=True)
class Leftover:
    """What running pods leave behind: nothing is desired of it, a reset cleans it.

    `kind` as in read.sh's `leftover`.
    """

    kind: str

    @property
    def key(self) -> str:
        return f"leftover {self.kind}"

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("leftover", (self.kind,)), Probe("exists", ("/var/lib/hardway",)))

    def compare(self, now: Situation) -> Change | None:
        return None

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        found, known = (answers[probe] for probe in self.probes())
        # On a host that we never worked on, pods and rules are somebody else's.
        return (Op("cleanup", (self.kind,)),) if known == "yes" and found not in ("0", "") else ()


@dataclass(frozen=True)
class Owned:
    """The host remembers which cluster it belongs to: its name and its authority's digest.

    `former` is the digest that the mark may have instead: of an authority in whose place another one has come.
    """

    cluster: str
    authority: str
    former: str = ""

    @property
    def key(self) -> str:
        return "mark of the cluster"

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("file", ("/var/lib/hardway/cluster", "", "text")),)

    def compare(self, now: Situation) -> Change | None:
        # Preflight has refused hosts of another cluster, so a mark that is there is ours; a power cut may have left it
        # empty.
        marked = base64.b64decode(now.answers[self.probes()[0]].partition("\n")[2]).decode(errors="replace").split()
        if marked and marked != [self.cluster, self.former]:
            return None
        why = "the CA has been replaced" if marked else "new"
        more = (self.former,) if marked else ()
        return Change(self.key, (why,), (Op("cluster", (self.cluster, self.authority, *more)),))

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        return ()


@dataclass(frozen=True)
class Records:
    """What we remember on a host about our own doings: kept while there is anything of ours, forgotten last."""

    @property
    def key(self) -> str:
        return "records of hardway in /var/lib/hardway"

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("exists", ("/var/lib/hardway",)),)

    def compare(self, now: Situation) -> Change | None:
        return None

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        return (Op("forget"),) if answers[self.probes()[0]] == "yes" else ()
