"""What tests need to run pipelines without models: for ninefold's own, and for plugins'."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from ninefold.core.errors import ModelError
from ninefold.engines.base import EngineSet
from ninefold.engines.fake import FakeDetection, FakeDiffusion, FakeUpscale, Faults

#: The calls that `fake_engines` can be told to fail on.
CALLS = frozenset({"text_to_image", "image_to_image", "inpaint", "detect", "upscale"})


def fake_engines(
    *,
    fail_on: str | Collection[str] = (),
    fail_times: int | None = None,
    error: Callable[[str], Exception] = ModelError,
    steps_delay: float = 0.0,
    words: Iterable[str] = (),
    loras: Iterable[str] = ("sketch",),
    wait_delay: float = 0.0,
    load_delay: float = 0.0,
    wildcards: Path | None = None,
    black_seeds: Iterable[int] = (),
) -> EngineSet:
    """Engines that paint in microseconds, the same picture for the same request on any machine.

    They answer to the built-in models' names (`poster`, `detector`, `2x`, `4x`). Calls named in
    `fail_on` (of `CALLS`) raise `error`, the first `fail_times` of them or all. Each step of a
    diffusion call takes `steps_delay` seconds; before the first it waits `wait_delay` seconds as
    for a busy model and `load_delay` as for one that is loaded. `words` are those that the model
    knows (none given: all words), `loras` the names it accepts, `wildcards` a folder of them.
    Images of `black_seeds` come out black, as from a model whose numbers overflow. Raises
    `ValueError` for unknown calls.
    """
    on = frozenset({fail_on} if isinstance(fail_on, str) else fail_on)
    if on - CALLS:
        raise ValueError(
            f"fail_on: expected names of {', '.join(sorted(CALLS))}, got {sorted(on - CALLS)}."
        )
    faults = Faults(on, error, fail_times)
    return EngineSet(
        diffusion=FakeDiffusion(
            faults,
            steps_delay,
            frozenset(words),
            tuple(loras),
            wait_delay,
            load_delay,
            black_seeds=frozenset(black_seeds),
        ),
        detection=FakeDetection(faults),
        upscaling=FakeUpscale(faults),
        versions={"ninefold-fake": "1"},
        wildcards=wildcards,
    )
