"""What stands beside the cells of a grid, and how large one may be."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import prod

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


def deciding_axis(
    cells: Collection[int], lengths: Sequence[int]
) -> tuple[int, tuple[int, ...]] | None:
    """The axis that decides which cells something is about, and the places of its values there.

    Cells are numbered with the first axis changing first. None where no axis alone decides it, or
    where all cells are concerned.
    """
    step, count = 1, prod(lengths)
    for axis, length in enumerate(lengths):
        places = {cell // step % length for cell in cells}
        if len(places) < length and len(set(cells)) == len(places) * (count // length):
            return axis, tuple(sorted(places))
        step *= length
    return None
