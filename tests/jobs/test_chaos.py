"""A short rain of kills; `make chaos` is the long one."""

from __future__ import annotations

import pytest

from tests.jobs.chaos import chaos
from tests.jobs.conftest import Place
from tests.support import run


@pytest.mark.slow
def test_killed_workers_lose_nothing_and_do_nothing_twice(place: Place) -> None:
    outcome = run(chaos(place, jobs=10, kills=4, seed=7))
    assert not outcome.faults, "\n".join(outcome.faults)
    assert outcome.struck
