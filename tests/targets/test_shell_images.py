"""An image that was brought to a host stays there: the kubelet removes none that is pinned, and no other takes its
name."""

from pathlib import Path

import pytest

from hardway.resources import Image
from hardway.resources.base import Situation
from hardway.vocabulary import Blob

pytestmark = pytest.mark.slow

NAME = "registry.example/tools/pause:3"
# An image is its type, the digest that its name leads to, and its labels; an archive is such a digest.
CTR = """
read -r type digest labels <IMAGE 2>/dev/null
case "$*" in
  *"images check"*) if [ "$type" ]; then echo "NAME $type $digest complete (1/1) 1 MB true"; fi ;;
  *"images ls"*) echo "REF TYPE DIGEST LABELS"; if [ "$type" ]; then echo "NAME $type $digest $labels"; fi ;;
  *"images import"*) echo "manifest.v1+json $(cat "$7") io.cri-containerd.image=managed,$6" >IMAGE ;;
  *"images label"*) echo "$type $digest io.cri-containerd.image=managed,$6" >IMAGE ;;
esac
"""


@pytest.fixture
def image(remote, tmp_path) -> Path:
    """What containerd has under NAME."""
    ctr, image = tmp_path / "ctr", tmp_path / "image"
    ctr.write_text("#!/bin/sh\n" + CTR.replace("IMAGE", str(image)).replace("NAME", NAME))
    ctr.chmod(0o755)
    remote.transport.moves |= {"/usr/local/bin/ctr": str(ctr), "[ -S /run/containerd/containerd.sock ]": "true"}
    return image


def change(remote, digest: str):
    """As a computer whose archive has this digest sees it."""
    wanted = Image(NAME, Blob(data=digest.encode()), digest)
    return wanted.compare(Situation(remote.probe(wanted.probes())))


def test_an_image_that_was_brought_is_pinned_and_one_of_an_earlier_hardway_is_pinned_in_its_place(remote, image):
    assert [op.verb for op in change(remote, "sha256:1").ops] == ["image"]
    remote.change(change(remote, "sha256:1").ops)
    assert "io.cri-containerd.pinned=pinned" in image.read_text() and change(remote, "sha256:1") is None
    image.write_text("manifest.v1+json sha256:1 io.cri-containerd.image=managed")
    found = change(remote, "sha256:1")
    assert [op.verb for op in found.ops] == ["pinimage"] and "kubelet" in found.why[0]
    remote.change(found.ops)
    assert "io.cri-containerd.pinned=pinned" in image.read_text() and change(remote, "sha256:1") is None


@pytest.mark.parametrize("brought", [True, False])
def test_other_content_under_its_name_is_replaced(remote, image, brought):
    if brought:
        remote.change(change(remote, "sha256:1").ops)
    image.write_text("manifest.v1+json sha256:2 io.cri-containerd.pinned=pinned")
    found = change(remote, "sha256:1")
    assert "other content under its name" in found.why[0] and [op.verb for op in found.ops] == ["image"]
    assert (found.diff, found.was) == ("-sha256:2\n+sha256:1", "sha256:2")
    remote.change(found.ops)
    assert image.read_text().split()[1] == "sha256:1" and change(remote, "sha256:1") is None


def test_what_another_computer_made_and_brought_is_as_good(remote, image):
    """Two computers with two C libraries make two images of the same source: neither takes away the other's."""
    remote.change(change(remote, "sha256:1").ops)
    assert change(remote, "sha256:3") is None
    image.write_text("manifest.v1+json sha256:2 io.cri-containerd.pinned=pinned")
    remote.change(change(remote, "sha256:3").ops)
    assert image.read_text().split()[1] == "sha256:3" and change(remote, "sha256:1") is None


@pytest.mark.parametrize("kind", ["image.index.v1+json", "manifest.list.v2+json"])
def test_what_was_pulled_from_a_registry_for_many_architectures_is_not_called_another(remote, image, kind):
    image.write_text(f"application/vnd.{kind} sha256:9 io.cri-containerd.pinned=pinned")
    assert change(remote, "sha256:1") is None
    image.write_text(f"application/vnd.{kind} sha256:9 -")
    assert [op.verb for op in change(remote, "sha256:1").ops] == ["pinimage"]


def test_without_an_archive_here_nothing_is_compared(remote, image):
    image.write_text("manifest.v1+json sha256:2 io.cri-containerd.pinned=pinned")
    assert change(remote, "") is None
