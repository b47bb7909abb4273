"""Every verb of the shell files has its counterpart in memory, and every verb that resources use exists."""

import re
from pathlib import Path

import pytest
from fakes.memory_host import MemoryHost

import hardway.resources
import hardway.targets.host

HOST = Path(hardway.targets.host.__file__).parent
OF_THE_API, OF_THE_OPERATOR = {"object", "apply", "delete", "mark", "merge"}, {"issued", "issue", "state", "keep"}
OF_ETCD = {"member", "add", "promote", "update", "alarms", "compact", "disarm"}
OF_SECRETS = {"others", "rewrite"}
OF_OTHER_TARGETS = OF_THE_API | OF_THE_OPERATOR | OF_ETCD | OF_SECRETS


def shell_verbs(file: str, prefix: str) -> set[str]:
    return set(re.findall(rf"^{prefix}_(\w+)\(\)", (HOST / file).read_text(), re.MULTILINE))


def memory_verbs(prefix: str) -> set[str]:
    return {name.removeprefix(f"{prefix}_") for name in dir(MemoryHost) if name.startswith(f"{prefix}_")}


@pytest.mark.parametrize(("file", "prefix"), [("read.sh", "q"), ("write.sh", "w")])
def test_the_memory_host_speaks_the_whole_vocabulary(file, prefix):
    assert memory_verbs(prefix) == shell_verbs(file, prefix)


@pytest.mark.parametrize(("kind", "file", "prefix"), [("Probe", "read.sh", "q"), ("Op", "write.sh", "w")])
def test_resources_use_known_verbs(kind, file, prefix):
    sources = "".join(path.read_text() for path in Path(hardway.resources.__file__).parent.glob("*.py"))
    used = set(re.findall(rf'{kind}\("(\w+)"', sources))
    assert used and used <= shell_verbs(file, prefix) | OF_OTHER_TARGETS


def test_questions_write_nothing():
    """A plan is as safe as these functions: none redirects into a file or calls anything that changes one."""
    text = re.sub(r"#.*", "", hardway.targets.host.READ)
    assert set(re.findall(r"[^2&<]>\s*([^\s&;|)]+)", text)) <= {"/dev/null"}
    assert not re.search(r"\b(rm|mv|cp|mkdir|touch|tee|install|ln|chmod|chown|sed -i|modprobe|sysctl -w|kill)\b", text)
