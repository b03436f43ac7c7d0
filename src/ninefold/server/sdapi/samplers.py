"""A1111's samplers and schedule types, and our schedulers.

Source: `modules/sd_samplers.py` and `sd_schedulers.py` of stable-diffusion-webui.
"""

from __future__ import annotations

from collections.abc import Sequence

from ninefold.engines.sampler_names import (
    SchedulerName,
    find_schedule,
    find_scheduler,
    nearest_schedule,
    nearest_scheduler,
)
from ninefold.engines.sampler_table import EVEN, SAMPLERS, SCHEDULES
from ninefold.server.sdapi.model_catalog import RequestIssues

#: Name and label of each schedule type; `automatic` is what the sampler usually follows, and
#: `uniform` the model's own spacing.
SCHEDULE_TYPES = (
    ("automatic", "Automatic"),
    ("uniform", EVEN.a1111_name),
    *((schedule.name, schedule.a1111_name) for schedule in SCHEDULES.values()),
)
#: Names for "the same as before".
_SAME = frozenset({"", "none", "automatic", "use same sampler", "use same scheduler"})


def scheduler_of(
    sampler: str | None, schedule: str | None, issues: RequestIssues, where: str = "sampler_name"
) -> str | None:
    """Our scheduler for a sampler and a schedule type; None is the model's own."""
    wanted = "" if _is_same(schedule) else str(schedule)
    if sampler is None or _is_same(sampler):
        if wanted and find_schedule(wanted) is not EVEN:
            issues.warn("scheduler", f"{wanted!r} is not honoured with the model's own sampler.")
        return None
    found = find_scheduler(sampler, "automatic")
    if found is None and (found := nearest_scheduler(sampler)) is not None:
        issues.warn(where, f"{sampler!r} is not at hand; {found.a1111_label} was used.")
    if found is None:
        issues.unknown(where, sampler, names())
        return None
    if wanted:
        found = _with_schedule(found, wanted, issues)
    if not found.possible:
        shown = found.sampler.a1111_name
        issues.warn("scheduler", f"{found.schedule.a1111_name!r} is not honoured with {shown}.")
        found = SchedulerName(found.sampler)
    return None if found.sampler.name == "default" else str(found)


def names() -> Sequence[str]:
    """The samplers that can be named."""
    return [sampler.a1111_name for sampler in SAMPLERS.values()]


def _is_same(name: str | None) -> bool:
    return name is None or name.strip().lower() in _SAME


def _with_schedule(found: SchedulerName, wanted: str, issues: RequestIssues) -> SchedulerName:
    schedule = find_schedule(wanted)
    if schedule is None:
        schedule = nearest_schedule(wanted)
        used = "the sampler's usual one" if schedule is None else schedule.a1111_name
        issues.warn("scheduler", f"{wanted!r} is not at hand; {used} was used.")
    return found if schedule is None else SchedulerName(found.sampler, schedule)
