"""What is left to chance can be repeated, and a sample is a part of the whole."""

from __future__ import annotations

import pytest

from tests.conftest import moments


def test_all_moments_cover_a_run_evenly():
    drawn = moments(7, "test_killed", soak=True, every=50, sample=3)
    assert [int(moment * 50) for moment in drawn.values()] == list(range(50))


def test_a_sample_is_the_same_for_the_same_seed_and_a_part_of_all():
    sample = moments(7, "test_killed", soak=False, every=50, sample=3)
    assert len(sample) == 3 and sample == moments(7, "test_killed", soak=False, every=50, sample=3)
    assert sample.items() <= moments(7, "test_killed", soak=True, every=50, sample=3).items()
    assert (
        sample
        != moments(8, "test_killed", soak=False, every=50, sample=3)
        != moments(8, "test_off", soak=False, every=50, sample=3)
    )


@pytest.mark.moments(every=20, sample=2)
def test_a_marked_test_gets_its_moments(moment: float, request: pytest.FixtureRequest):
    assert request.node.name == f"test_a_marked_test_gets_its_moments[moment-{int(moment * 20)}]"
