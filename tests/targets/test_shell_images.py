"""An image that was brought to a host stays there: the kubelet removes none that is pinned."""

import dataclasses

import pytest

from hardway.resources import Image
from hardway.resources.base import Situation
from hardway.vocabulary import Blob

pytestmark = pytest.mark.slow

CTR = """echo "$*" >>LOG
case "$*" in
  *"images check"*) if [ -e IMAGE ]; then echo "pause x sha256:1 complete (1/1) 1 MB true"; fi ;;
  *"images ls"*) echo "REF TYPE LABELS"; echo "pause type $(cat IMAGE)" ;;
  *"images import"*) echo "io.cri-containerd.image=managed,$6" >IMAGE ;;
  *"images label"*) echo "io.cri-containerd.image=managed,$6" >IMAGE ;;
esac
"""


def test_an_image_that_was_brought_is_pinned_and_one_of_an_earlier_hardway_is_pinned_in_its_place(remote, tmp_path):
    ctr, image = tmp_path / "ctr", tmp_path / "image"
    ctr.write_text("#!/bin/sh\n" + CTR.replace("IMAGE", str(image)).replace("LOG", str(tmp_path / "log")))
    ctr.chmod(0o755)
    remote.transport.moves |= {"/usr/local/bin/ctr": str(ctr), "[ -S /run/containerd/containerd.sock ]": "true"}
    wanted = Image("pause", Blob(data=b"archive"))

    def change():
        return wanted.compare(Situation(remote.probe(wanted.probes())))

    assert [op.verb for op in change().ops] == ["image"]
    remote.change(change().ops)
    assert "io.cri-containerd.pinned=pinned" in image.read_text() and change() is None
    image.write_text("io.cri-containerd.image=managed")
    assert [op.verb for op in change().ops] == ["pinimage"] and "kubelet" in change().why[0]
    remote.change(change().ops)
    assert "io.cri-containerd.pinned=pinned" in image.read_text() and change() is None
    other = dataclasses.replace(wanted, digest="sha256:2").compare(Situation(remote.probe(wanted.probes())))
    assert other.why == ("other content under its name",) and [op.verb for op in other.ops] == ["image"]
    assert other.diff == "-sha256:1\n+sha256:2"
    assert dataclasses.replace(wanted, digest="sha256:1").compare(Situation(remote.probe(wanted.probes()))) is None
