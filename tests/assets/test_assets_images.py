"""Archives made here are the same bytes every time."""

from __future__ import annotations

import io
import json
import tarfile

from hardway.assets import images
from hardway.assets.images import Entry

ENTRIES = [Entry("bin"), Entry("bin/tool", b"content"), Entry("bin/alias", link="tool"), Entry("tmp", mode=0o1777)]


def test_the_same_content_is_the_same_archive(tmp_path):
    for name in ("one", "two"):
        images.build(tmp_path / name, "example.org/tool:1", "amd64", ENTRIES, {"Cmd": ["/bin/tool"]})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_layer_keeps_kinds_modes_and_links():
    with tarfile.open(fileobj=io.BytesIO(images.layer(ENTRIES))) as layer:
        found = {member.name: member for member in layer}
    assert found["bin"].isdir() and found["bin/tool"].mode == 0o755
    assert (found["bin/alias"].issym(), found["bin/alias"].linkname) == (True, "tool")
    assert found["tmp"].mode == 0o1777
    assert {member.mtime for member in found.values()} == {0}


def test_the_architecture_is_in_the_configuration(tmp_path):
    images.build(tmp_path / "image", "example.org/tool:1", "arm64", ENTRIES, {})
    with tarfile.open(tmp_path / "image") as archive:
        documents = [archive.extractfile(member).read() for member in archive if member.name.startswith("blobs/")]
    configs = [json.loads(document) for document in documents if b'"architecture"' in document[:200]]
    assert [config["architecture"] for config in configs] == ["arm64"]


def test_an_archive_says_by_which_digest_a_runtime_knows_its_image(tmp_path):
    images.build(tmp_path / "image", "example.org/tool:1", "amd64", ENTRIES, {})
    with tarfile.open(tmp_path / "image") as archive:
        named = {member.name for member in archive}
    kind, _, digest = images.manifest_digest(tmp_path / "image", "1").partition(":")
    assert kind == "sha256" and f"blobs/sha256/{digest}" in named
    (tmp_path / "half").write_bytes((tmp_path / "image").read_bytes()[:700])
    assert images.manifest_digest(tmp_path / "half", "2") == images.manifest_digest(tmp_path / "none", "3") == ""
