"""Names of samplers and schedules: any tool's way of writing them in, ours out, and back again.

A scheduler here is a sampler and the schedule that it follows, under one name such as
`dpmpp_2m_karras`; without a schedule it follows the model's own even spacing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from ninefold.engines.sampler_table import (
    EVEN,
    NEAREST_SAMPLERS,
    NEAREST_SCHEDULES,
    SAMPLERS,
    SCHEDULES,
    Sampler,
    Schedule,
    SchedulerKind,
)

#: Names for "whatever the sampler usually takes".
_AUTOMATIC = frozenset({"automatic", "auto"})


@dataclass(frozen=True)
class SchedulerName:
    """A sampler, and how its steps are spaced."""

    sampler: Sampler
    schedule: Schedule = EVEN

    def __str__(self) -> str:
        return "_".join(filter(None, (self.sampler.name, self.schedule.name)))

    @property
    def a1111(self) -> tuple[str, str | None]:
        """A1111's "Sampler" and "Schedule type"; None where that is what it takes unasked."""
        if self.schedule is EVEN and self.sampler.automatic is None:
            return self.sampler.a1111_name, None
        return self.sampler.a1111_name, self.schedule.a1111_name

    @property
    def a1111_label(self) -> str:
        """Both in one, as versions of A1111 before 1.9 name them."""
        return " ".join(
            filter(None, (self.sampler.a1111_name, self.schedule.name and self.schedule.a1111_name))
        )

    @property
    def comfyui(self) -> tuple[str, str] | None:
        """ComfyUI's `sampler_name` and `scheduler`; None where it has no such pair."""
        sampler, schedule = self.sampler.comfyui_name, self.schedule.comfyui_name
        return None if sampler is None or schedule is None else (sampler, schedule)

    @property
    def possible(self) -> bool:
        """Whether the sampler can follow the schedule."""
        return self.schedule is EVEN or self.schedule.name in self.sampler.schedules

    @property
    def packages(self) -> tuple[str, ...]:
        """What it needs beside ninefold's own dependencies."""
        return tuple(filter(None, dict.fromkeys((self.sampler.package, self.schedule.package))))

    @property
    def _stable_without_signal(self) -> bool:
        named = self.schedule.name
        return self.schedule.zero_snr and named not in self.sampler.not_from_zero_snr

    def fits(self, kind: SchedulerKind) -> bool:
        """Whether it gives a sensible image with models of a kind."""
        if self.sampler.name == "default":
            return True
        if kind == "flow":
            return bool(self.sampler.flow_class) and self.schedule.flow and self.possible
        if kind == "zero_snr" and not self._stable_without_signal:
            return False
        return kind in ("noise", "zero_snr") and self.possible


def find_scheduler(name: str, schedule: str | None = None) -> SchedulerName | None:
    """What a name means, in any tool's spelling, with the schedule in it or beside it.

    None for what is unknown here; see `nearest_scheduler`. The sampler may not be able to follow
    the schedule: see `SchedulerName.possible`.
    """
    found = _parsed(_key(name))
    if found is None or not (beside := _key(schedule or "")):
        return found
    if beside in _AUTOMATIC:
        # What an old name says of the schedule counts.
        return found if found.schedule is not EVEN else _automatic(found.sampler)
    other = _schedules().get(beside)
    return None if other is None else SchedulerName(found.sampler, other)


def find_schedule(name: str) -> Schedule | None:
    """The schedule of a name in any tool's spelling."""
    return _schedules().get(_key(name))


def nearest_scheduler(name: str) -> SchedulerName | None:
    """For a name of another tool without a counterpart here, the nearest of ours; else None."""
    key = _key(name)
    nearest = {_key(other): ours for other, ours in NEAREST_SAMPLERS.items()}
    schedules = {_key(other): SCHEDULES[ours] for other, ours in NEAREST_SCHEDULES.items()}
    for end in range(len(key), 0, -1):
        sampler, rest = key[:end], key[end:]
        known = _samplers().get(sampler)
        other = SAMPLERS.get(nearest.get(sampler, ""), known)
        schedule = EVEN if not rest else _schedules().get(rest, schedules.get(rest))
        if other is not None and schedule is not None:
            found = SchedulerName(other, schedule)
            return found if found.possible else SchedulerName(other)
    return None


def nearest_schedule(name: str) -> Schedule | None:
    """For a schedule of another tool without a counterpart here, the nearest of ours."""
    return next((SCHEDULES[n] for o, n in NEAREST_SCHEDULES.items() if _key(o) == _key(name)), None)


def canonical(name: str) -> str:
    """Our name for it; `name` as it is where it is none of ours."""
    found = find_scheduler(name)
    return str(found) if found is not None and found.possible else name


def aliases(sampler: Sampler) -> tuple[str, ...]:
    """A sampler's other names: ours, ComfyUI's, k-diffusion's and diffusers'."""
    short = tuple(filter(None, (sampler.name, sampler.comfyui_name, *sampler.aliases)))
    of_k_diffusion = [f"k_{name}" for name in short] if sampler.comfyui_name else []
    return tuple(dict.fromkeys((*of_k_diffusion, *short, *filter(None, [sampler.class_name]))))


def scheduler_names(kind: SchedulerKind | None = None) -> tuple[str, ...]:
    """All names of ours, or those that fit a kind of model; samplers first, then with schedules."""
    plain = [SchedulerName(sampler) for sampler in SAMPLERS.values()]
    spaced = [SchedulerName(s, SCHEDULES[name]) for s in SAMPLERS.values() for name in s.schedules]
    return tuple(str(item) for item in (*plain, *spaced) if kind is None or item.fits(kind))


def _automatic(sampler: Sampler) -> SchedulerName:
    return SchedulerName(sampler, SCHEDULES[sampler.automatic] if sampler.automatic else EVEN)


def _parsed(key: str) -> SchedulerName | None:
    # The longest sampler first: "dpmpp2msde" before "dpmpp2m" with an unknown rest.
    for end in range(len(key), 0, -1):
        sampler, rest = _samplers().get(key[:end]), key[end:]
        if sampler is None:
            continue
        if not rest:
            return SchedulerName(sampler)
        if rest in _AUTOMATIC:
            return _automatic(sampler)
        if (schedule := _schedules().get(rest)) is not None:
            return SchedulerName(sampler, schedule)
    return None


def _key(name: str) -> str:
    """What is left of a name without case, separators, and what tools put around it."""
    plain = name.strip().lower().replace("++", "pp").replace("ancestral", "a")
    plain = re.sub(r"^(sample|k)[\s_-]+|[\s_-]gpu(?![a-z])", "", plain)
    return re.sub(r"[^a-z0-9]+", "", plain)


@cache
def _samplers() -> Mapping[str, Sampler]:
    found: dict[str, Sampler] = {}
    for sampler in SAMPLERS.values():
        names = (sampler.name, sampler.a1111_name, sampler.comfyui_name, *sampler.aliases)
        for name in filter(None, (*names, sampler.class_name)):
            found.setdefault(_key(name), sampler)
    return found


@cache
def _schedules() -> Mapping[str, Schedule]:
    found: dict[str, Schedule] = {}
    for schedule in (EVEN, *SCHEDULES.values()):
        names = (schedule.name, schedule.a1111_name, schedule.comfyui_name, *schedule.aliases)
        for name in filter(None, names):
            found.setdefault(_key(name), schedule)
    return found
