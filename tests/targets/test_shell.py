"""The real shell vocabulary on this machine, with Debian's sh and with nothing but busybox."""

import base64
import fcntl
import getpass
import grp
import hashlib
import os
import shutil
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.local_transport import LocalTransport
from rendered.clusters import single

from hardway.errors import RemoteCommandError
from hardway.facts import parse
from hardway.render import render
from hardway.resources import Binary, Block, Directory, File, Owned, Sysctl, Unit
from hardway.resources.base import Situation
from hardway.resources.unit_state import properties
from hardway.run.comparing import ordered
from hardway.targets.remote import HostRemote
from hardway.vocabulary import Blob, Op, Probe

pytestmark = pytest.mark.slow

ME, US = getpass.getuser(), grp.getgrgid(os.getgid()).gr_name
AWKWARD = 'it\'s a "name" with $HOME; `spaces` & more'


def text(content: bytes, secret: bool = False) -> Blob:
    return Blob(data=content, secret=secret)


def wanted(path, content: bytes, mode: str = "640") -> File:
    return File(str(path), text(content), mode, ME, US)


def bring_about(remote, *resources) -> list:
    """One step as the runner does it: the changes, which must then be none."""
    answers = remote.probe([probe for resource in resources for probe in resource.probes()])
    changes = [change for resource in resources if (change := resource.compare(Situation(answers)))]
    remote.change(ordered(changes))
    again = remote.probe([probe for resource in resources for probe in resource.probes()])
    assert [resource.compare(Situation(again)) for resource in resources] == [None] * len(resources)
    return changes


def take_away(remote, *resources) -> list[Op]:
    answers = remote.probe([probe for resource in resources for probe in resource.probes()])
    ops = [op for resource in reversed(resources) for op in resource.removal(answers)]
    if ops:
        remote.change(ops)
    return ops


def mode(path) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def test_files_arrive_byte_for_byte_with_their_mode(remote, tmp_path):
    content = bytes(range(256)) * 300 + b"no newline at the end"
    files = [wanted(tmp_path / AWKWARD, content), wanted(tmp_path / "empty", b"", "600")]
    assert [change.why for change in bring_about(remote, *files)] == [("new",), ("new",)]
    assert (tmp_path / AWKWARD).read_bytes() == content and mode(tmp_path / AWKWARD) == 0o640
    assert (tmp_path / "empty").read_bytes() == b"" and mode(tmp_path / "empty") == 0o600


def test_a_changed_file_shows_what_was_there(remote, tmp_path):
    path = tmp_path / "config"
    bring_about(remote, wanted(path, b"a\nb\n"))
    path.write_bytes(b"a\nc\n")
    answers = remote.probe(wanted(path, b"a\nb\n").probes())
    change = wanted(path, b"a\nb\n").compare(Situation(answers))
    assert change.why == ("content",) and "-c\n+b" in change.diff


def test_a_changed_mode_is_set_without_sending_the_file(remote, tmp_path):
    bring_about(remote, wanted(tmp_path / "key", b"k", "600"))
    os.chmod(tmp_path / "key", 0o644)
    (change,) = bring_about(remote, wanted(tmp_path / "key", b"k", "600"))
    assert [op.verb for op in change.ops] == ["own"] and mode(tmp_path / "key") == 0o600


def test_content_is_private_before_it_has_its_name(remote, tmp_path):
    """The file that is renamed into place is the one whose owner and mode are already right."""
    path, seen = tmp_path / "secret", tmp_path / "seen"
    spy = f'mv() {{ stat -c \'%a\' "$2" >>{seen}; command mv "$@"; }}\n'
    run = remote.transport.run
    remote.transport.run = lambda script, **kw: run(spy + script if "w_put" in script else script, **kw)
    bring_about(remote, File(str(path), text(b"s", secret=True), "600", ME, US))
    assert seen.read_text().split() and set(seen.read_text().split()) == {"600"}


def test_nothing_is_left_of_the_transfer(remote, tmp_path):
    bring_about(remote, wanted(tmp_path / "file", b"x"))
    assert [path.name for path in (tmp_path / "run").iterdir() if path.is_dir()] == []
    assert sorted(path.name for path in tmp_path.iterdir() if "hardway" in path.name) == []


def test_large_content_is_streamed_and_its_bytes_are_counted(remote, tmp_path):
    counted = []
    remote.sent = counted.append
    local = tmp_path / "program"
    local.write_bytes(os.urandom(3 << 20))
    blob = Blob(path=local, known_sha256=hashlib.sha256(local.read_bytes()).hexdigest())
    remote.change([Op("binary", (str(tmp_path / "there"), "755", ME, US, blob.sha256), blob)])
    assert (tmp_path / "there").read_bytes() == local.read_bytes() and mode(tmp_path / "there") == 0o755
    assert sum(counted) >= 3 << 20 and not list(tmp_path.glob(".hardway.*"))


def test_a_binary_is_hashed_again_only_when_it_was_touched(remote, tmp_path):
    path = tmp_path / "bin"
    program = text(b"program")
    remote.change([Op("binary", (str(path), "755", ME, US, program.sha256), program)])
    probe = Binary(str(path), program).probes()[0]
    record = tmp_path / f"state/digests{path}"
    record.write_text(record.read_text().replace(program.sha256, "f" * 64))
    assert remote.probe([probe])[probe].split()[-1] == "f" * 64, "the recorded digest is believed"
    path.write_bytes(b"another")
    assert remote.probe([probe])[probe].split()[-1] == text(b"another").sha256


def test_a_program_that_arrives_otherwise_takes_no_place_and_no_record(remote, tmp_path):
    path, right = tmp_path / "bin", text(b"program")
    bring_about(remote, Binary(str(path), right, "755") if ME == "root" else wanted(path, b"program"))
    with pytest.raises(RemoteCommandError, match="what arrived on here is not what was to be sent") as caught:
        remote.change([Op("binary", (str(path), "755", ME, US, "f" * 64), text(b"another"))])
    assert f"has SHA-256 {text(b'another').sha256}, expected {'f' * 64}" in caught.value.evidence
    assert path.read_bytes() == b"program" and not (tmp_path / ".bin.hardway").exists()
    probe = Binary(str(path), right).probes()[0]
    assert remote.probe([probe])[probe].split()[-1] == right.sha256


def test_a_program_is_on_disk_before_it_is_recorded(remote, tmp_path):
    run, seen = remote.transport.run, tmp_path / "seen"
    spy = f'sync() {{ echo "sync $1" >>{seen}; }}; place() {{ echo "place $2" >>{seen}; command mv -fT "$1" "$2"; }}\n'
    spied = f'record() {{ echo "record $1" >>{seen}; }}\nset -eu\n'
    remote.transport.run = lambda script, **kw: run(
        script.replace("set -eu\n", spy + spied, 1) if "w_put" in script else script, **kw
    )
    blob = text(b"program")
    remote.change([Op("binary", (str(tmp_path / "bin"), "755", ME, US, blob.sha256), blob)])
    beside = f"{tmp_path}/.bin.hardway"
    assert seen.read_text().splitlines() == [
        f"place {beside}", f"sync {beside}", f"place {tmp_path}/bin", f"record {tmp_path}/bin"
    ]  # fmt: skip


def test_a_file_that_changed_after_it_was_checked_here_changes_nothing_there(remote, tmp_path):
    (tmp_path / "archive").write_bytes(b"forged")
    blob = Blob(path=tmp_path / "archive", known_sha256=text(b"right").sha256)
    with pytest.raises(RemoteCommandError, match="is not what was to be sent") as caught:
        remote.change([Op("put", (str(tmp_path / "there"), "644", ME, US), blob)])
    assert "assets verify" in caught.value.hint and not (tmp_path / "there").exists()


def test_a_program_brought_beside_its_place_takes_it(remote, tmp_path):
    old, new = text(b"old"), text(b"new")
    program = Binary(str(tmp_path / "bin"), new)
    remote.change([Op("binary", (program.path, "755", ME, US, old.sha256), old)])
    remote.change([Op("binary", (program.beside, "755", ME, US, new.sha256), new)])
    assert (tmp_path / "bin").read_bytes() == b"old"
    swap = Op("swap", (program.path, "755", ME, US, new.sha256))
    remote.change([swap])
    answers = remote.probe(program.probes())
    there, beside, ours, ours_beside, kept = (answers[probe] for probe in program.probes())
    assert there.split()[-1] == new.sha256 and (tmp_path / "bin").read_bytes() == b"new"
    assert (beside, ours, ours_beside, kept) == ("absent", "yes", "no", "no")
    remote.change([Op("binary", (program.beside, "755", ME, US, old.sha256), old)])
    with pytest.raises(RemoteCommandError, match="swap"):
        remote.change([swap])
    assert (tmp_path / "bin").read_bytes() == b"new", "something else than was planned never takes the place"


def test_a_program_that_is_replaced_is_kept_beside_until_it_is_dropped(remote, tmp_path):
    versions = [text(content) for content in (b"first", b"second", b"third")]
    program = Binary(str(tmp_path / "bin"), versions[2], keep=True)
    remote.change([Op("binary", (program.path, "755", ME, US, versions[0].sha256), versions[0])])
    for version in versions[1:]:
        remote.change([Op("binary", (program.beside, "755", ME, US, version.sha256), version)])
        swap = Op("swap", (program.path, "755", ME, US, version.sha256, "keep"))
        remote.change([swap])
    assert Path(program.before).read_bytes() == b"second" and (tmp_path / "bin").read_bytes() == b"third"
    assert mode(Path(program.before)) == 0o755
    os.replace(program.before, program.path)
    assert remote.probe(program.probes())[program.probes()[0]].split()[-1] == versions[1].sha256, "by hand, and noticed"
    Path(program.before).write_bytes(b"again")
    take_away(remote, program)
    assert list(tmp_path.glob("*bin*")) == [] and list(tmp_path.glob(".*bin*")) == []


def test_folders(remote, tmp_path):
    folder = tmp_path / "a" / AWKWARD
    bring_about(remote, Directory(str(folder), "750", ME, US))
    assert mode(folder) == 0o750 and mode(folder.parent) == 0o755
    os.chmod(folder, 0o700)
    (change,) = bring_about(remote, Directory(str(folder), "750", ME, US))
    assert change.why == ("mode 700 -> 750",)


def test_a_folder_kept_on_another_disk_is_as_good(remote, tmp_path):
    (tmp_path / "disk").mkdir(mode=0o700)
    (tmp_path / "data").symlink_to(tmp_path / "disk")
    data = Directory(str(tmp_path / "data"), "700", ME, US, data=True)
    assert bring_about(remote, data, wanted(tmp_path / "other", b"")) != []
    (tmp_path / "disk" / "ours").write_text("x")
    take_away(remote, data)
    assert (tmp_path / "data").is_symlink() and list((tmp_path / "disk").iterdir()) == []


def test_removal_puts_back_what_was_there_and_only_once(remote, tmp_path):
    (tmp_path / "theirs").write_bytes(b"before us\n")
    os.chmod(tmp_path / "theirs", 0o604)
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "old").mkdir()
    made = [
        Directory(str(tmp_path / "old"), "755", ME, US),
        Directory(str(tmp_path / "new"), "755", ME, US),
        wanted(tmp_path / "theirs", b"ours"),
        wanted(tmp_path / "link", b"ours"),
        wanted(tmp_path / "new" / "ours", b"ours"),
    ]
    bring_about(remote, *made[:2])
    bring_about(remote, *made)
    assert [op.verb for op in take_away(remote, *made)] == ["drop", "drop", "drop", "rmdir"]
    assert (tmp_path / "theirs").read_bytes() == b"before us\n" and mode(tmp_path / "theirs") == 0o604
    assert os.readlink(tmp_path / "link") == "nowhere"
    assert (tmp_path / "old").is_dir() and not (tmp_path / "new").exists()
    assert take_away(remote, *made) == []


def test_a_file_that_is_not_ours_survives_a_drop(remote, tmp_path):
    (tmp_path / "theirs").write_bytes(b"x")
    remote.change([Op("drop", (str(tmp_path / "theirs"),))])
    assert (tmp_path / "theirs").read_bytes() == b"x"


@pytest.mark.parametrize("before", [b"127.0.0.1 localhost\n", b"127.0.0.1 localhost", b""])
def test_our_block_in_a_file_of_the_host(remote, tmp_path, before):
    path = tmp_path / "hosts"
    path.write_bytes(before)
    os.chmod(path, 0o644)
    bring_about(remote, Block(str(path), "hardway", text(b"10.0.0.1 one\n")))
    (change,) = bring_about(remote, Block(str(path), "hardway", text(b"10.0.0.1 one\n10.0.0.2 two\n")))
    assert change.why == ("content",) and "+10.0.0.2 two" in change.diff
    assert (
        path.read_bytes().endswith(b"# BEGIN hardway\n10.0.0.1 one\n10.0.0.2 two\n# END hardway\n")
        and mode(path) == 0o644
    )
    take_away(remote, Block(str(path), "hardway", text(b"10.0.0.1 one\n10.0.0.2 two\n")))
    assert path.read_bytes().rstrip(b"\n") == before.rstrip(b"\n")


def test_stamps_come_and_go(remote):
    probe = Unit("hardway-test-of-no-unit.service").probes()[0]
    remote.change([Op("stamp", ("hardway-test-of-no-unit.service", "d1"))])
    assert properties(remote.probe([probe])[probe])["Stamp"] == "d1"
    remote.change([Op("unstamp", ("hardway-test-of-no-unit.service",))])
    assert properties(remote.probe([probe])[probe])["Stamp"] == ""


def test_a_host_is_claimed_once_and_by_one(remote):
    """Two runs that begin at the same time, with keys of their own, both read that the host is nobody's."""
    remote.change([Op("cluster", ("shop", "0123"))])
    remote.change([Op("cluster", ("shop", "0123"))])
    with pytest.raises(RemoteCommandError, match="another run has just added this host to its own cluster") as caught:
        remote.change([Op("cluster", ("shop", "4567"))])
    assert (
        "this host belongs to cluster shop with CA 0123; this run has CA 4567" in caught.value.evidence
        and caught.value.hint
    )
    assert remote.probe([Probe("survey")])[Probe("survey")].count("cluster=shop 0123") == 1


def test_the_ca_in_a_mark_follows_only_the_one_whose_place_it_takes(remote):
    remote.change([Op("cluster", ("shop", "0123"))])
    follows, *_ = bring_about(remote, Owned("shop", "4567", "0123"))
    assert follows.why == ("the CA has been replaced",)
    assert remote.probe([Probe("survey")])[Probe("survey")].count("cluster=shop 4567") == 1
    with pytest.raises(RemoteCommandError):
        remote.change([Op("cluster", ("shop", "89ab", "0123"))])
    assert bring_about(remote, Owned("shop", "89ab", "0123")) == [], "it is somebody else's, and preflight says so"


CERTIFICATE, KEY = (
    f"-----BEGIN {kind}-----\nMII{kind[0]}\n-----END {kind}-----\n" for kind in ("CERTIFICATE", "PRIVATE KEY")
)
KUBECONFIG = """clusters:
- cluster:
    certificate-authority-data: Q0E=
users:
- user:
    client-certificate-data: Q0xJRU5U
    client-key-data: S0VZ
"""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (CERTIFICATE, CERTIFICATE),
        (CERTIFICATE + KEY + CERTIFICATE, CERTIFICATE * 2),
        (KEY, ""),
        ("-----BEGIN CERTIFICATE-----\nMIIC\n" + KEY, "-----BEGIN CERTIFICATE-----\nMIIC\n"),  # it broke off
        (KUBECONFIG, "ca Q0E=\nclient Q0xJRU5U\n"),
        ("nothing of the kind\n", ""),
    ],
)
def test_certificates_are_told_and_keys_never(remote, tmp_path, content, said):
    path = tmp_path / "file"
    path.write_text(content)
    probe = Probe("certificates", (str(path),))
    assert remote.probe([probe])[probe] == said.strip()
    missing = Probe("certificates", (str(tmp_path / "missing"),))
    assert remote.probe([missing])[missing] == "absent"


def test_a_link_is_taken_away_and_not_what_it_leads_to(remote, tmp_path):
    (tmp_path / "real.pem").write_text(CERTIFICATE)
    (tmp_path / "current.pem").symlink_to("real.pem")
    for _ in range(2):
        remote.change([Op("discard", (str(tmp_path / "current.pem"),))])
    assert (tmp_path / "real.pem").exists() and not (tmp_path / "current.pem").is_symlink()


def test_whom_a_host_trusts_is_told_by_digests_and_what_is_cut_short_is_left_out(remote, tmp_path):
    def pem(body: bytes, kind: str = "CERTIFICATE") -> str:
        return f"-----BEGIN {kind}-----\n{base64.encodebytes(body).decode()}-----END {kind}-----\n"

    (tmp_path / "etcd").mkdir()
    (tmp_path / "ca.crt").write_text("# ours\n" + pem(b"old" * 40) + pem(b"new").rstrip())
    (tmp_path / "sa.pub").write_text(pem(b"key", "PUBLIC KEY"))
    (tmp_path / "etcd/ca.crt").write_text(pem(b"etcd")[:-10].replace("-----END", ""))
    remote.change([Op("cluster", ("shop", "0123"))])
    elsewhere(remote, {"/etc/kubernetes/pki": tmp_path, "/etc/etcd/pki": tmp_path / "none"})
    found = parse(remote.probe([Probe("survey")])[Probe("survey")], 0.0, 0.0).trusts
    digest = lambda body: hashlib.sha256(body).hexdigest()[:16]  # noqa: E731
    assert found == (
        (f"{tmp_path}/ca.crt", digest(b"old" * 40)),
        (f"{tmp_path}/ca.crt", digest(b"new")),
        (f"{tmp_path}/sa.pub", digest(b"key")),
    )


def test_how_long_a_file_has_had_its_place_is_told(remote, tmp_path):
    path = tmp_path / "file"
    path.write_text("x")
    os.utime(path, (0, 0))  # what it was called with, as from an archive, counts for nothing
    fresh, missing = Probe("changed", (str(path),)), Probe("changed", (str(tmp_path / "missing"),))
    answers = remote.probe([fresh, missing])
    assert 0 <= int(answers[fresh]) < 60 and answers[missing] == ""


def test_the_first_op_that_fails_is_named_and_those_after_it_do_not_run(remote, tmp_path):
    ops = [
        Op("put", (str(tmp_path / "one"), "600", ME, US), text(b"1")),
        Op("put", (str(tmp_path / "missing" / AWKWARD), "600", ME, US), text(b"2")),
        Op("put", (str(tmp_path / "three"), "600", ME, US), text(b"3")),
    ]
    with pytest.raises(RemoteCommandError) as caught:
        remote.change(ops)
    error = caught.value
    assert (
        AWKWARD in error.command and error.command.startswith("put ") and error.host == "here" and error.exit_code == 5
    )
    assert "o such file" in error.evidence and "hardway-at" not in error.evidence
    assert (tmp_path / "one").exists() and not (tmp_path / "three").exists()
    assert [path.name for path in (tmp_path / "run").iterdir() if path.is_dir()] == []


def test_secrets_stay_out_of_the_script(remote, tmp_path):
    bring_about(remote, File(str(tmp_path / "key"), text(b"very secret indeed", secret=True), "600", ME, US))
    assert not any("very secret" in script for script in remote.transport.scripts)


def test_many_questions_are_one_round_trip(remote, tmp_path):
    (tmp_path / "there").write_text("x")
    probes = [Probe("exists", (str(tmp_path / name),)) for name in ("there", AWKWARD)]
    probes += [Probe("tool", ("sh",)), Probe("tool", ("no such",))]
    answers = remote.probe([*probes, *probes])
    assert len(remote.transport.scripts) == 1
    assert [answers[probe] for probe in probes[:2]] == ["yes", "no"]
    assert answers[probes[2]].endswith("sh") and answers[probes[3]] == "absent"


def test_no_question_is_no_round_trip(remote):
    assert remote.probe([]) == {} and remote.transport.scripts == []


def test_an_answer_that_breaks_off_is_an_error(remote):
    run = remote.transport.run
    remote.transport.run = lambda script, **kw: run("kill -9 $$\n" + script, **kw)
    with pytest.raises(RemoteCommandError, match="ended early"):
        remote.probe([Probe("routes")])


def test_what_a_host_says_about_itself_can_be_read(remote):
    probes = [
        Probe("survey"),
        Probe("routes"),
        Probe("swap"),
        Probe("user", ("root",)),
        Probe("user", ("nobody-of-that-name",)),
    ]
    answers = remote.probe(probes)
    facts = parse(answers[probes[0]], 0.0, 0.0)
    assert (
        facts.arch in ("amd64", "arm64")
        and facts.memory_mb > 100
        and facts.cpus >= 1
        and facts.var_free_mb > 0
        and facts.kernel
    )
    assert facts.uid == os.getuid() and facts.clock_offset > 1e9
    assert all(len(line.split()) == 2 for line in answers[probes[1]].splitlines())
    assert answers[probes[3]].startswith("0:0:") and answers[probes[4]] == "absent"


@pytest.mark.parametrize(
    ("filesystems", "modules", "found"),
    [
        ("nodev\tproc\nnodev\toverlay\n", "", True),
        ("nodev\tproc\n\text4\n", "kernel/fs/overlayfs/overlay.ko.xz:\n", True),
        ("nodev\tproc\n\text4\n", "kernel/fs/ext4/ext4.ko:\n", False),
    ],
)
def test_overlay_is_known_as_soon_as_the_kernel_can_load_it(remote, tmp_path, filesystems, modules, found):
    """On a machine that has just been installed no program has had the module loaded yet."""
    (tmp_path / "filesystems").write_text(filesystems)
    (tmp_path / os.uname().release).mkdir()
    (tmp_path / os.uname().release / "modules.dep").write_text(modules)
    elsewhere(remote, {"/proc/filesystems": tmp_path / "filesystems", "/lib/modules": tmp_path})
    assert parse(remote.probe([Probe("survey")])[Probe("survey")], 0.0, 0.0).overlay is found


CERTIFICATE = "-----BEGIN CERTIFICATE-----\n{}\nbody\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("kept", "pods", "joined"),
    [
        (None, (), False),
        ("given", (), False),  # the kubelet has copied what hardway gave it
        ("signed", (), True),
        ("given", ("0a1b",), True),
    ],
)
def test_a_kubelet_has_joined_when_the_api_gave_it_something(remote, tmp_path, kept, pods, joined):
    kubelet = tmp_path / "lib-kubelet"
    (kubelet / "pki").mkdir(parents=True)
    (kubelet / "pods").mkdir()
    for pod in pods:
        (kubelet / "pods" / pod).mkdir()
    given = base64.b64encode(CERTIFICATE.format("given").encode()).decode()
    (tmp_path / "kubelet.conf").write_text(f"users:\n- user:\n    client-certificate-data: {given}\n")
    if kept:
        (kubelet / "pki/kubelet-client-1.pem").write_text(CERTIFICATE.format(kept))
        (kubelet / "pki/kubelet-client-current.pem").symlink_to(kubelet / "pki/kubelet-client-1.pem")
    remote.change([Op("cluster", ("shop", "0123"))])
    elsewhere(remote, {"/var/lib/kubelet": kubelet, "/etc/kubernetes/kubelet.conf": tmp_path / "kubelet.conf"})
    assert parse(remote.probe([Probe("survey")])[Probe("survey")], 0.0, 0.0).joined is joined


def test_a_host_of_ours_says_which_networks_its_control_plane_lives_by(remote, tmp_path):
    (tmp_path / "kube-apiserver.service").write_text(
        "ExecStart=/usr/local/bin/kube-apiserver \\\n  --service-account-issuer=https://me \\\n"
        "  --service-cluster-ip-range=10.32.0.0/24\n"
    )
    (tmp_path / "kube-controller-manager.service").write_text("ExecStart=x \\\n  --cluster-cidr=10.200.0.0/16 \\\n")
    remote.change([Op("cluster", ("shop", "0123"))])
    elsewhere(remote, {"u=/etc/systemd/system": f"u={tmp_path}"})
    facts = parse(remote.probe([Probe("survey")])[Probe("survey")], 0.0, 0.0)
    assert (facts.service_cidr, facts.pod_cidr, facts.issuer) == ("10.32.0.0/24", "10.200.0.0/16", "https://me")


@pytest.mark.parametrize("written", [{}, {"cpu": "500m"}, {"cpu": "0.5", "memory": "1Gi", "ephemeral-storage": "5Gi"}])
def test_a_host_of_ours_says_what_its_kubelet_keeps_from_pods(remote, tmp_path, written):
    worker = replace(single().hosts[0], reserved=written)
    config = render("kubelet-config.yaml", single(), worker, resolv_conf="/etc/resolv.conf", signs=True)
    (tmp_path / "config.yaml").write_bytes(config)
    remote.change([Op("cluster", ("shop", "0123"))])
    elsewhere(remote, {"/var/lib/kubelet/config.yaml": tmp_path / "config.yaml"})
    facts = parse(remote.probe([Probe("survey")])[Probe("survey")], 0.0, 0.0)
    assert facts.reserved == written


def elsewhere(remote, places) -> None:
    """Have scripts find what they look for at other places."""
    run = remote.transport.run

    def moved(script: str, **kw):
        for place, here in places.items():
            script = script.replace(place, str(here))
        return run(script, **kw)

    remote.transport.run = moved


def test_age_and_load_are_numbers(remote):
    seconds, *load = remote.probe([Probe("age")])[Probe("age")].split()
    assert 0 <= int(seconds) <= float(open("/proc/uptime").read().split()[0]) and len([float(one) for one in load]) == 3


def test_how_long_a_unit_has_run_is_told(remote):
    run = remote.transport.run
    remote.transport.run = lambda script, **kw: run(f"systemctl() {{ echo {os.getppid()}; }}\n{script}", **kw)
    assert int(remote.probe([Probe("lived", ("any.service",))])[Probe("lived", ("any.service",))]) >= 0
    remote.transport.run = lambda script, **kw: run(f"systemctl() {{ echo 0; }}\n{script}", **kw)
    assert remote.probe([Probe("lived", ("any.service",))])[Probe("lived", ("any.service",))] == ""


def test_a_host_without_our_programs_answers_all_the_same(remote):
    pod = ("pod", "kube-system_none-", "", "5")
    probes = [
        Probe("etcd"),
        Probe("containers"),
        Probe("drill"),
        Probe("version", ("none.service",)),
        Probe("look", ("system",)),
        Probe("entries", pod),
        Probe("following", pod),
    ]
    answers = remote.probe(probes)
    assert [answers[probe] for probe in probes if probe.verb != "look"] == [""] * 6
    assert "Linux" in answers[probes[4]]


def test_sysctls_are_read_live(remote):
    found = Sysctl("/etc/sysctl.d/x.conf", (("kernel.ostype", "Linux"), ("kernel.no_such", "1")))
    change = found.compare(Situation(remote.probe(found.probes())))
    assert change.why == ("kernel.no_such is absent, should be 1",)


def test_a_package_lock_that_is_never_let_go_is_told_with_its_holder(tmp_path):
    tools, said = (
        tmp_path / "tools",
        f"dpkg: error: dpkg frontend lock was locked by another process with pid {os.getpid()}",
    )
    tools.mkdir()
    for name, answer in {"dpkg": said, "apt-get": "E: Unable to locate package socat"}.items():
        (tools / name).write_text(f"#!/bin/sh\necho '{answer}' >&2\nexit 2\n")
        (tools / name).chmod(0o755)
    remote = HostRemote(LocalTransport(tmp_path, ["/bin/sh"], f"{tools}:{os.environ['PATH']}"))
    elsewhere(remote, {"PATIENCE=300": "PATIENCE=1"})
    with pytest.raises(RemoteCommandError) as caught:
        remote.change([Op("packages", ("apt-get", "socat"))])
    assert caught.value.message == "the packages socat cannot be installed"
    ours = Path("/proc/self/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    assert f"waited 1 s for process {os.getpid()}: {ours.splitlines()[0][:60]}" in caught.value.evidence


@pytest.fixture
def mounting(tmp_path):
    """A host whose mounts are its own."""
    own = ["unshare", "--user", "--map-root-user", "--mount", "/bin/sh"]
    return HostRemote(LocalTransport(tmp_path, own, os.environ["PATH"]))


def a_volume(remote, tmp_path) -> None:
    """A kubelet's folder that lies on another disk, with a volume mounted in it that holds somebody's data."""
    (tmp_path / "disk/pods/volume with a space").mkdir(parents=True)
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/data").write_text("x")
    (tmp_path / "kubelet").symlink_to(tmp_path / "disk")
    run = remote.transport.run
    mount = f"mount --bind '{tmp_path}/precious' '{tmp_path}/disk/pods/volume with a space'\n"
    remote.transport.run = lambda script, **kw: run(mount + script, **kw)
    elsewhere(remote, {"/var/lib/kubelet": tmp_path / "kubelet"})


def test_a_reset_takes_volumes_out_of_a_folder_on_another_disk_before_it_empties_it(mounting, tmp_path):
    a_volume(mounting, tmp_path)
    assert mounting.probe([Probe("leftover", ("mounts",))])[Probe("leftover", ("mounts",))] == "1"
    mounting.change([Op("cleanup", ("mounts",)), Op("rmtree", ("/var/lib/kubelet",))])
    assert (tmp_path / "precious/data").exists() and list((tmp_path / "disk").iterdir()) == []


def test_nothing_is_removed_from_a_folder_in_which_something_is_mounted(mounting, tmp_path):
    """A pod may have come up after the reset had looked."""
    a_volume(mounting, tmp_path)
    with pytest.raises(RemoteCommandError) as caught:
        mounting.change([Op("rmtree", ("/var/lib/kubelet",))])
    assert (tmp_path / "precious/data").exists() and "umount it first" in caught.value.evidence


def stages(tmp_path) -> list:
    return [path for path in (tmp_path / "run").iterdir() if path.is_dir()]


def test_nothing_of_the_content_is_left_when_it_cannot_be_unpacked(remote, tmp_path):
    """A full /run would get fuller with every try, and what is left may be keys."""
    run = remote.transport.run
    remote.transport.run = lambda script, stdin=b"", **kw: run(script, stdin=stdin[:700], **kw)
    with pytest.raises(RemoteCommandError, match="unpack content"):
        remote.change([Op("put", (str(tmp_path / "key"), "600", ME, US), text(b"k" * 1000, secret=True))])
    assert stages(tmp_path) == [] and not (tmp_path / "key").exists()


def test_nothing_of_the_content_is_left_when_the_script_is_ended(tmp_path):
    """As it is when it passes its timeout."""
    remote = HostRemote(LocalTransport(tmp_path, ["/bin/sh"], os.environ["PATH"]))
    with pytest.raises(RemoteCommandError):
        elsewhere(remote, {"w_own() {": f"w_own() {{ ls {tmp_path}/run >{tmp_path}/seen; kill $$;"})
        remote.change(
            [Op("own", (str(tmp_path), "700", ME, US)), Op("put", (str(tmp_path / "key"), "600", ME, US), text(b"k"))]
        )
    assert "hardway." in (tmp_path / "seen").read_text()
    assert stages(tmp_path) == [] and not (tmp_path / "key").exists()


def test_a_run_that_does_not_end_is_told_as_what_it_is(tmp_path):
    remote = HostRemote(LocalTransport(tmp_path, ["/bin/sh"], os.environ["PATH"]))
    elsewhere(remote, {"flock -w 300": "flock -w 0.1"})
    with (tmp_path / "run/hardway.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(RemoteCommandError, match="another run is still working") as caught:
            remote.change([Op("put", (str(tmp_path / "key"), "600", ME, US), text(b"k"))])
    assert "ps axf" in caught.value.hint and stages(tmp_path) == [] and not (tmp_path / "key").exists()


def test_a_file_of_the_host_that_is_a_link_keeps_its_lines_and_stays_a_link(remote, tmp_path):
    (tmp_path / "real").write_text("127.0.0.1 localhost\n")
    (tmp_path / "hosts").symlink_to("real")
    block = Block(str(tmp_path / "hosts"), "hardway", text(b"10.0.0.1 one\n"))
    bring_about(remote, block)
    assert (tmp_path / "hosts").is_symlink()
    assert (tmp_path / "real").read_text() == "127.0.0.1 localhost\n# BEGIN hardway\n10.0.0.1 one\n# END hardway\n"
    take_away(remote, block)
    assert (tmp_path / "hosts").is_symlink() and (tmp_path / "real").read_text() == "127.0.0.1 localhost\n"


def test_a_mark_of_the_cluster_that_a_power_cut_has_emptied_is_made_again(remote, tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state/cluster").touch()
    assert bring_about(remote, Owned("demo", "0123")) and (tmp_path / "state/cluster").read_text() == "demo 0123\n"


def test_what_could_not_be_made_again_is_on_disk_before_it_takes_its_place(remote, tmp_path):
    """The host's own file that is kept aside, one in which we have lines, and whose host it is."""
    (tmp_path / "hosts").write_text("127.0.0.1 localhost\n")
    (tmp_path / "theirs").write_text("x")
    run, seen = remote.transport.run, tmp_path / "seen"
    spy = f'sync() {{ echo "sync $1" >>{seen}; }}; mv() {{ echo "mv $3" >>{seen}; command mv "$@"; }}\n'
    remote.transport.run = lambda script, **kw: run(spy + script if "w_put" in script else script, **kw)
    bring_about(
        remote,
        wanted(tmp_path / "theirs", b"ours"),
        Block(str(tmp_path / "hosts"), "m", text(b"y\n")),
        Owned("demo", "0123"),
    )
    lines = [
        line
        for line in seen.read_text().splitlines()
        if not line.startswith("mv") or line.endswith(("/theirs", "/hosts"))
    ]
    assert lines == [
        f"sync {tmp_path}/state/before{tmp_path}/theirs", f"mv {tmp_path}/theirs",
        f"sync {tmp_path}/hosts.hardway", f"mv {tmp_path}/hosts", f"sync {tmp_path}/state/cluster",
    ]  # fmt: skip


def test_a_user_that_is_there_by_now_is_not_made_once_more_nor_taken_for_ours(remote, tmp_path):
    remote.change([Op("user", ("root", "/root"))])
    assert not (tmp_path / "state/users/root").exists()


def test_a_user_that_is_gone_by_now_need_not_be_removed(remote):
    remote.change([Op("dropuser", ("nobody-of-that-name",))])


SYSTEMCTL = """
systemctl() {
  echo "$*" >>SEEN
  case "$1" in
    list-units) printf '%s loaded active active x\\n' dev-zram0.swap swapfile.swap ;;
    mask) [ "$3" != swapfile.swap ] || { echo 'Failed to mask unit: File already exists.' >&2; return 1; } ;;
  esac
}
swapoff() { :; }
swapon() { :; }
"""


def test_swap_units_come_back_as_they_were(remote, tmp_path):
    """Those that systemd makes itself are masked; one of the administrator's own, in /etc, cannot be."""
    run = remote.transport.run
    remote.transport.run = lambda script, **kw: run(SYSTEMCTL.replace("SEEN", f"{tmp_path}/seen") + script, **kw)
    elsewhere(remote, {"/etc/fstab": tmp_path / "fstab"})
    (tmp_path / "fstab").write_text("/dev/sda1 / ext4 defaults 0 1\n/dev/sda2 none swap sw 0 0\n")
    remote.change([Op("swapoff")])
    assert (
        tmp_path / "fstab"
    ).read_text() == "/dev/sda1 / ext4 defaults 0 1\n#hardway-swap# /dev/sda2 none swap sw 0 0\n"
    remote.change([Op("swapback")])
    assert (tmp_path / "fstab").read_text() == "/dev/sda1 / ext4 defaults 0 1\n/dev/sda2 none swap sw 0 0\n"
    said = (tmp_path / "seen").read_text().splitlines()
    assert [line for line in said if line.split()[0] in ("mask", "disable", "enable", "unmask")] == [
        "mask -q dev-zram0.swap",
        "mask -q swapfile.swap",
        "disable -q swapfile.swap",
        "unmask -q dev-zram0.swap",
        "enable -q swapfile.swap",
    ]


@pytest.mark.parametrize(("content", "found"), [("ENABLED=yes\n", "ufw"), ("# ENABLED=yes\nENABLED=no\n", "")])
def test_ufw_is_a_firewall_when_it_is_switched_on(remote, tmp_path, content, found):
    (tmp_path / "ufw.conf").write_text(content)
    elsewhere(remote, {"/etc/ufw/ufw.conf": tmp_path / "ufw.conf"})
    answer = remote.probe([Probe("survey")])[Probe("survey")]
    assert f"\nfirewall={found}\n" in answer


def test_a_file_gets_the_label_of_its_place(tmp_path):
    """A file that was moved from /run keeps that label otherwise, and systemd may not read it where SELinux is
    enforced."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/restorecon").write_text(f'#!/bin/sh\nls "$1" >>{tmp_path}/seen\n')
    (tmp_path / "tools/restorecon").chmod(0o755)
    remote = HostRemote(LocalTransport(tmp_path, ["/bin/sh"], f"{tmp_path}/tools:{os.environ['PATH']}"))
    bring_about(remote, wanted(tmp_path / "unit", b"x"))
    assert (tmp_path / "seen").read_text() == f"{tmp_path}/unit\n"


def test_a_block_whose_end_somebody_has_removed_takes_no_lines_along(remote, tmp_path):
    path = tmp_path / "hosts"
    block = Block(str(path), "hardway", text(b"10.0.0.2 two\n"))
    path.write_text("127.0.0.1 localhost\n# BEGIN hardway\n10.0.0.1 one\n10.9.9.9 theirs\n")
    bring_about(remote, block)
    kept = "127.0.0.1 localhost\n10.0.0.1 one\n10.9.9.9 theirs\n"
    assert path.read_text() == f"{kept}# BEGIN hardway\n10.0.0.2 two\n# END hardway\n"
    take_away(remote, block)
    assert path.read_text() == kept


SHARING = """vrrp_instance api {
    unicast_src_ip 10.0.0.5
    unicast_peer {
        10.0.0.6
        10.0.0.7
    }
    virtual_ipaddress {
        10.0.0.9/32
    }
}
vrrp_instance former-4 {
    unicast_peer {
        10.0.0.6
    }
    virtual_ipaddress {
        10.0.0.4/32
    }
}
"""


def written(folder, files: dict[str, str]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


def roads(remote):
    answer = remote.probe([Probe("survey")])[Probe("survey")]
    return parse(answer, 0.0, 0.0)


def test_the_roads_to_the_api_are_read_from_the_files_that_are_there(remote, tmp_path):
    etc, state = tmp_path / "etc", tmp_path / "state"
    elsewhere(
        remote, {f"/etc/{name}": etc / name for name in ("kubernetes", "haproxy", "keepalived", "systemd/system")}
    )
    server = "clusters:\n- cluster:\n    server: https://{}\n  name: shop\n"
    written(
        etc,
        {
            "kubernetes/kubelet.conf": server.format("10.0.0.9:8443"),
            "kubernetes/kube-proxy.conf": server.format("10.0.0.4:6443"),
            "haproxy/haproxy.cfg": "frontend api\n    bind :8443\n    bind :6443\n    default_backend x\n",
            "keepalived/keepalived.conf": SHARING,
            "systemd/system/kube-apiserver.service": "ExecStart=/x \\\n  --secure-port=6444 \\\n  --v=2\n",
        },
    )
    before = roads(remote)
    assert (before.servers, before.bound, before.components) == ((), (), frozenset()), "the host is not ours yet"
    written(state, {"cluster": "shop 0123\n", "stamps/kubelet.service": "x"})
    theirs = roads(remote)
    assert (theirs.bound, theirs.shared, theirs.peers) == ((), (), ()), "somebody else's load balancer"
    written(state, {f"ours{etc}/{name}": "" for name in ("haproxy/haproxy.cfg", "keepalived/keepalived.conf")})
    written(state, {f"ours{etc}/systemd/system/kube-apiserver.service": ""})
    found = roads(remote)
    assert set(found.servers) == {"https://10.0.0.9:8443", "https://10.0.0.4:6443"} and found.unsettled
    assert (found.bound, found.shared, found.api_port) == ((8443, 6443), ("10.0.0.9", "10.0.0.4"), 6444)
    assert (found.peers, found.sender) == (("10.0.0.6", "10.0.0.7", "10.0.0.6"), "10.0.0.5")
    assert found.components == {"haproxy", "keepalived", "kube-apiserver"}
    written(state, {"stamps/kube-proxy.service": "x"})
    assert not roads(remote).unsettled


@pytest.mark.skipif(not shutil.which("haproxy", path="/usr/sbin:/usr/bin"), reason="haproxy is not installed")
def test_a_file_that_its_program_refuses_is_not_put_in_place(remote, tmp_path):
    good = b"defaults\n    mode tcp\nfrontend f\n    bind 127.0.0.1:1\n"
    bring_about(remote, replace(wanted(tmp_path / "haproxy.cfg", good), checked="haproxy"))
    bad = replace(wanted(tmp_path / "haproxy.cfg", b"frontend\n    bind :nothing\n"), checked="haproxy")
    with pytest.raises(RemoteCommandError) as caught:
        bring_about(remote, bad)
    assert (
        "haproxy does not accept its new configuration" in caught.value.message and "[ALERT]" in caught.value.evidence
    )
    assert (tmp_path / "haproxy.cfg").read_bytes() == good
