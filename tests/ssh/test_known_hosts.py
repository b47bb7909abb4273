"""known_hosts files as OpenSSH writes them."""

from __future__ import annotations

import base64
import subprocess
import threading

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
    assert names(tmp_path, line, "a.lab") and names(tmp_path, line, "10.0.3.1") and names(tmp_path, line, "[10.0.0.9]:2222")
    assert not names(tmp_path, line, "secret.lab") and not names(tmp_path, line, "10.0.33.1") and not names(tmp_path, line, "a.lab.evil")


def test_markers_comments_and_rubbish(tmp_path):
    file = tmp_path / "known_hosts"
    file.write_bytes(
        f"# comment\n\n@revoked * ssh-ed25519 {TEXT}\nshort line\nhost ssh-ed25519 !!!\n|1|x|y ssh-rsa AAAA\n\xff\n".encode("latin-1")
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
