"""A host that answers probes and carries out ops: the vocabulary over a transport, in few round trips."""

from __future__ import annotations

import secrets
import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from ..errors import RemoteCommandError
from ..transport import Result, Transport
from ..vocabulary import Answers, Blob, Op, Probe
from . import bulk
from . import host as shell
from .remedies import advice

LARGE = 1 << 20
# Verbs of ops whose content becomes a file: PATH MODE OWNER GROUP ...
PLACED = ("put", "binary")
# A run that was killed may have left a script at work on the host: the next one waits for it to end.
LOCK = "at=lock; if command -v flock >/dev/null 2>&1; then exec 9>/run/hardway.lock; flock -w 300 9; fi; at=content"
# Content holds keys: whatever ends the script, nothing of it is left behind.
CLEAN = (
    """trap 'code=$?; rm -rf "$stage"; [ $code = 0 ] || echo "hardway-at:$at" >&2' EXIT; trap 'exit 143' HUP INT TERM"""
)
FREE = 'NR == 2 {print "free on " $6 ": " $4 " MB"}'


class HostRemote:
    """One host over its transport.

    `sent(bytes)` is told of every chunk of large content that goes over the wire. `permit` is asked before anything is
    changed, and raises to forbid it.
    """

    def __init__(
        self,
        transport: Transport,
        sent: Callable[[int], None] = lambda n: None,
        permit: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.transport = transport
        self.host = transport.host
        self.sent, self.permit, self.clock = sent, permit, clock
        self.compress: bool | None = None

    def probe(self, probes: Sequence[Probe]) -> Answers:
        return ask(self.transport, probes)

    def change(self, ops: Sequence[Op]) -> None:
        self.permit()
        try:
            self._carry_out(ops)
        except RemoteCommandError:
            self.permit()  # where that is lost, it is the cause
            raise

    def _carry_out(self, ops: Sequence[Op]) -> None:
        blobs = [op.blob for op in ops if op.blob]
        stage = ""
        if any(blob.size > LARGE for blob in blobs):
            stage = self._send_large(blobs)
            self.permit()  # that takes its time
        content = pack(blobs) if blobs and not stage else b""
        result = self.transport.run(self._script(ops, stage), stdin=content, timeout=900)
        if result.code != 0:
            raise self._failure(ops, result)

    def _send_large(self, blobs: list[Blob]) -> str:
        """Stream content to a folder on the file system where it will end up; its name is returned."""
        stage = f"/usr/local/.hardway.{secrets.token_hex(6)}"
        if self.compress is None:
            self.compress = bulk.pays(self.transport, blobs, self.clock)
        receive = f"mkdir {stage} && {{ {bulk.receiver(stage, self.compress)}; }}"
        give_back = f"{{ code=$?; df -Pm /usr/local | awk '{FREE}' >&2; rm -rf {stage}; exit $code; }}"
        command = f"rm -rf /usr/local/.hardway.*; umask 077; {receive} || {give_back}"
        result = self.transport.stream(command, bulk.tar_stream(blobs, self.compress), sent=self.sent)
        if result.code != 0:
            raise RemoteCommandError(
                "files could not be written to the host",
                host=self.host.name,
                command=receive,
                evidence=f"{result.error_text}{sum(blob.size for blob in blobs) / 1e6:.0f} MB were to be written",
                hint=f"free some space on {self.host.name}: df -h /usr/local; df -i /usr/local",
            )
        return stage

    def _script(self, ops: Sequence[Op], stage: str) -> str:
        begin = (
            f"stage={stage}" if stage else "stage=$(mktemp -d /run/hardway.XXXXXX 2>/dev/null) || stage=$(mktemp -d)"
        )
        unpack = 'tar -xf - -C "$stage"' if not stage and any(op.blob for op in ops) else ""
        calls, number = [], 0
        for i, op in enumerate(ops):
            args = list(op.args)
            if op.blob:
                # A file here may have changed since it was checked, or on its way. Of a program the op itself looks.
                if op.blob.path and op.verb != "binary":
                    calls.append(f'at={i}; same "$stage/{number}" {shlex.quote(op.blob.sha256)}')
                args.append(str(number))
                number += 1
            calls.append(f"at={i}; w_{op.verb} {shlex.join(args)}")
        return "\n".join([shell.WRITE, "set -eu", "at=begin", begin, CLEAN, LOCK, unpack, *_modes(ops), *calls])

    def _failure(self, ops: Sequence[Op], result: Result) -> RemoteCommandError:
        lines = [line for line in result.error_text.splitlines() if not line.startswith("hardway-at:")]
        at = next(
            (
                line.partition(":")[2]
                for line in reversed(result.error_text.splitlines())
                if line.startswith("hardway-at:")
            ),
            "",
        )
        op = ops[int(at)] if at.isdecimal() else None
        what = str(op or "unpack content")
        message, hint = (
            advice(op, self.host.name, result.error_text) if op else ("", f"on {self.host.name}: df -h /run /tmp")
        )
        if at == "lock":
            what, message = "flock /run/hardway.lock", "another run is still working on this host after 300 s"
            hint = f"wait until it finishes, or see what it is doing: on {self.host.name}: ps axf"
        message = message or f"`{what}` failed with exit code {result.code}"
        return RemoteCommandError(message, host=self.host.name, command=what, evidence="\n".join(lines), hint=hint)


def _modes(ops: Sequence[Op]) -> Iterator[str]:
    """What gives content that becomes a file the mode it is to have there, all with the same mode at once."""
    numbers: dict[str, list[str]] = {}
    for number, op in enumerate(op for op in ops if op.blob):
        if op.verb in PLACED:
            numbers.setdefault(op.args[1], []).append(str(number))
    return (f"modes {shlex.join([mode, *same])}" for mode, same in numbers.items())


def pack(blobs: Iterable[Blob]) -> bytes:
    """A tar of small content, members named 0, 1, 2 …"""
    return b"".join(bulk.tar_stream(blobs))


def ask(transport: Transport, probes: Sequence[Probe]) -> Answers:
    """Every probe's answer from a host, in one round trip; the script holds questions of read.sh and nothing else."""
    wanted = list(dict.fromkeys(probes))
    if not wanted:
        return {}
    mark = f"== {secrets.token_hex(8)} "
    calls = [f"echo {shlex.quote(mark + str(i))}; {_call(probe)}" for i, probe in enumerate(wanted)]
    script = [shell.READ, *_together(wanted), *calls, f"echo {shlex.quote(mark + 'end')}"]
    result = transport.run("\n".join(script), timeout=120)
    parts = result.text.split(mark)
    if not parts[-1].startswith("end"):
        raise RemoteCommandError(
            "the host's answer ended early while hardway read its state",
            host=transport.host.name,
            evidence=result.error_text,
            hint=f"on {transport.host.name}: journalctl -b   may show what ended it; then run the same command again",
        )
    return {wanted[i]: part.split("\n", 1)[1].strip() for i, part in enumerate(parts[1:-1])}


def follow(transport: Transport, probe: Probe, lines: Callable[[str], None], stop: Callable[[], bool]) -> int:
    """The answer to a question that goes on and on, line by line until `stop` says so."""
    return transport.follow(f"{shell.READ}\n{_call(probe)}", lines, stop)


def _together(probes: Sequence[Probe]) -> Iterator[str]:
    """What read.sh finds out once for all questions of a verb, before they come in the same order."""
    for verb in shell.TOGETHER:
        if first := [probe.args[0] for probe in probes if probe.verb == verb]:
            yield f"all_{verb} {shlex.join(first)}"


def _call(probe: Probe) -> str:
    if probe.verb not in shell.QUESTIONS:
        raise ValueError(f"no such question: {probe.verb}")
    return f"q_{probe.verb} {shlex.join(probe.args)}"
