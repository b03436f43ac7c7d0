"""Attributes of single objects replaced, and methods of theirs by others around them: of one
pipeline, of one scheduler."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

#: Takes the latents after a step.
OnStep = Callable[[Any], None]


def wrap_method(owner: Any, name: str, replacement: Callable[..., Any]) -> None:
    """Have `owner`, one object, do `replacement`, which takes its own method first."""
    original = getattr(owner, name, None)
    if original is not None:
        setattr(owner, name, _around(original, replacement))


@contextmanager
def wrapped_method(owner: Any, name: str, replacement: Callable[..., Any]) -> Iterator[None]:
    """The same within the block."""
    original = getattr(owner, name, None)
    if original is None:
        yield
        return
    with replaced_attribute(owner, name, _around(original, replacement)):
        yield


@contextmanager
def replaced_attribute(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Within the block give an object an attribute of its own, past what its class makes of
    setting."""
    missing = object()
    before = vars(owner).get(name, missing)
    vars(owner)[name] = value
    try:
        yield
    finally:
        if before is missing:
            vars(owner).pop(name, None)
        else:
            vars(owner)[name] = before


def watch_steps(scheduler: Any, on_step: OnStep) -> None:
    """Call `on_step` after each step of a scheduler."""

    def step(original: Callable[..., Any], *args: Any, **options: Any) -> Any:
        result = original(*args, **options)
        on_step(result[0] if isinstance(result, tuple) else result.prev_sample)
        return result

    wrap_method(scheduler, "step", step)


def _around(original: Callable[..., Any], replacement: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)  # pipelines look at its signature
    def around(*args: Any, **options: Any) -> Any:
        return replacement(original, *args, **options)

    return around
