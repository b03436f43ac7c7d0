"""What is done, step by declared step, when a device runs out of memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from ninefold.core.errors import ModelError

T = TypeVar("T")


@dataclass(frozen=True)
class Rung:
    """One step of the ladder: its name in the metadata, and what it does."""

    name: str
    climb: Callable[[], object]
    #: Whether it stays in force once it was taken; else it is there to be taken again.
    lasts: bool = True


class MemoryFullError(ModelError):
    """A device is full even with every saving step taken."""


def with_ladder(
    attempt: Callable[[], T],
    rungs: Sequence[Rung],
    taken: list[str],
    clear: Callable[[], object],
    what: str = "",
) -> T:
    """Run `attempt`; each time the device is full, take the next rung and run it anew.

    Names of rungs are appended to `taken`; those in it that last are not repeated. `clear` is
    called before each new attempt. Raises `MemoryFullError` with the remedy after the last rung;
    `what` is what did not fit.
    """
    left = [rung for rung in rungs if rung.name not in taken or not rung.lasts]
    while True:
        try:
            return attempt()
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if not left:
                raise MemoryFullError(
                    f"{what or 'The call'} does not fit into the device's memory even with every "
                    f"saving step taken ({', '.join(taken)}). Ask for a smaller size, or a smaller "
                    "or quantised version of the model."
                ) from error
        # Outside the handler, so that the traceback no longer holds the failed run's tensors.
        clear()
        rung = left.pop(0)
        rung.climb()
        if rung.name not in taken:
            taken.append(rung.name)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the device's memory is full."""
    return type(error).__name__ == "OutOfMemoryError" or (
        isinstance(error, RuntimeError) and "out of memory" in str(error).lower()
    )


def loading_ladder(device: str, unload_others: Callable[[], object]) -> tuple[Rung, ...]:
    """The rungs for loading; how it is loaded then follows from the names of those taken."""
    rungs = (Rung("unload_others", unload_others, lasts=False),)
    return rungs if device == "cpu" else (*rungs, Rung("cpu_offload", _nothing))


def ladder(pipe: Any, device: str, unload_others: Callable[[], object]) -> tuple[Rung, ...]:
    """The rungs for calls of a diffusers pipeline, cheapest first.

    A CPU has no other memory that networks could wait in.
    """
    rungs = [Rung("unload_others", unload_others, lasts=False)]
    if hasattr(pipe, "enable_attention_slicing"):
        rungs.append(Rung("attention_slicing", pipe.enable_attention_slicing))
    if hasattr(getattr(pipe, "vae", None), "enable_tiling"):
        rungs.append(Rung("vae_tiling", pipe.vae.enable_tiling))
    if device != "cpu":
        rungs.append(Rung("encoders_leave", _nothing))
        rungs.append(Rung("cpu_offload", pipe.enable_model_cpu_offload))
    return tuple(rungs)


@contextmanager
def encoders_leaving(pipe: Any, device: str, leaves: bool) -> Iterator[None]:
    """Where it `leaves`, text encoders are on the device until the first step is predicted, and
    wait in the main memory from then on."""
    painter = getattr(pipe, "transformer", None) or getattr(pipe, "unet", None)
    encoders = [part for name, part in pipe.components.items() if _is_encoder(name, part)]
    if not leaves or painter is None:
        yield
        return
    for encoder in encoders:
        encoder.to(device)

    def leave(*_: object) -> None:
        hook.remove()
        for encoder in encoders:
            encoder.to("cpu")

    hook = painter.register_forward_pre_hook(leave)
    try:
        yield
    finally:
        hook.remove()


def _is_encoder(name: str, part: Any) -> bool:
    return name.startswith("text_encoder") and hasattr(part, "parameters")


def _nothing() -> None:
    """For a step that is taken by those who look whether it was."""
