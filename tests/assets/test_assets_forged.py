"""A mirror or registry that answers with what it should not: refused, said, and written nowhere."""

from __future__ import annotations

import json

import pytest
from assets_world import PAUSE, cluster

from hardway.assets import AssetStore
from hardway.assets.fetching import download
from hardway.assets.fetching.download import Site
from hardway.assets.fetching.mirror import _Copy
from hardway.assets.fetching.registry import pull
from hardway.errors import AssetError

pytestmark = pytest.mark.slow

TAG = "registry.k8s.io/v2/pause/manifests/3.10.9"
ELSEWHERE = "../../../../../elsewhere"
RIGHT = {"os": "linux", "architecture": "amd64"}
ANSWERS = [
    *([], "text", None, {}, {"manifests": None}, {"manifests": ["text"]}, {"manifests": [{"platform": "text"}]}),
    {"manifests": [{"platform": RIGHT}]},
    {"manifests": [{"platform": RIGHT, "digest": ELSEWHERE}]},
    {"manifests": [{"platform": RIGHT, "digest": f"sha256:{ELSEWHERE}"}]},
    *({"config": {}, "layers": []}, {"config": "text", "layers": []}, {"layers": [{"digest": 1}]}),
    {"config": {"digest": ELSEWHERE}, "layers": []},
    {"config": {"digest": f"sha256:{'0' * 64}/{ELSEWHERE}"}, "layers": []},
]


@pytest.mark.parametrize("answer", ANSWERS, ids=json.dumps)
def test_an_answer_that_describes_no_image_is_refused_and_written_nowhere(server, tmp_path, answer):
    server.files[TAG] = json.dumps(answer).encode()
    folder = tmp_path / "some/where/mirror"
    folder.mkdir(parents=True)
    for site in (Site(server.url), _Copy(Site(server.url), folder)):
        with pytest.raises(AssetError, match="does not describe an image|is not a sha256"):
            pull(site, PAUSE.reference, "amd64", tmp_path / "archive", print, {})
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} <= {"3.10.9"}
    assert not [path for path, _ in server.log if "elsewhere" in path]


def test_a_document_without_end_does_not_fill_the_memory(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "DOCUMENT", 5000)
    server.files[TAG] = b"{" * 5001
    for mirror in (server.url, tmp_path / "folder"):
        path = tmp_path / "folder" / TAG
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"{" * 5001)
        with pytest.raises(AssetError) as caught:
            pull(Site(str(mirror)), PAUSE.reference, "amd64", tmp_path / "archive", print, {})
        assert "larger than" in caught.value.evidence


def test_half_a_document_is_no_document(server, tmp_path):
    server.break_after[TAG] = [10]
    with pytest.raises(AssetError, match="cannot download"):
        pull(Site(server.url), PAUSE.reference, "amd64", tmp_path / "archive", print, {})


def test_a_login_is_asked_for_over_the_network_only(server, tmp_path):
    (tmp_path / "token.json").write_text('{"token": "theirs"}')
    server.token, server.login = "secret", f"file://{tmp_path}/token.json"
    with pytest.raises(AssetError, match="does not say how"):
        AssetStore(cluster(server.url), tmp_path / "cache").gather()
    assert not [headers for _, headers in server.log if "theirs" in headers.get("Authorization", "")]
