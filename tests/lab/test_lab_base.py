"""The base image is made once; a build that fails leaves nothing that could be taken for one."""

from __future__ import annotations

import pytest

from hardway.errors import LabError
from hardway.lab.image import base, recipe
from hardway.lab.image.sources import Mirror


@pytest.fixture
def no_network(monkeypatch):
    """A host whose mirror is gone: debootstrap starts, writes, and fails."""

    def run(*words, **options):
        root = words[5]
        (root / "debootstrap").mkdir(parents=True)
        (root / "debootstrap/debootstrap.log").write_text("could not resolve deb.example.org\n")
        raise LabError("debootstrap failed with exit code 1", command="debootstrap")

    monkeypatch.setattr(base, "run", run)
    monkeypatch.setattr(base, "mirrors", lambda suite: [Mirror("http://deb.example.org/debian", suite)])
    monkeypatch.setattr(base, "proxies", dict)
    monkeypatch.setattr(base, "KEYRING_FILE", base.Path(__file__))


def test_a_failed_build_names_the_mirror_shows_the_log_and_leaves_nothing(tmp_path, no_network):
    with pytest.raises(LabError, match="http://deb.example.org/debian") as caught:
        base.base_image(tmp_path)
    assert "could not resolve" in caught.value.evidence
    assert "apt-get" in caught.value.hint
    assert [path.name for path in (tmp_path / "lab").iterdir()] == ["build.lock"]


def test_what_a_killed_build_left_is_swept_by_the_next(tmp_path, no_network):
    (tmp_path / "lab/building-old/root").mkdir(parents=True)
    with pytest.raises(LabError):
        base.base_image(tmp_path)
    assert not (tmp_path / "lab/building-old").exists()


def test_a_finished_image_is_used_as_it_is(tmp_path, no_network):
    image = tmp_path / "lab" / f"base-{recipe.digest()}"
    image.mkdir(parents=True)
    said: list[str] = []
    assert base.base_image(tmp_path, said.append) == image
    assert said == []


def test_missing_archive_keys_come_with_the_package_that_has_them(tmp_path, no_network, monkeypatch):
    monkeypatch.setattr(base, "KEYRING_FILE", tmp_path / "none")
    with pytest.raises(LabError, match="archive keys") as caught:
        base.base_image(tmp_path)
    assert caught.value.hint.endswith("debian-archive-keyring")
