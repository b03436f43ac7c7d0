"""From what requests ask for to what jobs are made of, or to every problem at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ninefold.config import PipelineConfig
from ninefold.core.errors import ConfigError, NotFoundError
from ninefold.jobs import Job
from ninefold.server.callers import Caller
from ninefold.server.limits import Limits
from ninefold.server.schemas import GroupRequest, JobRequest
from ninefold.server.uploads import Upload, UploadKind, Uploads
from ninefold.slots import CONTROL_IMAGES, REFERENCES

DEFAULT_PRESET = "standard"
#: Inputs that name uploads.
_FILES: tuple[UploadKind, ...] = ("image", "mask")

Slots = dict[str, Any]


class RequestValidator:
    """Looks through requests; its methods block."""

    def __init__(self, limits: Limits, uploads: Uploads) -> None:
        self._limits, self._uploads = limits, uploads

    def jobs(
        self, caller: Caller, request: JobRequest | GroupRequest
    ) -> tuple[PipelineConfig, list[Slots]]:
        """The config and the slots of each input that a request asks for; raises `UserError`s."""
        group = request if isinstance(request, GroupRequest) else None
        inputs = request.inputs if isinstance(request, GroupRequest) else [request.input]
        self._limits.check_jobs(len(inputs) * (group.count if group else 1))
        config, problems = self._tried(request)
        given = [item.model_dump(exclude_none=True) for item in inputs]
        found: dict[str, Upload] = {}
        for number, slots in enumerate(given):
            where = f"inputs.{number}" if group else "input"
            problems += self._limits.input_problems(slots, where)
            for name, upload_id in _named_uploads(slots):
                if upload_id in found:
                    continue
                try:
                    found[upload_id] = self._uploads.get(caller, upload_id)
                except NotFoundError as error:
                    problems.append(f"{where}.{name}: {error}")
        pictures: dict[str, Upload] = {}
        for upload_id in () if config is None else config.control_images():
            try:
                pictures[upload_id] = self._uploads.get(caller, upload_id)
            except NotFoundError as error:
                problems.append(f"control.image: {error}")
        if problems or config is None:
            raise ConfigError(problems)
        if group and group.variants:
            given = self._limits.variants(config, given, group.count)
        sizes = {upload_id: (item.width, item.height) for upload_id, item in found.items()}
        self._limits.check_size(config, given, sizes, group.count if group else 1)
        sources = {key: self._uploads.source(item, "image") for key, item in pictures.items()}
        given_pictures = {CONTROL_IMAGES.name: sources} if sources else {}
        return config, [self._with_files(slots, found) | given_pictures for slots in given]

    def _with_files(self, slots: Slots, found: Mapping[str, Upload]) -> Slots:
        """The slots with files in place of uploads' ids."""
        files: Slots = {
            name: self._uploads.source(found[slots[name]], name) for name in _FILES if name in slots
        }
        if REFERENCES.name in slots:
            files[REFERENCES.name] = [
                self._uploads.source(found[upload_id], "image")
                for upload_id in slots[REFERENCES.name]
            ]
        return slots | files

    def rerun(self, parent: Job, given: Mapping[str, Any]) -> Callable[[PipelineConfig], None]:
        """Checks a rerun's config and the slots that are `given` anew.

        What the parent had already may stay as it is.
        """
        model = given.get("model")
        known = set(self._limits.config_problems(parent.config))
        known |= set(self._limits.model_problems(model, "model"))  # reported as that of the input

        def check(config: PipelineConfig) -> None:
            problems = list(self._limits.input_problems(given, "input"))
            found = self._limits.config_problems(config.document())
            problems += [line for line in found if line not in known]
            if problems:
                raise ConfigError(problems)
            sizes = _sizes(parent)
            slots: dict[str, Any] = {"model": model or parent.input.get("model")}
            slots |= {name: "source" for name in ("image", "mask") if parent.input.get(name)}
            if parent.input.get(REFERENCES.name):
                slots[REFERENCES.name] = ("source",)
            self._limits.check_size(config, [slots], sizes)

        return check

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

    def _tried(self, request: JobRequest | GroupRequest) -> tuple[PipelineConfig | None, list[str]]:
        try:
            return self.config(request.preset, request.config, request.overrides), []
        except ConfigError as error:
            return None, list(error.problems)


def _named_uploads(slots: Slots) -> Iterator[tuple[str, str]]:
    """The uploads that an input names, each with the place where it does."""
    yield from ((name, slots[name]) for name in _FILES if name in slots)
    for index, upload_id in enumerate(slots.get(REFERENCES.name, ())):
        yield f"{REFERENCES.name}.{index}", upload_id


def _sizes(job: Job) -> dict[str, tuple[int, int]]:
    """The size of a job's source image or first reference, by the name that stands for it here."""
    references = job.input.get(REFERENCES.name) or [None]
    image = job.input.get("image") or references[0]
    return {"source": (image["width"], image["height"])} if isinstance(image, dict) else {}
