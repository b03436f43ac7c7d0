"""What is done, step by declared step, when a device runs out of memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ninefold.core.errors import ModelError

T = TypeVar("T")


@dataclass(frozen=True)
class Rung:
    """One step of the ladder: its name in the metadata, and what it does."""

    name: str
    climb: Callable[[], object]


def with_ladder(
    attempt: Callable[[], T], rungs: Sequence[Rung], taken: list[str], clear: Callable[[], object]
) -> T:
    """Run `attempt`; each time the device is full, take the next rung and run it anew.

    Names of rungs are appended to `taken`; those already in it are not repeated. `clear` is
    called before each new attempt. Raises `ModelError` with the remedy after the last rung.
    """
    left = [rung for rung in rungs if rung.name not in taken]
    while True:
        try:
            return attempt()
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if not left:
                raise ModelError(
                    "The device's memory is full even with every saving step taken "
                    f"({', '.join(taken)}). Ask for a smaller size, or a smaller model."
                ) from error
        # Outside the handler, so that the traceback no longer holds the failed run's tensors.
        clear()
        rung = left.pop(0)
        rung.climb()
        taken.append(rung.name)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the device's memory is full."""
    return type(error).__name__ == "OutOfMemoryError" or (
        isinstance(error, RuntimeError) and "out of memory" in str(error).lower()
    )


def ladder(pipe: Any, unload_others: Callable[[], object]) -> tuple[Rung, ...]:
    """The rungs for a diffusers pipeline, cheapest first."""
    rungs = [Rung("unload_others", unload_others)]
    if hasattr(pipe, "enable_attention_slicing"):
        rungs.append(Rung("attention_slicing", pipe.enable_attention_slicing))
    if hasattr(getattr(pipe, "vae", None), "enable_tiling"):
        rungs.append(Rung("vae_tiling", pipe.vae.enable_tiling))
    rungs.append(Rung("cpu_offload", pipe.enable_model_cpu_offload))
    return tuple(rungs)
