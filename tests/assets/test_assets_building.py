"""Debian, PyPI and npm as a source: what is decided before anything is built."""

from __future__ import annotations

import platform

import pytest
from assets_world import cluster

from hardway.assets import AssetStore, apt, debian, default_versions, gobuild, tools
from hardway.errors import AssetError

DEB822 = """# a comment
Types: deb
URIs: http://archive.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://archive.example/debian-security
Suites: bookworm-security
Components: main
 contrib
Check-Valid-Until: no
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: https://vendor.example/debian
Suites: bookworm
Components: main
Signed-By: /usr/share/keyrings/vendor.gpg

Enabled: no
Types: deb
URIs: http://archive.example/debian
Suites: experimental
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""
ONE_LINE = """# deb http://commented.example/debian bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://archive.example/debian bookworm main contrib # note
deb http://archive.example/debian/ bookworm-updates main
deb [signed-by=/etc/apt/keyrings/tool.gpg] https://tool.example/linux/debian bookworm stable
deb https://tool.example/apt stable main
"""


def test_only_entries_of_debians_own_keyring_are_taken():
    found = apt.debian_entries({"a.sources": DEB822})
    assert [entry["Suites"] for entry in found] == ["bookworm bookworm-updates", "bookworm-security"]
    assert found[1]["Components"] == "main contrib"
    assert found[1]["Check-Valid-Until"] == "no"
    assert {entry["Types"] for entry in found} == {"deb deb-src"}


def test_one_line_entries_are_bound_to_debians_keyring():
    found = apt.debian_entries({"sources.list": ONE_LINE})
    assert [(entry["URIs"], entry["Suites"]) for entry in found] == [
        ("http://archive.example/debian", "bookworm"),
        ("http://archive.example/debian/", "bookworm-updates"),
    ]
    assert found[0]["Architectures"] == "amd64"
    assert {entry["Signed-By"] for entry in found} == {"/usr/share/keyrings/debian-archive-keyring.gpg"}


def test_a_machine_without_debian_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setattr(apt, "_system_files", dict)
    with pytest.raises(AssetError, match="no Debian archive is configured"):
        apt.Apt(tmp_path).update()


@pytest.mark.parametrize(
    ("debian_version", "upstream"),
    [
        ("1.20.5+really1.20.2-1.1+deb12u1", "1.20.2"),
        ("1.6.20~ds1-1+deb12u3", "1.6.20"),
        ("3.4.23-4+b4", "3.4.23"),
        ("1:1.35.0-4+deb12u1+b1", "1.35.0"),
        ("1.1.5+ds1-1+deb12u1", "1.1.5"),
        ("", ""),
    ],
)
def test_the_upstream_part_of_a_debian_version(debian_version, upstream):
    assert apt.upstream_version(debian_version) == upstream


def test_all_missing_tools_are_named_with_one_remedy(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(AssetError, match="gcc, npm") as caught:
        tools.require({"gcc": "gcc libc6-dev", "npm": "npm"})
    assert caught.value.hint == "apt-get install -y gcc libc6-dev npm"


def test_a_failing_tool_shows_its_command_and_what_it_said(tmp_path):
    with pytest.raises(AssetError, match="sh failed with exit code 3") as caught:
        tools.run(["sh", "-c", "echo out; echo broken >&2; exit 3"], tmp_path, "do this")
    assert (caught.value.evidence, caught.value.hint) == ("broken\n", "do this")
    assert caught.value.command.startswith("sh -c")


def store(tmp_path) -> AssetStore:
    return AssetStore(cluster(versions=default_versions(source="debian"), source="debian"), tmp_path)


def test_another_architecture_is_refused_before_anything_is_fetched(tmp_path, monkeypatch):
    with pytest.raises(AssetError, match="amd64 on amd64, not arm64"):
        store(tmp_path).gather({"arm64"})
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(AssetError, match="not amd64 on arm64") as caught:
        store(tmp_path).gather()
    assert "upstream or mirror" in caught.value.hint


def test_a_full_disk_is_told_before_the_build(tmp_path, monkeypatch):
    monkeypatch.setattr(debian, "free_gigabytes", lambda directory: 1.25)
    monkeypatch.setattr(tools, "require", lambda packages: None)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    with pytest.raises(AssetError, match="building needs 4 GB, .* has 1.2 GB left") as caught:
        store(tmp_path).gather()
    assert "HARDWAY_CACHE" in caught.value.hint


def test_another_debian_release_is_refused(tmp_path):
    found = store(tmp_path)
    source = debian.Debian(found.cluster, found.cache, print)
    with pytest.raises(AssetError, match="Debian here offers containerd 1.7.24~ds1-6, not 1.6.20"):
        source._same("containerd", "1.7.24~ds1-6", "1.6.20")
    with pytest.raises(AssetError, match=r"offers kubernetes \(none\)"):
        source._same("kubernetes", "", "1.20.2")


def test_packages_that_ask_for_openapi_are_found_by_their_import_path(tmp_path):
    for name, text in {
        "pkg/apis/one/doc.go": "// +k8s:openapi-gen=true\npackage one\n",
        "pkg/apis/two/doc.go": "package two\n",
        "staging/src/k8s.io/api/core/v1/doc.go": "// +k8s:openapi-gen=true\n",
        "staging/src/k8s.io/sample-apiserver/pkg/doc.go": "// +k8s:openapi-gen=true\n",
        "vendor/k8s.io/kube-openapi/gen/doc.go": "// +k8s:openapi-gen=true\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    # As in the real tree: vendor leads to staging, whose packages must not be found twice.
    (tmp_path / "vendor/k8s.io/api").symlink_to("../../staging/src/k8s.io/api")
    assert gobuild.openapi_packages(tmp_path) == ["k8s.io/kubernetes/pkg/apis/one", "k8s.io/kubernetes/vendor/k8s.io/api/core/v1"]
