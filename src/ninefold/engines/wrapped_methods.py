"""Methods of single objects replaced by others around them: of one pipeline, of one scheduler."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

#: Takes the latents after a step.
OnStep = Callable[[Any], None]


def wrap_method(owner: Any, name: str, replacement: Callable[..., Any]) -> None:
    """Have `owner`, one object, do `replacement`, which takes its own method first."""
    original = getattr(owner, name, None)
    if original is None:
        return

    @wraps(original)  # pipelines look at its signature
    def around(*args: Any, **options: Any) -> Any:
        return replacement(original, *args, **options)

    setattr(owner, name, around)


def watch_steps(scheduler: Any, on_step: OnStep) -> None:
    """Call `on_step` after each step of a scheduler."""

    def step(original: Callable[..., Any], *args: Any, **options: Any) -> Any:
        result = original(*args, **options)
        on_step(result[0] if isinstance(result, tuple) else result.prev_sample)
        return result

    wrap_method(scheduler, "step", step)
