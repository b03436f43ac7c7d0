"""What tests need to run pipelines without models: for ninefold's own, and for plugins'.

`StageContract` and the contracts of engines are tests to inherit; only they need pytest.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ninefold.core.errors import ModelError
from ninefold.engines.diffusion import DIFFUSION
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.fake_diffusion import FakeDiffusion
from ninefold.engines.faults import Faults
from ninefold.engines.registry import installed

if TYPE_CHECKING:
    from ninefold.testing.engine_contracts import (
        DetectionContract,
        DiffusionContract,
        EngineContract,
        UpscalingContract,
    )
    from ninefold.testing.stage_contract import StageContract

#: Where the contracts live, which are imported when they are first used.
_CONTRACTS = {
    "StageContract": "ninefold.testing.stage_contract",
    "EngineContract": "ninefold.testing.engine_contracts",
    "DiffusionContract": "ninefold.testing.engine_contracts",
    "DetectionContract": "ninefold.testing.engine_contracts",
    "UpscalingContract": "ninefold.testing.engine_contracts",
}

__all__ = [
    "CALLS",
    "DetectionContract",
    "DiffusionContract",
    "EngineContract",
    "StageContract",
    "UpscalingContract",
    "fake_engines",
]

#: The calls that `fake_engines` can be made to fail on, beside those of plugins' kinds.
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
    Images of `black_seeds` come out black, as from a model whose numbers overflow. Kinds that
    plugins bring have the fakes that they declare. Raises `ValueError` for unknown calls.
    """
    kinds = installed().kinds.values()
    calls = CALLS | {kind.runs for kind in kinds if kind is not DIFFUSION and kind.runs}
    on = frozenset({fail_on} if isinstance(fail_on, str) else fail_on)
    if on - calls:
        raise ValueError(
            f"fail_on: expected names of {', '.join(sorted(calls))}, got {sorted(on - calls)}."
        )
    faults = Faults(on, error, fail_times)
    diffusion = FakeDiffusion(
        faults,
        steps_delay,
        frozenset(words),
        tuple(loras),
        wait_delay,
        load_delay,
        black_seeds=frozenset(black_seeds),
    )
    others = {kind: [kind.fake(faults)] for kind in kinds if kind.fake is not None}
    return EngineSet(
        {DIFFUSION: [diffusion], **others},
        versions={"ninefold-fake": "1"},
        wildcards=wildcards,
    )


def __getattr__(name: str) -> Any:
    if name not in _CONTRACTS:
        raise AttributeError(f"module 'ninefold.testing' has no attribute {name!r}")
    module = _CONTRACTS[name]
    if module not in sys.modules:
        import pytest

        pytest.register_assert_rewrite(module)  # so that a failed assertion shows its values
    return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return list(__all__)
