"""Downloads that break, resume, redirect and fail, against a real HTTP server."""

from __future__ import annotations

import pytest
from assets_world import Server

from hardway.assets.fetching.download import Site
from hardway.errors import AssetError

BODY = bytes(range(256)) * 4000
URL = "https://example.org/files/body.bin"


@pytest.fixture
def files():
    server = Server({"example.org/files/body.bin": BODY})
    yield server
    server.close()


def fetch(files, tmp_path, said=None):
    target = tmp_path / "body.bin"
    Site(files.url).fetch(URL, target, (said if said is not None else []).append)
    assert not (tmp_path / "body.bin.part").exists()
    return target.read_bytes()


def test_a_broken_connection_is_continued_where_it_stopped(files, tmp_path):
    files.break_after["example.org/files/body.bin"] = [300_000, 300_000]
    assert fetch(files, tmp_path) == BODY
    assert [headers.get("Range") for headers in files.requests("body.bin")] == [None, "bytes=300000-", "bytes=600000-"]


def test_what_an_earlier_run_left_is_continued(files, tmp_path):
    (tmp_path / "body.bin.part").write_bytes(BODY[:1000])
    assert fetch(files, tmp_path) == BODY
    assert files.requests("body.bin")[0]["Range"] == "bytes=1000-"


def test_a_server_without_ranges_starts_over(files, tmp_path):
    files.ranges = False
    (tmp_path / "body.bin.part").write_bytes(b"x" * 1000)
    assert fetch(files, tmp_path) == BODY


def test_a_leftover_longer_than_the_file_is_dropped(files, tmp_path):
    (tmp_path / "body.bin.part").write_bytes(b"x" * (len(BODY) + 1))
    assert fetch(files, tmp_path) == BODY


def test_a_redirect_is_followed(files, tmp_path):
    files.files["elsewhere/body"] = BODY
    files.redirects["example.org/files/body.bin"] = f"{files.url}/elsewhere/body"
    assert fetch(files, tmp_path) == BODY


def test_an_answer_that_stays_short_is_an_error_and_keeps_what_came(files, tmp_path):
    files.break_after["example.org/files/body.bin"] = [1000] + [0] * 10
    with pytest.raises(AssetError) as caught:
        fetch(files, tmp_path)
    assert caught.value.exit_code == 8
    assert (tmp_path / "body.bin.part").read_bytes() == BODY[:1000]
    assert not (tmp_path / "body.bin").exists()


def test_a_missing_file_is_named(files, tmp_path):
    files.files.clear()
    with pytest.raises(AssetError, match="example.org/files/body.bin does not exist") as caught:
        fetch(files, tmp_path)
    assert "versions" in caught.value.hint
    assert len(files.log) == 1


def test_a_host_that_is_not_there_is_named(tmp_path):
    dead = Server({})
    dead.close()
    with pytest.raises(AssetError, match="cannot download") as caught:
        Site(dead.url).fetch(URL, tmp_path / "x", print)
    assert "refused" in caught.value.evidence


def test_a_proxy_of_the_environment_is_used(files, tmp_path, monkeypatch):
    files.files["http://example.org/files/body.bin"] = BODY
    monkeypatch.setenv("http_proxy", files.url)
    Site().fetch("http://example.org/files/body.bin", tmp_path / "body.bin", print)
    assert (tmp_path / "body.bin").read_bytes() == BODY


def test_a_folder_is_a_mirror(tmp_path):
    (tmp_path / "mirror/example.org/files").mkdir(parents=True)
    (tmp_path / "mirror/example.org/files/body.bin").write_bytes(BODY)
    for mirror in (f"{tmp_path}/mirror", f"file://{tmp_path}/mirror/"):
        Site(mirror).fetch(URL, tmp_path / "body.bin", print)
        assert (tmp_path / "body.bin").read_bytes() == BODY
    with pytest.raises(AssetError, match="the mirror has no .*/example.org/other"):
        Site(f"{tmp_path}/mirror").read("https://example.org/other")


def test_who_has_a_mirror_is_not_told_to_use_one(tmp_path):
    for mirror, told in (("http://127.0.0.1:9", False), ("", True)):
        url = URL if mirror else "http://127.0.0.1:9/body.bin"
        with pytest.raises(AssetError, match="cannot download http://127.0.0.1:9/") as caught:
            Site(mirror).fetch(url, tmp_path / "body.bin", print)
        assert ("assets.source mirror" in caught.value.hint) is told


def test_a_mirror_that_is_no_address_is_an_error_not_a_traceback(tmp_path):
    with pytest.raises(AssetError):
        Site("nonsense://there").read(URL)
