"""A host whose shell is Debian's sh, and one with nothing but busybox."""

import os
import shutil
import subprocess

import pytest
from fakes.local_transport import LocalTransport

from hardway.targets.remote import HostRemote


@pytest.fixture(params=["sh", "busybox"])
def remote(request, tmp_path):
    if request.param == "sh":
        return HostRemote(LocalTransport(tmp_path, ["/bin/sh"], os.environ["PATH"]))
    assert shutil.which("busybox"), "busybox is needed: apt install busybox"
    applets = tmp_path / "applets"
    applets.mkdir()
    subprocess.run([shutil.which("busybox"), "--install", "-s", applets], check=True)
    return HostRemote(LocalTransport(tmp_path, [str(applets / "sh")], str(applets)))
