"""The table of version differences: both ends, the steps between, and versions nobody has seen yet."""

from dataclasses import fields, replace

import pytest
from clusters import NEW, OLD

from hardway.features import KUBERNETES, OLDEST, Features, features


def at(kubernetes: str) -> Features:
    return features(replace(OLD, kubernetes=kubernetes))


def test_every_field_has_one_row_and_holds_from_the_start():
    assert sorted(KUBERNETES) == sorted(field.name for field in fields(Features))
    for rows in KUBERNETES.values():
        versions = [version for version, _ in rows]
        assert versions[0] == OLDEST and versions == sorted(set(versions))


def test_every_row_tells_supported_versions_apart():
    """A row that is the same for all of them is to be removed."""
    assert all(getattr(features(OLD), name) != getattr(features(NEW), name) for name in KUBERNETES)


STEPS = [
    ("1.34.9", "1.35.0", "pod_infra_container_image_flag", True, False),
    ("1.34.9", "1.35.0", "needs_cgroup_v2", False, True),
]


@pytest.mark.parametrize(("last", "after", "name", "before", "since"), STEPS)
def test_a_step_is_between_two_minors(last, after, name, before, since):
    assert [getattr(at(version), name) for version in (last, after)] == [before, since]


def test_a_version_newer_than_the_table_is_like_the_newest():
    assert at("1.99.0") == features(NEW)
