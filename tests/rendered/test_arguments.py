"""Extra and overridden flags: in their place, once, and reaching the program exactly as written."""

import os
import re
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from clusters import EXTRA, lab, shared
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from units import flags, unit

from hardway.errors import InventoryError
from hardway.render import COMPONENTS, render, unit_flags

pytestmark = pytest.mark.slow

SYSTEMD = next((path for path in ("/lib/systemd/systemd", "/usr/lib/systemd/systemd") if Path(path).exists()), None)


def with_arguments(component, extra=None, override=None):
    return replace(lab(), extra_args={component: extra or {}}, override_args={component: override or {}})


@pytest.mark.parametrize("component", COMPONENTS)
def test_extra_flags_follow_ours_in_order(component):
    plain, text = unit(component, lab()), unit(component, with_arguments(component, {"zz": "2", "aa": "1"}))
    last = plain.rpartition("\n  --")[2].split("\n")[0]
    assert text == plain.replace(f"  --{last}\n", f"  --{last} \\\n  --aa=1 \\\n  --zz=2\n")


@pytest.mark.parametrize("component", COMPONENTS)
def test_override_replaces_the_value_in_place(component):
    flag = sorted(flags(component, lab()))[-1]
    plain, text = unit(component, lab()), unit(component, with_arguments(component, override={flag: "new"}))
    changed = [(old, new) for old, new in zip(plain.splitlines(), text.splitlines(), strict=True) if old != new]
    assert len(changed) == 1 and re.fullmatch(rf"  --{flag}=new(?: \\)?", changed[0][1])


def test_override_of_what_etcd_reads_from_its_environment():
    cluster = with_arguments("etcd", override={"initial-cluster": "a b"})
    assert b"\nETCD_INITIAL_CLUSTER='a b'\n" in render("etcd.env", cluster, cluster.hosts[1], **EXTRA)


def test_only_the_named_component_changes():
    cluster = with_arguments("kubelet", {"node-labels": "a=b"}, {"v": "4"})
    assert unit("kube-proxy", cluster) == unit("kube-proxy", lab())
    assert unit_flags("kubelet", cluster) == unit_flags("kubelet", lab()), "the inventory's flags are not ours"


def test_a_flag_we_set_is_refused_as_an_extra_one():
    with pytest.raises(InventoryError, match="extra_args.kube-apiserver: the unit already sets --profiling"):
        unit("kube-apiserver", with_arguments("kube-apiserver", {"profiling": "true"}))


def test_a_flag_we_do_not_set_is_refused_as_an_override():
    with pytest.raises(InventoryError, match="override_args.etcd: the unit does not set --quota-backend-bytes"):
        unit("etcd", with_arguments("etcd", override={"quota-backend-bytes": "1"}))


def test_flags_are_known_for_hosts_with_every_role():
    assert unit_flags("kube-apiserver", shared()) == unit_flags("kube-apiserver", lab())


def test_unknown_component_is_a_key_error():
    with pytest.raises(KeyError):
        unit_flags("kube-dns", lab())


values = st.text(st.characters(min_codepoint=32, max_codepoint=126) | st.sampled_from("\t\n"), min_size=1)


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        values | st.sampled_from(["%i", "$HOME", "${A}", "a b", 'say "x"', "it's", "\\n", "a;b", "#c", "a\\"]),
        min_size=1,
        max_size=30,
    )
)
def test_systemd_hands_every_value_over_unchanged(given_values):
    if not SYSTEMD:
        pytest.skip("systemd is not installed")
    extra = {f"x{number:02}": value for number, value in enumerate(given_values)}
    assert argv(unit("etcd", with_arguments("etcd", extra)))[-len(extra) :] == [
        f"--{name}={value}" for name, value in extra.items()
    ]


def argv(text: str) -> list[str]:
    """What systemd makes of a unit's ExecStart, from the state it dumps in test mode, which starts nothing."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "tried.service").write_text(text)
        environment = {
            "XDG_RUNTIME_DIR": folder,
            "SYSTEMD_UNIT_PATH": f"{folder}:/usr/lib/systemd/user",
            "LC_ALL": "C.UTF-8",
        }
        command = [SYSTEMD, "--test", "--user", "--unit=tried.service"]
        who = _nobody(folder) if os.geteuid() == 0 else {}
        run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, **who)
    line = re.search(r"Command Line: (/usr/local/bin/etcd .*)", run.stdout)
    assert line, run.stdout[-2000:] + run.stderr[-2000:]
    return [_unquote(word) for word in re.findall(r'"(?:[^"\\]|\\.)*"|\S+', line[1])]


def _nobody(folder: str) -> dict:
    """A user manager refuses to run as root."""
    os.chown(folder, 65534, 65534)
    return {"user": 65534, "group": 65534, "extra_groups": []}


def _unquote(word: str) -> str:
    """One word of the dump; `$$` is what systemd turns into `$` when it runs the program."""
    plain = word[1:-1] if word.startswith('"') else word
    escapes = {"n": "\n", "t": "\t"}
    text = re.sub(r"\\(.)", lambda found: escapes.get(found[1], found[1]), plain)
    assert "$" not in text.replace("$$", ""), f"systemd would look for a variable in {text}"
    return text.replace("$$", "$")


def test_feature_gates_of_the_inventory_take_the_place_of_ours():
    ours, theirs = (unit("etcd", with_arguments("etcd", extra)) for extra in ({}, {"feature-gates": "A=true"}))
    assert "  --feature-gates=InitialCorruptCheck=true" in ours and "InitialCorruptCheck" not in theirs
    assert re.findall("--feature-gates=.*", theirs) == ["--feature-gates=A=true"]
