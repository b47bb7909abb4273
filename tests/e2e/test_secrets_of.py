"""The search for secrets finds each of them in each form: a search that finds nothing ever would prove nothing."""

import base64
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from processes import Processes
from secrets_of import assert_no_secret, secrets_of
from stage import await_true

from hardway.inventory import load
from hardway.pki.credentials import Credentials
from hardway.state.statedir import StateDir

INVENTORIES = Path(__file__).parents[2] / "inventory"


@pytest.fixture(scope="module", params=["ecdsa-p256", "rsa-2048"])
def state(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory with everything: ha.yaml shares an address, so it has a password too."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "ha.yaml").write_text((INVENTORIES / "ha.yaml").read_text().replace("ecdsa-p384", request.param))
    cluster = load(folder / "ha.yaml")
    assert cluster.pki.algorithm == request.param
    credentials = Credentials(cluster, StateDir(folder / "state"))
    credentials.ensure_all()
    (folder / "state/admin.conf").write_bytes(credentials.kubeconfig("admin").reveal())
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "state/id"], check=True)
    return folder / "state"


def test_every_private_file_is_searched_for_and_public_ones_are_not(state):
    assert {"pki/ca.key", "encryption/secretbox-key1.key", "passwords/keepalived.key", "id"} <= set(secrets_of(state))
    public = [path for path in state.rglob("*") if path.suffix in (".crt", ".pub", ".sha256")]
    assert len(public) > 10
    assert_no_secret(secrets_of(state), *public)


def test_a_secret_is_found_in_whatever_form_and_named_but_not_shown(state, tmp_path):
    secrets = secrets_of(state)
    for name in secrets:
        content = (state / name).read_bytes().strip()
        lines = [line for line in content.splitlines() if not line.startswith(b"-----")]
        der = base64.b64decode(b"".join(lines) + b"==") if len(lines) > 1 else content
        for form in (
            content,
            b"".join(lines),
            der,
            der.hex().encode(),
            base64.b64encode(content),
            base64.b64encode(b"x" + content),
            base64.b64encode(b"xy" + content),
            json.dumps({"log": content.decode()}).encode(),
        ):
            with pytest.raises(AssertionError, match=name) as caught:
                assert_no_secret(secrets, b"before " + form + b" after")
            assert lines[0].decode() not in str(caught.value)


def test_a_kubeconfig_is_found_out_by_the_key_in_it(state):
    with pytest.raises(AssertionError, match=r"admin\.key in .*admin\.conf"):
        assert_no_secret(secrets_of(state), state / "admin.conf")


def test_archives_and_folders_are_searched(state, tmp_path):
    with tarfile.open(tmp_path / "bundle.tar.gz", "w:gz") as archive:
        data = b"token=abcdefgh"
        member = tarfile.TarInfo("deep/down.log")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    with pytest.raises(AssertionError, match="deep/down.log"):
        assert_no_secret(secrets_of(state, token=b"abcdefgh"), tmp_path)
    assert_no_secret(secrets_of(state, token=b"another-token"), tmp_path)


def test_the_arguments_and_the_environment_of_a_process_are_seen():
    mark, hidden = os.urandom(8).hex(), os.urandom(8).hex()
    with Processes() as processes:
        argv = [sys.executable, "-c", "import sys; sys.stdin.read()", mark]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, env={"HIDDEN": hidden}) as child:
            await_true(
                lambda: mark.encode() in processes.text and hidden.encode() in processes.text,
                20,
                "the process to be seen",
            )
            child.stdin.close()
