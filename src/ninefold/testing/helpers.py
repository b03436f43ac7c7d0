"""Small things that tests of stages and engines need."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ninefold.core.control_flow import Cancelled
from ninefold.core.progress import PreviewMaker
from ninefold.imaging.types import Pixels

T = TypeVar("T")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine, in an event loop of its own."""
    return asyncio.run(coroutine)


def files_in(folder: Path) -> set[str]:
    """Every file below a folder, hidden ones too, by its relative name."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def ramp(width: int = 64, height: int = 64) -> Pixels:
    """A smooth picture: red grows downwards, green to the right, blue upwards."""
    down = np.linspace(0, 1, height)[:, None] * np.ones((1, width))
    across = np.ones((height, 1)) * np.linspace(0, 1, width)[None, :]
    pixels: Pixels = np.rint(np.stack([down, across, 1 - down], axis=2) * 255).astype(np.uint8)
    return pixels


class Recorder:
    """Progress that keeps what is reported, and cancels after so many steps."""

    def __init__(self, cancel_after: int | None = None) -> None:
        self.steps: list[tuple[int, int]] = []
        self.previews: list[Pixels] = []
        self.cancel_after = cancel_after

    def step(self, done: int, total: int, preview: PreviewMaker | None = None) -> None:
        """Keep the step and make its preview; raises `Cancelled` where it is time."""
        self.steps.append((done, total))
        if preview is not None:
            self.previews.append(preview())
        if self.cancel_after is not None and len(self.steps) >= self.cancel_after:
            raise Cancelled

    def check(self) -> None:
        """Go on."""
