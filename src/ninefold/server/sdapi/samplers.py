"""A1111's samplers and schedule types, and our schedulers.

Source: `modules/sd_samplers_kdiffusion.py` and `sd_schedulers.py` of stable-diffusion-webui.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ninefold.server.sdapi.shelf import Notes
from ninefold.stages.publisher import SAMPLERS


@dataclass(frozen=True)
class Sampler:
    """A sampler as clients list it."""

    name: str
    aliases: tuple[str, ...] = ()


#: What is listed; `Default` is the model's own scheduler.
LISTED = (
    Sampler("Default", ("default",)),
    Sampler("Euler", ("k_euler",)),
    Sampler("Euler a", ("k_euler_a", "k_euler_ancestral")),
    Sampler("DPM++ 2M", ("k_dpmpp_2m",)),
    Sampler("DPM++ 2M Karras", ("k_dpmpp_2m_ka",)),
    Sampler("DDIM", ("ddim",)),
    Sampler("UniPC", ("unipc",)),
)
#: Name and label of each schedule type; `uniform` keeps the model's own spacing.
SCHEDULES = (("automatic", "Automatic"), ("uniform", "Uniform"), ("karras", "Karras"))

_SCHEDULERS: dict[str, str | None] = {
    name.lower(): ours for ours, (name, schedule) in SAMPLERS.items() if not schedule
}
_SCHEDULERS |= {"default": None, "dpm++ 2m karras": "dpmpp_2m_karras"}
_SCHEDULERS |= {
    alias: _SCHEDULERS[sampler.name.lower()] for sampler in LISTED for alias in sampler.aliases
}
#: Names for "the same as before".
_SAME = frozenset({"", "none", "automatic", "use same sampler", "use same scheduler"})


def scheduler_of(
    sampler: str | None, schedule: str | None, notes: Notes, where: str = "sampler_name"
) -> str | None:
    """Our scheduler for a sampler and a schedule type; None is the model's own."""
    wanted = (schedule or "").strip().lower()
    if wanted in _SAME:
        wanted = ""
    if sampler is None or sampler.strip().lower() in _SAME:
        ours = None
    else:
        name = sampler.strip().lower()
        if name not in _SCHEDULERS:
            notes.unknown(where, sampler, names())
            return None
        ours = _SCHEDULERS[name]
    if ours == "dpmpp_2m":  # A1111's own schedule for it is Karras
        ours = "dpmpp_2m_karras" if wanted in ("", "karras") else ours
    if wanted not in ("", "uniform") and ours != "dpmpp_2m_karras":
        shown = sampler or "the model's own sampler"
        notes.warn("scheduler", f"{schedule!r} is not honoured with {shown}.")
    return ours


def names() -> Sequence[str]:
    """The samplers that can be named."""
    return [sampler.name for sampler in LISTED]
