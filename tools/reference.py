"""Writes docs/reference/stages.md from the stages themselves: `python -m tools.reference`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ninefold.cli.parameters import parameters_of
from ninefold.core.slots import Slot
from ninefold.core.stage import PipelineStage
from ninefold.stages import STAGES

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "stages.md"

HEAD = """# Every stage and its parameters

Made by `make docs` from the code; `ninefold stages NAME` shows the same. Slots are what stages
hand on: a stage needs those that it requires, uses those that it accepts where they are set, and
sets those that it provides.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(line for stage in STAGES for line in _section(stage))])


def _section(stage: type[PipelineStage[Any]]) -> Iterator[str]:
    yield f"## {stage.name}\n"
    yield f"{(stage.__doc__ or '').strip()}\n"
    slots = {"Requires": stage.requires, "accepts": stage.accepts, "provides": stage.provides}
    yield "; ".join(f"{word} {_listed(given)}" for word, given in slots.items()) + ".\n"
    yield "| parameter | type | default | meaning |"
    yield "|---|---|---|---|"
    for item in parameters_of(stage.params_type):
        kind = f"{item.type}, {item.limits}" if item.limits else item.type
        cells = (f"`{item.name}`", kind, item.default, item.description)
        yield f"| {' | '.join(map(_cell, cells))} |"
    yield ""


def _listed(slots: Iterable[Slot[Any]]) -> str:
    return ", ".join(f"`{slot.name}`" for slot in slots) or "nothing"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
