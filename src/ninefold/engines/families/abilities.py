"""What a family can do and what acts on it, in words and values: for `ninefold models show`, the
service and the documentation."""

from __future__ import annotations

from typing import Any

from ninefold.engines.families.family import TASKS, Family, Task

#: What each task is called where people read of it.
TASK_NAMES: dict[Task, str] = {
    "text": "a prompt",
    "image": "an image and a strength",
    "inpaint": "an image and a mask",
    "edit": "reference images",
}


def abilities(family: Family) -> dict[str, Any]:
    """JSON values: what it can start from and by whom, and which inputs act."""
    guidance = family.guidance
    return {
        "starts_from": {task: started_by(family, task) for task in TASKS if task in family.tasks},
        "instead": family.instead,
        "guidance": guidance.kind,
        "negative_prompt": negative_prompt_acts(family),
        "prompt_tokens": family.prompt_tokens,
        "schedulers": family.scheduler,
        "dtype": family.dtype,
    }


def started_by(family: Family, task: Task) -> str:
    """`diffusers` where a pipeline of it does the task, else `ninefold`."""
    return "diffusers" if getattr(family, task) is not None else "ninefold"


def negative_prompt_acts(family: Family) -> str:
    """`always`, `guided` (above the scale at which guidance is off), or `never`."""
    guidance = family.guidance
    if guidance.kind != "classifier_free" or not guidance.takes_negative:
        return "never"
    return "always" if guidance.scale > guidance.off else "guided"
