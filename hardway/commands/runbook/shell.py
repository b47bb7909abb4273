"""How commands are written down: quoting, here-documents, and the way to a host."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...pki.stand_ins import StandIns

SSH = 'ssh -F "$CONFIG"'


@dataclass(frozen=True)
class Way:
    """A host as commands name it: its name, or `$host` inside of a loop over several; `sudo` when we do not log in as
    root."""

    name: str
    sudo: bool = False

    @property
    def root(self) -> str:
        return "sudo " if self.sudo else ""

    def run(self, command: str) -> str:
        """One command on the host, as root; it gets nothing to read, so that it swallows no lines that were pasted
        after it."""
        return f"{SSH} -n {self.name} {quoted(self.root + command)}"

    def script(self, lines: str) -> str:
        """Several commands on the host, as root."""
        return f"{SSH} {self.name} {quoted(self.root + 'sh -e')} {heredoc(lines)}"

    def feed(self, command: str, document: str) -> str:
        """A command that reads a here-document or a local file (`< "file"`)."""
        return f"{SSH} {self.name} {quoted(self.root + command)} {document}"


def quoted(text: str) -> str:
    """One word for the shell, in single quotes."""
    return "'" + text.replace("'", "'\\''") + "'"


def heredoc(text: str) -> str:
    """A here-document with exactly this text, and a newline at its end."""
    end = _end(text)
    return f"<<'{end}'\n{text if text.endswith(chr(10)) else text + chr(10)}{end}"


def open_heredoc(text: str, expressions: dict[str, str]) -> str:
    """A here-document in which the shell fills in the expressions, and nothing else."""
    escaped = re.sub(r"([\\$`])", r"\\\1", text)
    for mark, expression in expressions.items():
        escaped = escaped.replace(mark, expression)
    return f"<<{_end(text)}\n{escaped if escaped.endswith(chr(10)) else escaped + chr(10)}{_end(text)}"


def content(data: bytes, secrets: StandIns, host: str, way: Way) -> str:
    """Whatever a command is to read: a file of the state directory, or a here-document without a secret in it."""
    name = secrets.file(data)
    if name:
        return f'< "{inside(name, host, way)}"'
    text, expressions = secrets.expressions(data.decode())
    if not text.endswith("\n") and not expressions:
        return f"< <(printf %s {quoted(text)})"
    own = {
        mark: expression.replace(f"/hosts/{host}/", f"/hosts/{way.name}/") for mark, expression in expressions.items()
    }
    return open_heredoc(text, own) if own else heredoc(text)


def inside(name: str, host: str, way: Way) -> str:
    """A file of the state directory; of a folder with the host's name, that of whichever host the loop is at."""
    return f"$STATE/{name.replace(f'/hosts/{host}/', f'/hosts/{way.name}/')}"


def loop(hosts: list[str], body: str) -> str:
    """The same for several hosts, one after the other; `body` speaks of `$host`."""
    return f"for host in {' '.join(hosts)}; do\n{body}\ndone"


def _end(text: str) -> str:
    end = "EOF"
    while end in text.splitlines():
        end += "F"
    return end
