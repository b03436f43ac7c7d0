"""What stands beside the cells of a grid, and how large one may be."""

from __future__ import annotations

from collections.abc import Sequence

from ninefold.files.scrub import scrub_text

#: Of one axis.
MAX_VALUES = 200
#: Cells of one grid.
MAX_CELLS = 1_000
WORDS = "prompt"
#: Before the name of a LoRA, whose weight an axis varies: `lora:sketch`, as tags in prompts begin.
LORA = "lora:"


def lora_of(parameter: str) -> str | None:
    """The LoRA whose weight a parameter is, as it was typed; None of another parameter."""
    return parameter.removeprefix(LORA).strip() if parameter.startswith(LORA) else None


def axis_labels(parameter: str, values: Sequence[str]) -> tuple[str, ...]:
    """The label of each value of a `stage.parameter`, an input or a LoRA; words stand for
    themselves."""
    if parameter == WORDS:
        return tuple(values)
    lora = lora_of(parameter)
    name = parameter.rpartition(".")[2].replace("_", " ") if lora is None else f"LoRA {lora}"
    return tuple(f"{name} {scrub_text(value)}" for value in values)
