"""known_hosts files as OpenSSH writes them."""

from __future__ import annotations

import base64
import hmac
import os
import re
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hardway.ssh.host_keys import on_record
from hardway.ssh.host_keys.known_hosts import HostKey, known_name, read, remember

KEY = HostKey("ssh-ed25519", b"\0\0\0\x0bssh-ed25519\0\0\0 " + b"k" * 32)
TEXT = base64.b64encode(KEY.blob).decode()


def names(tmp_path, line: str, host: str) -> bool:
    file = tmp_path / "known_hosts"
    file.write_text(line + "\n")
    return any(entry.names(host) for entry in read([file]))


def test_names_addresses_and_ports(tmp_path):
    line = f"node-1,10.0.0.1,[10.0.0.1]:2222 ssh-ed25519 {TEXT} a comment"
    assert names(tmp_path, line, "node-1") and names(tmp_path, line, "NODE-1") and names(tmp_path, line, "10.0.0.1")
    assert names(tmp_path, line, known_name("10.0.0.1", 2222))
    assert not names(tmp_path, line, known_name("10.0.0.1", 2223)) and not names(tmp_path, line, "10.0.0.10")


def test_wildcards_and_exceptions(tmp_path):
    line = f"*.lab,10.0.?.1,[10.0.0.*]:2222,!secret.lab ssh-ed25519 {TEXT}"
    assert (
        names(tmp_path, line, "a.lab")
        and names(tmp_path, line, "10.0.3.1")
        and names(tmp_path, line, "[10.0.0.9]:2222")
    )
    assert (
        not names(tmp_path, line, "secret.lab")
        and not names(tmp_path, line, "10.0.33.1")
        and not names(tmp_path, line, "a.lab.evil")
    )


def test_markers_comments_and_rubbish(tmp_path):
    file = tmp_path / "known_hosts"
    file.write_bytes(
        f"# comment\n\n@revoked * ssh-ed25519 {TEXT}\nshort line\nhost ssh-ed25519 !!!\n".encode()
        + b"|1|x|y ssh-rsa AAAA\n\xff\n"
    )
    entries = read([file, tmp_path / "absent"])
    assert [(entry.marker, entry.number) for entry in entries] == [("@revoked", 3), ("", 6)]
    assert entries[0].key == KEY
    assert not entries[1].names("host")


def test_the_fingerprint_is_the_one_openssh_shows(tmp_path):
    file = tmp_path / "key.pub"
    file.write_text(f"ssh-ed25519 {TEXT}\n")
    shown = subprocess.run(["ssh-keygen", "-lf", file], capture_output=True, text=True, check=True).stdout
    assert shown.split()[1] == KEY.fingerprint


def test_remember_appends_once_and_mends_a_missing_newline(tmp_path):
    file = tmp_path / "folder" / "known_hosts"
    remember(file, ["a ssh-ed25519 AAAA"])
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    file.write_text("a ssh-ed25519 AAAA")
    remember(file, ["a ssh-ed25519 AAAA", "b ssh-ed25519 BBBB"])
    assert file.read_text() == "a ssh-ed25519 AAAA\nb ssh-ed25519 BBBB\n"


def test_many_hosts_met_at_once_lose_no_line(tmp_path):
    file = tmp_path / "known_hosts"
    threads = [threading.Thread(target=remember, args=(file, [f"host{n} ssh-ed25519 {TEXT}"])) for n in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(file.read_text().splitlines()) == sorted(f"host{n} ssh-ed25519 {TEXT}" for n in range(30))


def looked_up(file, name: str) -> list[tuple[str, int]]:
    return [(entry.patterns[0], entry.number) for entry in on_record.on_record([file]).of(name) if not entry.marker]


def test_what_is_no_file_stays_what_it_is(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="it is no file"):
        remember(pipe, ["one ssh-ed25519 AAAA"])
    assert pipe.is_fifo()


def test_a_name_is_looked_up_among_all_that_may_mean_it_in_the_files_order(tmp_path):
    file = tmp_path / "known_hosts"
    names = ["one", "*", "Two,one", "!one,o*", "two", "[one]:2222", "@revoked one", "@cert-authority one"]
    lines = [name.replace("@revoked ", "@revoked\t").replace("@cert-authority ", "@cert-authority\t") for name in names]
    file.write_text("".join(f"{line} ssh-ed25519 {TEXT}\n" for line in lines))
    assert looked_up(file, "one") == [("one", 1), ("*", 2), ("Two", 3)]
    assert looked_up(file, "TWO") == [("*", 2), ("Two", 3), ("two", 5)]
    assert looked_up(file, "[one]:2222") == [("*", 2), ("[one]:2222", 6)]
    for name in ("one", "two", "other", "[one]:2222"):
        asked = [entry for entry in read([file]) if entry.names(name)]
        assert on_record.on_record([file]).of(name) == asked
    assert [entry.number for entry in on_record.on_record([file]).revoked] == [7]


def test_hashed_names_are_found(tmp_path):
    file = tmp_path / "known_hosts"
    file.write_text(f"plain ssh-ed25519 {TEXT}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", file], check=True, capture_output=True)
    assert file.read_text().startswith("|1|")
    assert len(looked_up(file, "plain")) == 1 and not looked_up(file, "other")


def test_files_are_read_once_while_they_stay_as_they_are(tmp_path, monkeypatch):
    """Hundreds of hosts are looked up in a file of hundreds of lines."""
    file, reads = tmp_path / "known_hosts", []
    monkeypatch.setattr(on_record, "read", lambda paths: reads.append(1) or read(paths))
    file.write_text(f"one ssh-ed25519 {TEXT}\n")
    for _ in range(50):
        assert looked_up(file, "one") and not looked_up(file, "two")
    assert len(reads) == 1
    remember(file, [f"two ssh-ed25519 {TEXT}"])
    assert looked_up(file, "two") == [("two", 2)] and len(reads) == 2
    file.unlink()
    assert looked_up(file, "one") == []


NAMES = ["10.0.0.1", "10.0.0.12", "node-1", "NODE-1", "[10.0.0.1]:2222", "[node-1]:22", "fleet"]
PATTERN = st.sampled_from(
    [
        *NAMES,
        "10.0.0.*",
        "*",
        "10.?.0.1",
        "!10.0.0.1",
        "!*",
        "[10.0.0.*]:2222",
        "*:2222",
        "[*]:22",
        "",
        "node-?",
        "[a-n]*",
    ]
)
HASHED = {"10.0.0.1": "|1|c2FsdHNhbHRzYWx0c2FsdHNhbHQ=|", "[10.0.0.1]:2222": "|1|b3RoZXJvdGhlcm90aGVyb3RoZXI=|"}


def hashed(name: str) -> str:
    salt = base64.b64decode(HASHED[name].split("|")[2])
    return HASHED[name] + base64.b64encode(hmac.digest(salt, name.encode(), "sha1")).decode()


@st.composite
def line(draw) -> str:
    names = ",".join(draw(st.lists(PATTERN, min_size=1, max_size=3)))
    one, other = hashed("10.0.0.1"), hashed("[10.0.0.1]:2222")
    names = draw(st.sampled_from([names, names, one, other, f"{names},{one}", f"{one},{names}"]))
    marker = draw(st.sampled_from(["", "", "@revoked ", "@cert-authority ", "@other "]))
    key = f"ssh-ed25519 {TEXT}"
    tail = draw(st.sampled_from([key, key.replace(" ", "\t "), f"{key} a comment", "ssh-ed25519", "", "# nothing"]))
    return draw(st.sampled_from(["", " ", "# "])) + marker + names + draw(st.sampled_from([" ", "\t"])) + tail


@pytest.mark.slow
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(line(), min_size=1, max_size=6), st.sampled_from(NAMES))
def test_the_lines_that_speak_of_a_host_are_those_that_ssh_keygen_finds(lines, name):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "known_hosts"
        file.write_text("\n".join(lines) + "\n")
        said = subprocess.run(["ssh-keygen", "-F", name, "-f", file], capture_output=True, text=True, timeout=60).stdout
        ours = [(entry.number, entry.marker) for entry in on_record.on_record([file]).of(name)]
    words = {"": "", "CA": "@cert-authority", "REVOKED": "@revoked"}
    found = re.findall(r"^# Host .* found: line (\d+) ?(\S*)", said, re.MULTILINE)
    assert ours == [(int(number), words[marker]) for number, marker in found]
