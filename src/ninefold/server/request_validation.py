"""From what requests ask for to what jobs are made of, or to every problem at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from ninefold.config import PipelineConfig
from ninefold.core.errors import ConfigError, NotFoundError
from ninefold.jobs import Job
from ninefold.jobs.group_rows import GroupRow
from ninefold.jobs.submission import MAX_PROBLEMS
from ninefold.server.callers import Caller
from ninefold.server.limits import Limits
from ninefold.server.schemas.requests import GroupInput, GroupRequest, JobRequest
from ninefold.server.uploads import Upload, UploadKind, Uploads
from ninefold.slots import CONTROL_IMAGES, REFERENCES

DEFAULT_PRESET = "standard"
#: Most different overrides of the inputs of one group: each is a config of its own to be checked.
MAX_OVERRIDES = 1_000
#: Inputs that name uploads.
_FILES: tuple[UploadKind, ...] = ("image", "mask")

Slots = dict[str, Any]


class RequestValidator:
    """Looks through requests; its methods block."""

    def __init__(self, limits: Limits, uploads: Uploads) -> None:
        self._limits, self._uploads = limits, uploads

    def jobs(self, caller: Caller, request: JobRequest | GroupRequest) -> list[GroupRow]:
        """The row of each input that a request asks for; raises `UserError`s.

        `variants` are written out: a row each.
        """
        group = request if isinstance(request, GroupRequest) else None
        inputs = request.inputs if isinstance(request, GroupRequest) else [request.input]
        count = group.count if group else 1
        self._limits.check_jobs(len(inputs) * count)
        config, problems = self._tried(request)
        given = [item.model_dump(exclude_none=True, exclude={"overrides"}) for item in inputs]
        places = [f"inputs.{number}" for number in range(len(inputs))] if group else ["input"]
        found: dict[str, Upload] = {}
        for slots, where in zip(given, places, strict=True):
            problems += self._limits.input_problems(slots, where)
            for name, upload_id in _named_uploads(slots):
                if upload_id in found:
                    continue
                try:
                    found[upload_id] = self._uploads.get(caller, upload_id)
                except NotFoundError as error:
                    problems.append(f"{where}.{name}: {error}")
        configs: list[PipelineConfig] = []
        if config is not None:
            configs, wrong = self._configs(config, group.inputs if group else ())
            problems += wrong
        named_by = {id(item): item.control_images() for item in _each(configs)}
        named = frozenset(chain.from_iterable(named_by.values()))
        if len(configs) == len(given):
            problems += [
                f"{where}.{CONTROL_IMAGES.name}.{name}: no stage's control names it. Leave it out."
                for slots, where in zip(given, places, strict=True)
                for name in slots.get(CONTROL_IMAGES.name, ())
                if name not in named
            ]
        pictures = dict.fromkeys(
            upload_id
            for slots, config in zip(given, configs, strict=False)
            for upload_id in _pictures(slots, named_by[id(config)]).values()
            if upload_id not in found
        )
        for upload_id in pictures:
            try:
                found[upload_id] = self._uploads.get(caller, upload_id)
            except NotFoundError as error:
                problems.append(f"control.image: {error}")
        if problems:
            raise ConfigError(problems)
        rows = [
            GroupRow(own, slots, where if group else "")
            for own, slots, where in zip(configs, given, places, strict=True)
        ]
        if group and group.variants:
            rows = self._limits.variants(rows, count)
        sizes = {upload_id: (item.width, item.height) for upload_id, item in found.items()}
        self._limits.check_size(rows, sizes, count)
        return [
            replace(row, slots=self._with_files(row.slots, found, named_by[id(row.config)]))
            for row in rows
        ]

    def _configs(
        self, config: PipelineConfig, inputs: Sequence[GroupInput]
    ) -> tuple[list[PipelineConfig], list[str]]:
        """The config of each input, one object for the same overrides, and what is wrong with
        them; of one job that of the request."""
        if not inputs:
            return [config], []
        known: dict[str, PipelineConfig | list[str]] = {"{}": config}
        found: list[PipelineConfig] = []
        problems: list[str] = []
        for number, item in enumerate(inputs):
            key = json.dumps(item.overrides, sort_keys=True)
            if key not in known:
                if len(known) > MAX_OVERRIDES:
                    problems.append(
                        f"inputs.{number}: expected at most {MAX_OVERRIDES:,} different overrides "
                        "in one group. Submit the rest as another."
                    )
                    break
                known[key] = self._overridden(config, item.overrides)
            own = known[key]
            if isinstance(own, PipelineConfig):
                found.append(own)
            else:
                problems += [f"inputs.{number}: {line}" for line in own]
                if len(problems) >= MAX_PROBLEMS:
                    break
        return found, problems

    def _overridden(
        self, config: PipelineConfig, overrides: Mapping[str, Any]
    ) -> PipelineConfig | list[str]:
        """The config with the overrides of one input, or every problem with them."""
        problems = list(self._limits.override_problems(config, overrides))
        try:
            changed = config.with_values(overrides)
        except ConfigError as error:
            problems += error.problems
        if problems:
            return [_of_override(line, overrides) for line in dict.fromkeys(problems)]
        return changed

    def _with_files(
        self, slots: Mapping[str, Any], found: Mapping[str, Upload], named: Sequence[str] = ()
    ) -> Slots:
        """The slots with files in place of uploads' ids, and the pictures that `control` has
        `named`."""
        files: Slots = {
            name: self._uploads.source(found[slots[name]], name) for name in _FILES if name in slots
        }
        if REFERENCES.name in slots:
            files[REFERENCES.name] = [
                self._uploads.source(found[upload_id], "image")
                for upload_id in slots[REFERENCES.name]
            ]
        if pictures := _pictures(slots, named):
            files[CONTROL_IMAGES.name] = {
                name: self._uploads.source(found[upload_id], "image")
                for name, upload_id in pictures.items()
            }
        others = {name: value for name, value in slots.items() if name != CONTROL_IMAGES.name}
        return {**others, **files}

    def rerun(
        self, caller: Caller, parent: Job, given: Slots
    ) -> tuple[Slots, Callable[[PipelineConfig], None]]:
        """The slots of a rerun that are `given` anew, with files in place of uploads' ids, and what
        checks its config; raises `ConfigError`.

        What the parent had already may stay as it is.
        """
        problems = list(self._limits.input_problems(given, "input"))
        uploads: dict[str, Upload] = {}
        for name, upload_id in _named_uploads(given):
            try:
                uploads[upload_id] = self._uploads.get(caller, upload_id)
            except NotFoundError as error:
                problems.append(f"input.{name}: {error}")
        if problems:
            raise ConfigError(problems)
        model = given.get("model")
        known = set(self._limits.config_problems(parent.config))
        known |= set(self._limits.model_problems(model, "model"))  # reported as that of the input
        sizes = _sizes(parent) | {key: (one.width, one.height) for key, one in uploads.items()}
        slots: Slots = {"model": model or parent.input.get("model")}
        for name in _FILES:
            if name in given or parent.input.get(name):
                slots[name] = given.get(name, "source")
        if REFERENCES.name in given or parent.input.get(REFERENCES.name):
            slots[REFERENCES.name] = given.get(REFERENCES.name, ("source",))

        def check(config: PipelineConfig) -> None:
            found = self._limits.config_problems(config.document())
            if problems := [line for line in found if line not in known]:
                raise ConfigError(problems)
            self._limits.check_size([GroupRow(config, slots)], sizes)

        return self._with_files(given, uploads, tuple(given.get(CONTROL_IMAGES.name, ()))), check

    def config(
        self,
        preset: str | None,
        config: Mapping[str, Any] | None,
        overrides: Mapping[str, Any],
    ) -> PipelineConfig:
        """The pipeline that a request asks for; raises `ConfigError` with every problem."""
        if preset is not None and config is not None:
            raise ConfigError("config: expected a preset or a config, got both. Leave one out.")
        problems: list[str] = []
        try:
            if config is None:
                found = PipelineConfig.preset(preset or DEFAULT_PRESET)
            else:
                problems += self._limits.config_problems(config)
                found = PipelineConfig.parse(config)
        except ConfigError as error:
            raise ConfigError([*error.problems, *problems]) from None
        for problem in self._limits.override_problems(found, overrides):
            if problem not in problems:  # of the config, which says so already
                problems.append(problem)
        try:
            if overrides:
                found = found.with_values(overrides)
        except ConfigError as error:
            problems += error.problems
        if problems:
            raise ConfigError(problems)
        return found

    def check_input(self, slots: Mapping[str, Any]) -> None:
        """Raise `ConfigError` with what an input may not say."""
        if problems := list(self._limits.input_problems(slots, "input")):
            raise ConfigError(problems)

    def _tried(self, request: JobRequest | GroupRequest) -> tuple[PipelineConfig | None, list[str]]:
        try:
            return self.config(request.preset, request.config, request.overrides), []
        except ConfigError as error:
            return None, list(error.problems)


def _each(configs: Iterable[PipelineConfig]) -> Iterable[PipelineConfig]:
    """Each config once, however many rows have it."""
    return {id(config): config for config in configs}.values()


def _of_override(problem: str, overrides: Mapping[str, Any]) -> str:
    """A problem of an override as one of the field that it stands in."""
    place, colon, rest = problem.partition(":")
    place = place.removeprefix("overrides").lstrip(". ")
    return f"overrides {place}{colon}{rest}" if place in overrides else problem


def _named_uploads(slots: Slots) -> Iterator[tuple[str, str]]:
    """The uploads that an input names, each with the place where it does."""
    yield from ((name, slots[name]) for name in _FILES if name in slots)
    for index, upload_id in enumerate(slots.get(REFERENCES.name, ())):
        yield f"{REFERENCES.name}.{index}", upload_id
    for name, upload_id in slots.get(CONTROL_IMAGES.name, {}).items():
        yield f"{CONTROL_IMAGES.name}.{name}", upload_id


def _pictures(slots: Mapping[str, Any], named: Iterable[str]) -> dict[str, str]:
    """The uploads of pictures that `control` has named: those that the input says, and of the
    others the names themselves."""
    given = slots.get(CONTROL_IMAGES.name, {})
    return {name: given.get(name, name) for name in named}


def _sizes(job: Job) -> dict[str, tuple[int, int]]:
    """The size of a job's source image or first reference, by the name that stands for it here."""
    references = job.input.get(REFERENCES.name) or [None]
    image = job.input.get("image") or references[0]
    return {"source": (image["width"], image["height"])} if isinstance(image, dict) else {}
