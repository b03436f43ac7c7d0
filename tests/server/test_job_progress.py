"""How far a job is, and the time left: from nothing to all of it, and never back."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.jobs import JobEvent
from ninefold.jobs.events import JobStageFinished, JobStageStarted, JobStarted, JobStepped
from ninefold.server.job_progress import Estimate, JobProgress, expected_steps

#: Stages by what each takes, in steps.
Stages = dict[str, int]
STAGES = st.lists(st.integers(1, 30), min_size=1, max_size=5).map(
    lambda counts: {f"plugin{index}": count for index, count in enumerate(counts)}
)


def _events(stages: Stages) -> list[JobEvent]:
    found: list[JobEvent] = [JobStarted(1, tuple(stages))]
    for stage, count in stages.items():
        found.append(JobStageStarted(len(found), stage))
        found += [JobStepped(len(found) + done, stage, done, count) for done in range(count + 1)]
        found.append(JobStageFinished(len(found), stage, {}, ()))
    return found


@given(STAGES)
def test_progress_begins_at_0_ends_at_1_and_never_falls(stages: Stages) -> None:
    job_progress, seen = JobProgress(), [0.0]
    for event in _events(stages):
        job_progress.see(event)
        seen.append(job_progress.fraction)
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1)


@pytest.mark.parametrize("first", [("prompt",), ("prompt", "prompt_2")])
def test_progress_is_0_at_step_0_of_what_takes_time(first: tuple[str, ...]) -> None:
    job_progress = JobProgress()
    steps = (*first, "text_to_image", "publisher")
    job_progress.see(JobStarted(1, steps))
    for name in first:
        job_progress.see(JobStageStarted(2, name))
        job_progress.see(JobStageFinished(3, name, {}, ()))
    job_progress.see(JobStageStarted(4, "text_to_image"))
    assert job_progress.fraction == 0
    job_progress.see(JobStepped(5, "text_to_image", 0, 20))
    assert job_progress.fraction == 0
    job_progress.see(JobStepped(6, "text_to_image", 10, 20))
    assert 0.4 < job_progress.fraction < 0.5  # the publisher takes some of it


def test_a_stage_that_begins_again_takes_nothing_back() -> None:
    job_progress = JobProgress()
    for event in _events({"text_to_image": 4, "inspector": 1}):
        job_progress.see(event)
    before = job_progress.fraction
    job_progress.see(JobStageStarted(9, "text_to_image"))
    assert job_progress.fraction == before


def test_steps_are_named_as_they_run() -> None:
    config = {
        "stages": [
            {"stage": "prompt", "params": {}},
            {"stage": "detailer", "params": {"steps": 8}},
            {"stage": "detailer", "params": {"steps": 9}},
        ]
    }
    assert expected_steps(config) == {"prompt": 0, "detailer": 8, "detailer_2": 9}


@given(
    STAGES,
    st.floats(0.05, 20),
    st.floats(0, 60),
    st.lists(st.floats(0, 1), min_size=1, max_size=4).map(sorted),
)
def test_the_time_left_does_not_rise_while_the_speed_is_steady(
    stages: Stages, seconds: float, loading: float, looks: list[float]
) -> None:
    """Each step takes the same, in whatever stage; it is looked at during each step, too."""
    job_progress, estimate = (
        JobProgress({name: float(count) for name, count in stages.items()}),
        Estimate(),
    )
    now, reported = loading, []
    for event in _events(stages):
        if isinstance(event, JobStepped) and event.done:
            for part in looks:  # before the step is done
                if job_progress.fraction:
                    at = now + part * seconds
                    reported.append(estimate.left(job_progress.fraction, 0.0, now, at))
            now += seconds
        job_progress.see(event)
        if isinstance(event, JobStepped) and event.done:
            reported.append(estimate.left(job_progress.fraction, 0.0, now, now))
    assert all(later <= sooner + 1e-6 for sooner, later in itertools.pairwise(reported))
    assert reported[-1] == pytest.approx(0, abs=1e-6)


def test_the_time_left_rises_where_it_goes_on_much_more_slowly() -> None:
    estimate = Estimate()
    assert estimate.left(0.5, 0, 10, 10) == pytest.approx(10)
    assert estimate.left(0.55, 0, 20, 20) > 10


def test_nothing_is_known_before_the_first_step() -> None:
    assert Estimate().left(0.0, 0, 10, 10) == 0
