"""What a batch asks of many things is asked once: each gets its own answer, whatever the others are, and however many
there are, no more processes are started for them."""

import getpass
import grp
import os
import shutil
import socket
from pathlib import Path

import pytest
from fakes.local_transport import LocalTransport

from hardway.targets.remote import HostRemote
from hardway.vocabulary import Blob, Op, Probe

pytestmark = pytest.mark.slow

ME, US = getpass.getuser(), grp.getgrgid(os.getgid()).gr_name
AWKWARD = ["two words", "two  words ", "two\nlines", "a\\b", "a\\nb", "$HOME", "*", "[a-z]", "'", '"', "-n", "tab\t"]
SHOW = """
systemctl() {
  space=
  for unit; do
    case $unit in
      show | -p | *[!.a-z]* | [A-Z]*) ;;
      sick.service) return 1 ;;
      *.service)
        printf "$space"; space='\\n'; printf 'MainPID=0\\nExecStart={ a }\\nExecStart={ b }\\nId=%s\\n' "$unit" ;;
    esac
  done
}
"""


def file(path, want: str = "", kind: str = "text") -> Probe:
    return Probe("file", (str(path), want, kind))


def with_first(remote, words: str) -> None:
    """Let scripts begin with these words."""
    run = remote.transport.run
    remote.transport.run = lambda script, **kw: run(f"{words}\n{script}", **kw)


def a_tree(folder: Path) -> list[Probe]:
    """Files, folders and links of all kinds, with awkward names, and what is not there."""
    for name in AWKWARD:
        (folder / name).write_text(name)
    (folder / "empty").touch()
    (folder / "big").write_bytes(b"x" * 70000)
    (folder / "folder").mkdir(mode=0o750)
    for link, leads in {"to file": "big", "to folder": "folder", "nowhere": "none"}.items():
        (folder / link).symlink_to(leads)
    names = [
        "none",
        *AWKWARD,
        "empty",
        "big",
        "folder",
        "to file",
        "to folder",
        "nowhere",
        "none either",
        "folder/none",
    ]
    return [file(folder / name, kind=kind) for name in names for kind in ("text", "secret", "dir")]


def test_each_of_many_is_answered_as_if_it_were_asked_alone(remote, tmp_path):
    probes = a_tree(tmp_path)
    probes += [Probe("binary", probe.args[:1]) for probe in probes[1::3]]
    together = remote.probe(probes)
    assert together == {probe: remote.probe([probe])[probe] for probe in probes}
    sha256 = Blob(data=b"two\nlines").sha256
    assert together[file(tmp_path / "two\nlines", kind="secret")] == f"file 644 {ME} {US} 9 {sha256}"
    assert together[file(tmp_path / "to folder", kind="dir")] == f"dir 750 {ME} {US}"
    assert together[file(tmp_path / "to folder")] == "link folder"
    assert together[file(tmp_path / "none", kind="dir")] == "absent"


@pytest.mark.parametrize("program", ["stat", "sha256sum"])
def test_a_file_that_is_gone_meanwhile_takes_no_other_files_answer(remote, tmp_path, program):
    probes = [file(tmp_path / name, kind="secret") for name in "abcd"]
    for name in "abcd":
        (tmp_path / name).write_text(name)
    with_first(remote, f'{program}() {{ rm -f {tmp_path}/b; command {program} "$@"; }}')
    found = remote.probe(probes)
    digests = [Blob(data=name.encode()).sha256 for name in "acd"]
    assert [found[probe].split()[-1] for probe in probes] == [digests[0], "absent", *digests[1:]]


def test_a_file_that_cannot_be_read_has_no_digest_and_nobody_elses(remote, tmp_path):
    probes = [file(tmp_path / name, kind="secret") for name in ("one", "sick", "two")]
    for probe in probes:
        Path(probe.args[0]).write_text("12345")
    reads = (
        f'for f; do shift; [ "$f" = {tmp_path}/sick ] || set -- "$@" "$f"; done; [ $# = 0 ] || command sha256sum "$@"'
    )
    # Alone it is given on stdin, which here is as sick as the file.
    with_first(remote, f"sha256sum() {{ {reads}; }}")
    found = [remote.probe(probes)[probe] for probe in probes]
    assert found == [f"file 644 {ME} {US} 5", f"file 644 {ME} {US} 5", f"file 644 {ME} {US} 5"]


def test_a_folder_or_a_file_that_comes_meanwhile_is_told_as_what_it_is(remote, tmp_path):
    """At first there is nothing; what is asked in its place says nothing about it."""
    with_first(remote, f'sha256sum() {{ mkdir -p {tmp_path}/a; echo b >{tmp_path}/b; command sha256sum "$@"; }}')
    found = remote.probe([file(tmp_path / "a", kind="dir"), file(tmp_path / "b", kind="secret")])
    assert [answer.split()[0] for answer in found.values()] == ["dir", "file"]
    assert found[file(tmp_path / "b", kind="secret")].split()[-1] == Blob(data=b"b\n").sha256


def test_one_record_is_believed_and_another_is_not(remote, tmp_path):
    paths = [str(tmp_path / name) for name in ("one", "two words", "three")]
    blob = Blob(data=b"program")
    remote.change([Op("binary", (path, "755", ME, US, blob.sha256), blob) for path in paths])
    Path(paths[1]).write_text("other")
    Path(paths[2]).unlink()
    found = remote.probe([Probe("binary", (path,)) for path in [*paths, str(tmp_path)]])
    digests = [blob.sha256, Blob(data=b"other").sha256, "absent", "absent"]
    assert [answer.split()[-1] for answer in found.values()] == digests


@pytest.mark.parametrize("sick", [False, True])
def test_each_unit_has_its_own_properties(remote, sick):
    """Also when systemd says nothing of one, or breaks off."""
    names = ["one.service", *(["sick.service"] if sick else []), "two.service", "three.service"]
    with_first(remote, SHOW)
    found = remote.probe([Probe("unit", (name,)) for name in names])
    for name in names:
        said = "" if name == "sick.service" else f"MainPID=0\nExecStart={{ a }}\nExecStart={{ b }}\nId={name}\n"
        told, _, uptime = found[Probe("unit", (name,))].rpartition("\n")
        assert told == f"{said}Stamp=" and uptime.startswith("Uptime=")


@pytest.mark.parametrize(
    ("leads", "enabled", "reads"),
    [
        ("{units}/a.service", True, False),
        ("../a.service", True, False),
        ("{lib}/a.service", True, True),  # it was replaced by one of ours, and means that one
        ("{units}/other.service", False, True),
        ("{units}/none/a.service", False, True),
        (None, False, False),
    ],
)
def test_the_link_by_which_a_unit_is_enabled_takes_no_process_where_it_leads_to_ours(
    remote, tmp_path, leads, enabled, reads
):
    units, lib = tmp_path / "etc", tmp_path / "lib"
    for folder in (lib, units / "multi-user.target.wants"):
        folder.mkdir(parents=True)
    for unit in (units / "a.service", units / "other.service", lib / "a.service"):
        unit.write_text(str(unit))
    if leads:
        (units / "multi-user.target.wants/a.service").symlink_to(leads.format(units=units, lib=lib))
    remote.transport.moves["/etc/systemd/system"] = str(units)
    spy = f'readlink() {{ echo >>{tmp_path}/read; command readlink "$@"; }}'
    with_first(remote, f"systemctl() {{ echo UnitFileState=enabled; }}\n{spy}")
    said = remote.probe([Probe("unit", ("a.service",))])[Probe("unit", ("a.service",))]
    assert ("UnitFileState=disabled" not in said) is enabled
    assert (tmp_path / "read").exists() is (reads or not leads)


def test_the_ports_on_which_somebody_listens_are_told_once(remote):
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.2", one.getsockname()[1])):
        said = remote.probe([Probe("ports")])[Probe("ports")].split()
        assert said.count(f"{one.getsockname()[1]:04X}") == 1 and len(set(said)) == len(said)


def test_each_sysctl_is_told_whole(remote):
    """The kernel would tell the shell the first figure and no more."""
    keys = ["net.ipv4.tcp_mem", "kernel.no_such", "kernel.pid_max", "kernel.ostype"]
    found = [remote.probe([Probe("sysctl", (key,)) for key in keys])[Probe("sysctl", (key,))] for key in keys]
    files = [Path("/proc/sys", key.replace(".", "/")) for key in keys]
    assert found == [path.read_text().strip() if path.exists() else "absent" for path in files]


def program(remote, name: str, folder: Path, words: str) -> None:
    """One of this name, for scripts."""
    (folder / "program").write_text(f"#!/bin/sh\n{words}\n")
    (folder / "program").chmod(0o755)
    remote.transport.moves[name] = str(folder / "program")


def test_each_package_has_its_own_state(remote, tmp_path):
    states = {"whole": "ii ", "unpacked": "iU ", "removed": "rc ", "sick": "iHR", "wanted": "un "}
    lines = "; ".join(f"echo '{name} {states[name]}'" for name in reversed(states))
    program(remote, "dpkg-query", tmp_path, f"{lines}; exit 1")
    found = remote.probe([Probe("package", (name,)) for name in [*states, "unknown"]])
    assert list(found.values()) == ["whole", "half iU", "absent", "half iHR", "absent", "absent"]
    program(remote, "dpkg-query", tmp_path, "exit 127")
    assert set(remote.probe([Probe("package", (name,)) for name in states]).values()) == {"absent"}


CTR = """case "$*" in
  *check*) printf '%s type digest %s 1 MiB %s\\n' half 'incomplete (1/3)' false packed 'complete (3/3)' false \\
    kept 'complete (3/3)' true loose 'complete (3/3)' true untold 'complete (3/3)' true ;;
  *ls*) echo 'kept x io.cri-containerd.image=managed,io.cri-containerd.pinned=pinned'; echo 'loose x -' ;;
esac
"""


def test_each_image_has_its_own_state(remote, tmp_path):
    program(remote, "/usr/local/bin/ctr", tmp_path, CTR)
    remote.transport.moves["[ -S /run/containerd/containerd.sock ]"] = "true"
    names = ["loose", "none", "half", "packed", "kept", "untold"]
    found = remote.probe([Probe("image", (name,)) for name in names])
    assert list(found.values()) == [
        "unpinned digest",
        "absent",
        "half incomplete false",
        "half complete false",
        *["present digest"] * 2,
    ]


@pytest.fixture
def counted(tmp_path):
    """counted(probes): how many processes their answers take. In a namespace of its own they are numbered from 1."""
    if not shutil.which("unshare"):
        pytest.skip("unshare is needed: apt install util-linux")
    own = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "/bin/sh"]
    remote = HostRemote(LocalTransport(tmp_path, own, os.environ["PATH"]))
    run, last = remote.transport.run, tmp_path / "last"
    number = f"\nsh -c 'echo $$' >{last}"
    remote.transport.run = lambda script, **kw: run(SHOW + script + number, **kw)

    def count(probes: list[Probe]) -> int:
        remote.probe(probes)
        return int(last.read_text()) - 2  # without the shell itself, and the one that tells

    return count


def many(folder: Path, count: int) -> dict[str, list[Probe]]:
    """So many things of each kind that are there, as on a host that was built."""
    for number in range(count):
        (folder / f"config {number}").write_text("x")
        program = folder / f"program{number}"
        program.write_text("y")
        record = Path(f"{folder}/state/digests{program}")
        record.parent.mkdir(parents=True, exist_ok=True)
        sig = os.popen(f"stat -c '%s %i %y %z' {program}").read()
        record.write_text(f"{Blob(data=b'y').sha256} {sig}")
    numbers = range(count)
    return {
        "file": [file(folder / f"config {n}", Blob(data=b"x").sha256) for n in numbers],
        "binary": [Probe("binary", (str(folder / f"program{n}"),)) for n in numbers],
        "unit": [Probe("unit", (f"{'abcdefghijklmnop'[n % 16] * (n // 16 + 1)}.service",)) for n in numbers],
        "user": [
            Probe("user", (name,)) for name in ["root", "daemon", "nobody", "bin", *(f"u{n}" for n in numbers)][:count]
        ],
        "package": [Probe("package", (f"p{n}",)) for n in numbers],
        "sysctl": [Probe("sysctl", (key,)) for key in ["kernel.ostype", "kernel.osrelease", "kernel.pid_max"][:count]],
        "ours": [Probe("ours", ("ours", f"/x{n}")) for n in numbers],
        "exists": [Probe("exists", (str(folder / f"config {n}"),)) for n in numbers],
    }


@pytest.mark.parametrize("verb", ["file", "binary", "unit", "user", "package", "sysctl", "ours", "exists"])
def test_many_take_no_more_processes_than_one(counted, tmp_path, verb):
    probes = many(tmp_path, 20)[verb]
    assert counted(probes) == counted(probes[:1])


def test_what_a_plan_asks_of_a_control_plane_host_takes_few_processes(counted, tmp_path):
    """As many things of each kind as in the lab: nothing else makes a run that finds nothing to do take its time."""
    probes = many(tmp_path, 60)
    batch = [*probes["file"][:47], *probes["binary"][:14], *probes["unit"][:5], *probes["user"][:4], *probes["ours"]]
    assert counted(batch) <= 12


def test_a_survey_takes_few_processes(counted):
    assert counted([Probe("survey", ("", "127.0.0.1"))]) <= 60


def test_the_ports_take_one(counted):
    assert counted([Probe("ports")]) == 1
