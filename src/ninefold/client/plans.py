"""What jobs would take, and grids of them: what a service can be asked for, as requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ninefold.client.call import (
    Call,
    Config,
    Input,
    given,
    id_of,
    input_of,
    inputs_of,
    job_path,
    read_as,
    recipe,
    written,
)
from ninefold.client.values import Estimate, Grid, Job, RerunPlan

#: A parameter (`stage.parameter`, or `prompt`, `negative_prompt`, `seed` or `model`), and its
#: values from cell to cell.
Axis = tuple[str, Sequence[Any]]


def estimate(
    inputs: Input | Sequence[Input],
    *,
    count: int = 1,
    variants: bool = False,
    preset: str | None = None,
    config: Config | Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Call[Estimate]:
    """What the jobs of `submit_group` would take; nothing is stored, and nothing is painted.

    What is wrong with them is in its `problems`.
    """
    return _estimate(inputs_of(inputs, count, variants), preset, config, overrides)


def estimate_grid(
    input: Input,
    x: Axis,
    y: Axis | None = None,
    *,
    preset: str | None = None,
    config: Config | Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Call[Estimate]:
    """What the cells of `submit_grid` would take, as `estimate` says it."""
    return _estimate(_cells(input, x, y), preset, config, overrides)


def plan_rerun(
    job: Job | str,
    *,
    from_stage: str | None = None,
    changes: Mapping[str, Any] | None = None,
    input: Input | None = None,
) -> Call[RerunPlan]:
    """What `rerun` would take over and carry out; nothing is queued."""
    body = given(from_stage=from_stage, changes=dict(changes or {}))
    if input is not None:
        body["input"] = input_of(input)
    return Call("POST", f"{job_path(job)}/rerun/plan", read_as(RerunPlan), json=body)


def submit_grid(
    input: Input,
    x: Axis,
    y: Axis | None = None,
    *,
    preset: str | None = None,
    config: Config | Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
    priority: int | None = None,
    cache: bool = True,
    webhook: str | None = None,
    idempotency_key: str | None = None,
) -> Call[Grid]:
    """Queue a job for every combination of the values of `x` and `y`. A grid is a group, too: its
    id is what `wait_group`, `cancel_group` and `sheet` take."""
    body = recipe(preset, config, overrides, priority, cache, webhook)
    body |= _cells(input, x, y)
    return written("/v1/grids", Grid, body, idempotency_key)


def grid(grid: Grid | str) -> Call[Grid]:
    """A grid with its cells."""
    return Call("GET", f"/v1/grids/{quote(id_of(grid), safe='')}", read_as(Grid))


def _estimate(
    asked: dict[str, Any],
    preset: str | None,
    config: Config | Mapping[str, Any] | None,
    overrides: Mapping[str, Any] | None,
) -> Call[Estimate]:
    body = recipe(preset, config, overrides, None, True, None) | asked
    return Call("POST", "/v1/jobs/estimate", read_as(Estimate), json=body)


def _cells(input: Input, x: Axis, y: Axis | None) -> dict[str, Any]:
    axes = {"x": _axis(x)} if y is None else {"x": _axis(x), "y": _axis(y)}
    return {"input": input_of(input), **axes}


def _axis(axis: Axis) -> dict[str, Any]:
    parameter, values = axis
    return {"parameter": parameter, "values": list(values)}
