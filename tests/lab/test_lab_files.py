"""What the lab reads and writes as text: apt's mirrors, known_hosts, OpenSSH configuration, the recipe, the shell
programs."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from small_lab import make_cluster

from hardway.errors import LabError
from hardway.lab import LabMachines, state
from hardway.lab.access import Access, known_host
from hardway.lab.image import packages, recipe, sources
from hardway.lab.image.sources import Mirror
from hardway.lab.spec import LabSpec, machine_specs
from hardway.state.statedir import StateDir
from hardway.state.store import FOUNDED

TARGETS = """\
http://security.example.org/debian-security/ bookworm-security main amd64
http://deb.example.org/debian/ bookworm main amd64
http://deb.example.org/debian/ bookworm contrib amd64
http://deb.example.org/debian/ bookworm-backports main amd64
https://other.example.org/repo/ stable main amd64
http://deb.example.org/debian/ bookworm main all
"""


def test_mirrors_are_this_suites_main_and_its_updates_suite_first():
    assert sources.parse(TARGETS, "bookworm") == [
        Mirror("http://deb.example.org/debian", "bookworm"),
        Mirror("http://security.example.org/debian-security", "bookworm-security"),
    ]


def test_a_lab_that_is_wiped_has_its_cluster_forgotten_and_its_keys_kept(tmp_path, monkeypatch):
    """Its machines were destroyed on purpose, so the next bootstrap is not to look for their data."""
    for part in ("preconditions.require_root", "registry.working_on", "disk.made", "LabMachines._down"):
        monkeypatch.setattr(f"hardway.lab.machines.{part}", lambda *_: contextlib.nullcontext())
    monkeypatch.setattr("hardway.lab.machines.disk.made", lambda lab: [])
    store = StateDir(tmp_path / "state")
    for name in (FOUNDED, "pki/ca.key"):
        store.create(name, b"x")
    cluster = make_cluster("small", directory=tmp_path / "machines")
    LabMachines(cluster, tmp_path / "state").wipe()
    assert store.names() & {FOUNDED, "pki/ca.key"} == {"pki/ca.key"}
    LabMachines(cluster, tmp_path / "elsewhere").wipe()
    assert not (tmp_path / "elsewhere").exists()


def test_updates_alone_are_no_mirror(monkeypatch):
    assert sources.parse(TARGETS.replace(" bookworm ", " trixie "), "bookworm") == []
    monkeypatch.setattr(sources, "run", lambda *argv: "")
    with pytest.raises(LabError) as caught:
        sources.mirrors("bookworm")
    assert "bookworm" in caught.value.message and "sources.list.d" in caught.value.hint


def test_apts_proxy_is_handed_on_but_never_over_the_environments(monkeypatch):
    monkeypatch.delenv("http_proxy", raising=False)
    monkeypatch.setenv("https_proxy", "http://mine:1")
    monkeypatch.setattr(
        sources, "run", lambda *argv: "http_proxy='http://proxy:3142'\nhttps_proxy='http://proxy:3142'\n"
    )
    assert sources.proxies() == {"http_proxy": "http://proxy:3142"}


def machines(tmp_path: Path):
    cluster = make_cluster(ports=(22, 2222), directory=tmp_path)
    specs = list(machine_specs(cluster, LabSpec.of(cluster), Path("/base")).values())
    for spec in specs:
        spec.home.mkdir(parents=True)
        (spec.home / "hostkey.pub").write_text(f"ssh-ed25519 KEY-{spec.name}\n")
    return specs


def test_known_hosts_by_name_and_address_with_the_port_when_it_is_not_22(tmp_path):
    assert [known_host(machine) for machine in machines(tmp_path)] == [
        "alpha,10.251.0.10 ssh-ed25519 KEY-alpha\n",
        "[beta]:2222,[10.251.0.11]:2222 ssh-ed25519 KEY-beta\n",
    ]


def test_a_machine_that_the_inventory_no_longer_has_is_known_until_another_has_its_address(tmp_path):
    _, second = machines(tmp_path)
    second.save()
    cluster = make_cluster(ports=(22, 2222), directory=tmp_path)
    alone = LabMachines(replace(cluster, hosts=cluster.hosts[:1]), tmp_path / "state")
    assert "Host beta 10.251.0.11\n" in alone.ssh_config()
    replace(second, name="alpha", directory=str(second.home.parent / "alpha")).save()
    assert "beta" not in alone.ssh_config()


def test_openssh_reads_the_configuration_as_meant(tmp_path):
    access = Access(tmp_path / "state dir/lab")
    access.public_key()
    access.write(machines(tmp_path))
    for name in ("beta", "10.251.0.11"):
        said = subprocess.run(
            ["ssh", "-G", "-F", access.config, name], capture_output=True, text=True, check=True
        ).stdout
        options = dict(line.split(" ", 1) for line in said.splitlines())
        assert {key: options[key] for key in ("hostname", "port", "user")} == {
            "hostname": "10.251.0.11",
            "port": "2222",
            "user": "root",
        }
        assert options["stricthostkeychecking"] == "true"
        assert str(access.known_hosts) in options["userknownhostsfile"]


def test_the_labs_files_are_private(tmp_path):
    access = Access(tmp_path / "lab")
    access.public_key()
    access.write(machines(tmp_path))
    assert access.directory.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o077 for path in (access.key, access.known_hosts, access.config)} == {0}


def test_the_recipes_digest_changes_with_a_program_and_only_then(monkeypatch):
    before = recipe.digest()
    assert recipe.digest() == before
    monkeypatch.setattr(recipe, "program", lambda name: "changed")
    assert recipe.digest() != before


def test_what_bootstrap_must_install_is_offered_but_not_installed():
    assert {"socat", "conntrack", "ipset", "haproxy", "keepalived"} <= set(recipe.OFFERED)
    assert not set(recipe.OFFERED) & set(recipe.INSTALLED)


def test_packages_are_printed_by_a_bare_python():
    """A Makefile asks before anything is installed, so no third-party module may be needed."""
    root = Path(packages.__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-S", "-m", "hardway.lab.image.packages"],
        cwd=root,
        env={},
        capture_output=True,
        text=True,
        check=True,
    )
    assert tuple(done.stdout.split()) == packages.PACKAGES
    assert "systemd-container" in packages.PACKAGES


def test_supervisor_needs_only_the_standard_library():
    root = Path(packages.__file__).parents[3]
    code = "import hardway.lab.supervisor, sys; sys.exit('hardway.lab.machines' in sys.modules)"
    subprocess.run([sys.executable, "-S", "-c", code], cwd=root, env={}, check=True)


@pytest.mark.parametrize("name", sorted(recipe.PROGRAMS.values()))
def test_shell_programs_parse(name):
    subprocess.run(["sh", "-n"], input=recipe.program(name), text=True, check=True)


@pytest.mark.parametrize(("verb", "after"), [("create", 0), ("run", 0), ("state", -998)])
def test_runc_clamp_touches_only_new_containers_and_becomes_the_real_runc(tmp_path, verb, after):
    wrapper = tmp_path / "runc-clamp"
    wrapper.write_text(recipe.program("runc-clamp.sh"))
    (tmp_path / "real").mkdir()
    real = tmp_path / "real/runc"
    real.write_text('#!/bin/sh\necho "real $*"\n')
    real.chmod(0o755)
    (tmp_path / "config.json").write_text(json.dumps({"process": {"oomScoreAdj": -998}}, separators=(",", ":")))
    path = f"/opt/lab/bin:{tmp_path}/real:{os.environ['PATH']}"
    words = ["--root", "/run/x", verb, "--bundle", str(tmp_path), "name"]
    done = subprocess.run(["sh", wrapper, *words], env={"PATH": path}, capture_output=True, text=True, check=True)
    assert done.stdout == f"real {' '.join(words)}\n"
    assert json.loads((tmp_path / "config.json").read_text())["process"]["oomScoreAdj"] == after


def test_a_later_process_with_the_same_number_is_not_the_supervisor():
    me = state.State(os.getpid(), state.started(os.getpid()))
    assert me.alive
    assert not state.State(os.getpid(), "1").alive
    assert not state.State(me.pid, me.started, ended="powered off").alive


def test_a_process_that_has_ended_but_was_not_collected_counts_as_gone():
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert state.started(child.pid) == ""
    child.wait()
