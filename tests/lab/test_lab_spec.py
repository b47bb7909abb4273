"""Names and addresses of a lab are derived from the inventory's, once, and fit what the kernel allows."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from small_lab import make_cluster

from hardway.errors import LabError
from hardway.lab.spec import LabSpec, MachineSpec, machine_specs, memory_bytes
from hardway.lab.supervisor import command
from hardway.settings import Lab


def test_names_fit_interfaces_and_tell_labs_apart():
    one, two = LabSpec.of(make_cluster()), LabSpec.of(make_cluster("other", "10.240.0"))
    machines = [
        *machine_specs(make_cluster(), one, Path("/base")).values(),
        *machine_specs(make_cluster("other", "10.240.0"), two, Path("/b")).values(),
    ]
    interfaces = [one.uplink, two.uplink, *(machine.plug for machine in machines)]
    assert len(set(interfaces)) == len(interfaces)
    assert max(map(len, interfaces)) <= 15
    assert len({machine.mac for machine in machines}) == 4
    assert machines[0].mac == "02:00:0a:fb:00:0a"
    assert one.metric != two.metric


def test_a_lab_named_like_a_machine_of_another_has_namespaces_of_its_own():
    one, other = make_cluster(), make_cluster(f"labtest-{make_cluster().hosts[0].name}", "10.240.0")
    machines = machine_specs(one, LabSpec.of(one), Path("/base")).values()
    assert LabSpec.of(other).switch not in {machine.namespace for machine in machines}
    assert f"hardway-labtest-{one.hosts[0].name}" == LabSpec.of(other).switch


def test_dark_networks_are_those_of_nodes_pods_and_services(cluster):
    assert LabSpec.of(cluster).dark == tuple(map(IPv4Network, ("10.251.0.0/24", "10.200.0.0/16", "10.32.0.0/24")))


def test_disks_lie_where_the_inventory_says(cluster, tmp_path):
    assert LabSpec.of(cluster).machines == Path("/var/lib/hardway-lab/labtest/machines")
    assert LabSpec.of(make_cluster(directory=tmp_path)).directory == tmp_path


def test_a_directory_that_mount_options_cannot_carry_is_refused():
    with pytest.raises(LabError, match="comma"):
        LabSpec.of(make_cluster(directory=Path("/srv/a,b")))


@pytest.mark.parametrize("gateway", ["10.250.0.1", "10.251.0.10"], ids=["other network", "taken by alpha"])
def test_addresses_must_be_free_ones_of_the_labs_network(cluster, gateway):
    with pytest.raises(LabError, match="alpha's address 10.251.0.10"):
        LabSpec.of(replace(cluster, lab=Lab(gateway=IPv4Address(gateway))))


def test_a_cluster_without_lab_is_told_so(cluster):
    with pytest.raises(LabError) as caught:
        LabSpec.of(replace(cluster, lab=None))
    assert "`lab:`" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "size"),
    [("", 0), ("2G", 2 << 30), ("512M", 512 << 20), ("512MiB", 512 << 20), ("1024k", 1 << 20), ("77", 77)],
)
def test_memory_sizes(text, size):
    assert memory_bytes(text) == size


@pytest.mark.parametrize("text", ["two", "-1G", "1.5G", "2T"])
def test_memory_that_is_no_size_is_refused(text):
    with pytest.raises(LabError, match="not a size"):
        memory_bytes(text)


def test_a_machine_survives_being_written_down(cluster, tmp_path):
    lab = LabSpec.of(make_cluster(directory=tmp_path, memory="1G"))
    machine = machine_specs(make_cluster(directory=tmp_path, memory="1G"), lab, Path("/base"))["beta"]
    machine.home.mkdir(parents=True)
    machine.save()
    assert MachineSpec.load(machine.home) == machine


@pytest.mark.parametrize("modular", [True, False])
def test_a_kernel_with_modules_lends_them(tmp_path, monkeypatch, modular):
    monkeypatch.setattr("platform.release", lambda: "6.1.0-test")
    source = make_cluster(directory=tmp_path)
    machine = machine_specs(source, LabSpec.of(source), Path("/base"))["alpha"]
    (machine.root / "etc").mkdir(parents=True)
    (machine.root / "etc/machine-id").write_text("0" * 32 + "\n")
    if modular:
        (tmp_path / "modules/6.1.0-test").mkdir(parents=True)
        (tmp_path / "modules/6.1.0-test/modules.dep").touch()
    words = command(machine, tmp_path / "modules")
    assert (f"--bind-ro={tmp_path}/modules/6.1.0-test" in words) is modular
    assert words[-1] == "/sbin/lab-init"
