"""What can be told to be wrong before anything runs: models, sizes and files that stages name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ninefold.core.context import PipelineContext
from ninefold.core.errors import ConfigError, UserError
from ninefold.core.pipeline import Pipeline
from ninefold.engines.base import EngineSet
from ninefold.engines.checks import nearest_sizes
from ninefold.engines.schedulers import check_scheduler
from ninefold.files.decode import probe
from ninefold.imaging.cube import parse_cube
from ninefold.slots import IMAGE, MODEL
from ninefold.stages import STAGES, SamplingParams
from ninefold.stages.base import DEFAULT_MODEL

Check = Callable[[EngineSet, Any], object]


def _lut(_: EngineSet, path: Path) -> None:
    parse_cube(path.read_text(encoding="utf-8", errors="replace"))


#: How the value of a parameter of ninefold's own stages is checked: each raises if it is wrong.
_CHECKS: Mapping[str, Check] = {
    "model": lambda engines, name: engines.diffusion.describe(name),
    "scheduler": lambda _, name: check_scheduler(name),
    "detector": lambda engines, name: engines.detection.hash(name),
    "upscaler": lambda engines, name: engines.upscaling.hash(name),
    "lut": _lut,
    "overlay": lambda _, path: probe(path),
}


def check_before_run(pipeline: Pipeline, context: PipelineContext, engines: EngineSet) -> None:
    """Raise `ConfigError` with every problem that would stop the run later.

    Loads no weights; a big model is read once for its hash, which the run needs anyway.
    """
    if problems := tuple(_problems(pipeline, context, engines)):
        raise ConfigError(problems)


def _problems(pipeline: Pipeline, context: PipelineContext, engines: EngineSet) -> Iterator[str]:
    model = context.get(MODEL) or pipeline.defaults.get(MODEL.name) or DEFAULT_MODEL
    own = [step for step in pipeline.steps if isinstance(step.stage, STAGES)]
    if any(_uses_default_model(step.stage.params) for step in own):
        yield from _problem("model", partial(_CHECKS["model"], engines, model))
    for step in own:
        params = step.stage.params
        for name in sorted(_CHECKS.keys() & type(params).model_fields):
            value = getattr(params, name)
            if value is not None:
                check = partial(_CHECKS[name], engines, value)
                yield from _problem(f"{step.name}.{name}", check)
        if IMAGE not in context and hasattr(params, "width"):
            yield from _size_problems(engines, step.name, params, params.model or model)


def _uses_default_model(params: Any) -> bool:
    return isinstance(params, SamplingParams) and params.model is None


def _size_problems(engines: EngineSet, step: str, params: Any, model: str) -> Iterator[str]:
    try:
        info = engines.diffusion.describe(model)
    except UserError:  # told already
        return
    for name in ("width", "height"):
        side = getattr(params, name)
        if side is not None and (nearest := nearest_sizes(side, info)) != (side,):
            yield (
                f"{step}.{name}: expected a multiple of {info.size_multiple} from {info.min_size} "
                f"to {info.max_size}, which {info.name} can do, got {side}. "
                f"Nearest: {' or '.join(map(str, nearest))}."
            )


def _problem(where: str, check: Callable[[], object]) -> Iterator[str]:
    try:
        check()
    except OSError as error:
        yield f"{where}: cannot be read: {error.strerror or error}."
    except (UserError, ValueError) as error:
        yield f"{where}: {error}"
