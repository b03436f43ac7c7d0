"""Writes docs/reference from the code itself: `python -m tools.reference`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ninefold.cli.parameters import parameters_of
from ninefold.core.settings import variable_of
from ninefold.core.slots import Slot
from ninefold.core.stage import PipelineStage
from ninefold.engines.sampler_names import scheduler_names
from ninefold.engines.sampler_table import (
    EVEN,
    NEAREST_SAMPLERS,
    NEAREST_SCHEDULES,
    SAMPLERS,
    SCHEDULES,
)
from ninefold.files.manifest import manifest_schema
from ninefold.settings import Settings
from ninefold.stages import OPTIONAL, STAGES

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"

STAGES_HEAD = """# Every stage and its parameters

Made by `make docs` from the code; `ninefold stages NAME` shows the same. Slots are what stages
hand on: a stage needs those that it requires, uses those that it accepts where they are set, and
sets those that it provides.
"""


SETTINGS_HEAD = """# Settings

Made by `make docs` from the code. What concerns one image is in the config instead; see
[every stage](stages.md).

A setting comes from the command's flags, else from its environment variable, else from a TOML file
that `--settings FILE` or `NINEFOLD_SETTINGS` names, where it is written as in the
first column: `port = 8080`. A list is `["a", "b"]` there, and `a,b` in a variable. A wrong setting
stops the start, and the error names all that are wrong. `ninefold worker` reads the file, too; the
other commands take from it what concerns the engines.
"""

SAMPLERS_HEAD = """# Samplers and noise schedules

Made by `make docs` from the code. A scheduler is a sampler, with `_` and the name of a schedule behind it where it
follows one: `dpmpp_2m_karras`. Wherever one is named (`--scheduler`, `scheduler` in configs and requests, A1111's API
and infotext), the names of A1111, Forge, ComfyUI, k-diffusion and diffusers are understood, by any case: `DPM++ 2M
Karras`, `k_euler_a`, `dpmpp_2m_sde_gpu`, `EulerDiscreteScheduler`. Metadata has the name here.

What fits a model is checked before anything runs: flow-matching models (Stable Diffusion 3, FLUX, Qwen-Image, Sana)
take those marked so, models that are distilled in a way of their own (Sana-Sprint, Stable Cascade) `default` alone.
Models whose last timestep has no signal, such as the built-in one, take all but `heun` and the schedule `beta`, which
step too far there. LMS and `beta` need scipy: `pip install 'ninefold[samplers]'`.
"""  # noqa: E501

SCHEDULES_HEAD = """
## Schedules

`normal`, `uniform` and `automatic` are none; `polyexponential` is `exponential`.
"""

NEAREST_HEAD = """
## Without a counterpart

diffusers has none of these. They are refused with the nearest named; A1111's API takes that, with a warning.
"""  # noqa: E501

SETTINGS_FOOT = """
## Variables that are no settings

| variable | default | meaning |
|---|---|---|
| `NINEFOLD_SETTINGS` | none | the TOML file of settings |
| `NINEFOLD_PICTURE` | by the terminal | how the command line shows the picture: `kitty`, `iterm`, `sixel`, `blocks`, `none` |
| `NINEFOLD_DEBUG` | 0 | 1 has the command line show the traceback of a bug |
"""  # noqa: E501


def pages() -> dict[str, str]:
    """Every page by its file's name."""
    return {
        "stages.md": stages_page(),
        "settings.md": settings_page(),
        "samplers.md": samplers_page(),
        "manifest.schema.json": json.dumps(manifest_schema(), indent=2) + "\n",
    }


def stages_page() -> str:
    """Every stage and its parameters."""
    sections = (line for stage in (*STAGES, *OPTIONAL) for line in _section(stage))
    return "\n".join([STAGES_HEAD, *sections])


def settings_page() -> str:
    """Every setting."""
    rows = ["| setting | variable | type | default | meaning |", "|---|---|---|---|---|"]
    for item in parameters_of(Settings):
        kind = ", ".join(filter(None, (item.type.replace("file", "path"), item.limits)))
        variable = f"`{variable_of(item.name)}`"
        cells = (f"`{item.name}`", variable, kind, item.default, item.description)
        rows.append(f"| {' | '.join(map(_cell, cells))} |")
    return "\n".join([SETTINGS_HEAD, *rows, SETTINGS_FOOT])


def samplers_page() -> str:
    """Every sampler and schedule, with its names elsewhere."""
    flow = set(scheduler_names("flow"))
    rows = ["| name | A1111, Forge | ComfyUI | diffusers | schedules | flow |", "|" + "---|" * 6]
    for sampler in SAMPLERS.values():
        cells = (
            f"`{sampler.name}`",
            sampler.a1111_name,
            f"`{sampler.comfyui_name}`" if sampler.comfyui_name else "",
            f"`{sampler.class_name}`" if sampler.class_name else "the model's own",
            "all" if len(sampler.schedules) == len(SCHEDULES) else ", ".join(sampler.schedules),
            "yes" if sampler.name in flow else "",
        )
        rows.append(f"| {' | '.join(map(_cell, cells))} |")
    spaced = ["| schedule | A1111, Forge | ComfyUI | flow |", "|---|---|---|---|"]
    for schedule in (EVEN, *SCHEDULES.values()):
        name = f"`{schedule.name}`" if schedule.name else "none: the model's own, even"
        comfyui = f"`{schedule.comfyui_name}`" if schedule.comfyui_name else ""
        flow_too = "yes" if schedule.flow else ""
        spaced.append(f"| {name} | {schedule.a1111_name} | {comfyui} | {flow_too} |")
    nearest = ["| elsewhere | nearest here |", "|---|---|"]
    for other, ours in (*NEAREST_SAMPLERS.items(), *NEAREST_SCHEDULES.items()):
        nearest.append(f"| {other} | `{ours}` |")
    tables = (rows, [SCHEDULES_HEAD, *spaced], [NEAREST_HEAD, *nearest])
    return "\n".join([SAMPLERS_HEAD, *(line for table in tables for line in table), ""])


def _section(stage: type[PipelineStage[Any]]) -> Iterator[str]:
    yield f"## {stage.name}\n"
    yield f"{(stage.__doc__ or '').strip()}\n"
    slots = {"Requires": stage.requires, "accepts": stage.accepts, "provides": stage.provides}
    yield "; ".join(f"{word} {_listed(given)}" for word, given in slots.items()) + ".\n"
    if not (parameters := parameters_of(stage.params_type)):
        yield "No parameters.\n"
        return
    yield "| parameter | type | default | meaning |"
    yield "|---|---|---|---|"
    for item in parameters:
        kind = f"{item.type}, {item.limits}" if item.limits else item.type
        cells = (f"`{item.name}`", kind, item.default, item.description)
        yield f"| {' | '.join(map(_cell, cells))} |"
    yield ""


def _listed(slots: Iterable[Slot[Any]]) -> str:
    return ", ".join(f"`{slot.name}`" for slot in slots) or "nothing"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
