"""A1111's samplers and schedule types, and our schedulers.

Source: `modules/sd_samplers_kdiffusion.py` and `sd_schedulers.py` of stable-diffusion-webui.
"""

from __future__ import annotations

from collections.abc import Sequence

from ninefold.engines.schedulers import SAMPLERS
from ninefold.server.sdapi.model_catalog import RequestIssues

#: Name and label of each schedule type; `uniform` keeps the model's own spacing.
SCHEDULES = (("automatic", "Automatic"), ("uniform", "Uniform"), ("karras", "Karras"))

#: Ours by A1111's names in lower case; None is the model's own.
_SCHEDULERS: dict[str, str | None] = {
    name.lower(): None if sampler.name == "default" else sampler.name
    for sampler in SAMPLERS.values()
    for name in (sampler.a1111_label, *sampler.a1111_aliases)
}
#: A1111's other samplers, and the nearest of ours: as deterministic, and of the same kind.
_NEAREST = {
    "plms": "ddim",
    "ddim cfg++": "ddim",
    "euler cfg++": "euler",
    "lms": "dpmpp_2m",
    "heun": "euler",
    "restart": "euler",
    "dpm2": "euler",
    "dpm fast": "dpmpp_2m",
    "dpm adaptive": "dpmpp_2m",
    "dpm2 a": "euler_a",
    "dpm++ 2s a": "euler_a",
    "dpm++ sde": "euler_a",
    "dpm++ 2m sde": "dpmpp_2m",
    "dpm++ 2m sde heun": "dpmpp_2m",
    "dpm++ 3m sde": "dpmpp_2m",
}
#: By their aliases in A1111.
_ALIASES = {
    "k_lms": "lms",
    "k_heun": "heun",
    "k_dpm_2": "dpm2",
    "k_dpm_2_a": "dpm2 a",
    "k_dpm_fast": "dpm fast",
    "k_dpm_ad": "dpm adaptive",
    "k_dpmpp_2s_a": "dpm++ 2s a",
    "k_dpmpp_sde": "dpm++ sde",
    "k_dpmpp_2m_sde": "dpm++ 2m sde",
    "k_dpmpp_3m_sde": "dpm++ 3m sde",
}
#: Schedule types that older versions wrote behind a sampler's name.
_SUFFIXES = (" karras", " exponential", " polyexponential")
#: Names for "the same as before".
_SAME = frozenset({"", "none", "automatic", "use same sampler", "use same scheduler"})


def scheduler_of(
    sampler: str | None, schedule: str | None, issues: RequestIssues, where: str = "sampler_name"
) -> str | None:
    """Our scheduler for a sampler and a schedule type; None is the model's own."""
    wanted = (schedule or "").strip().lower()
    if wanted in _SAME:
        wanted = ""
    ours = None
    if sampler is not None and (name := sampler.strip().lower()) not in _SAME:
        if name not in _SCHEDULERS:
            for suffix in _SUFFIXES:
                if name.endswith(suffix):
                    name, wanted = name.removesuffix(suffix), wanted or suffix.strip()
            name = _ALIASES.get(name, name)
        if (nearest := _NEAREST.get(name)) is not None:
            issues.warn(
                where, f"{sampler!r} is not at hand; {SAMPLERS[nearest].a1111_name} was used."
            )
        elif name not in _SCHEDULERS:
            issues.unknown(where, sampler, names())
            return None
        ours = nearest or _SCHEDULERS[name]
    if ours == "dpmpp_2m":  # A1111's own schedule for it is Karras
        ours = "dpmpp_2m_karras" if wanted in ("", "karras") else ours
    if wanted not in ("", "uniform") and ours != "dpmpp_2m_karras":
        shown = sampler or "the model's own sampler"
        issues.warn("scheduler", f"{schedule or wanted!r} is not honoured with {shown}.")
    return ours


def names() -> Sequence[str]:
    """The samplers that can be named."""
    return [sampler.a1111_label for sampler in SAMPLERS.values()]
