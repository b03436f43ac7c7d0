"""The options of `run`, `grid` and `submit`, resolved once into runs."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ninefold.cli.control import control_values
from ninefold.cli.image_options import ImageOptions
from ninefold.cli.sampling import Sampling
from ninefold.config import PipelineConfig
from ninefold.core.context import PipelineContext
from ninefold.core.errors import ConfigError, InputError
from ninefold.core.paths import expand_home
from ninefold.core.pipeline import Pipeline
from ninefold.engines.engine_set import EngineSet
from ninefold.runs import Run
from ninefold.slots import MAX_PROMPT, next_seed, resolve_seed

DEFAULT_PRESET = "full"
DEFAULT_OUT = Path("ninefold-out")


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What the command line said; None where it said nothing."""

    #: The command that took them, for messages.
    command: str = "run"
    prompt: str | None = None
    preset: str | None = None
    config: Path | None = None
    settings: tuple[str, ...] = ()
    model: str | None = None
    components: str | None = None
    seed: int | None = None
    count: int = 1
    image: Path | None = None
    strength: float | None = None
    mask: Path | None = None
    references: tuple[Path, ...] = ()
    negative: str | None = None
    control: tuple[str, ...] = ()
    sampling: Sampling = field(default_factory=Sampling)
    out: Path | None = None
    as_json: bool = False
    quiet: bool = False
    dry_run: bool = False
    resume: Path | None = None
    #: Of engines, and for `submit` of jobs.
    settings_file: Path | None = None
    memory: str | None = None

    @classmethod
    def of(cls, images: ImageOptions, **own: Any) -> RunOptions:
        """The options that every command that makes images takes, and a command's `own`."""
        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in vars(images).items()
            if value is not None
        }
        named = {item.name for item in fields(Sampling)} & given.keys()
        sampling = Sampling(**{name: given.pop(name) for name in named})
        return cls(**given, sampling=sampling, **own)


#: What may be said beside --resume: the rest was fixed when the run began.
_HOW = frozenset({"as_json", "quiet", "resume", "settings_file", "memory", "sampling"})
#: Options that name files, by the slots that those fill.
_FILES = {"image": "--image", "mask": "--mask", "references": "--reference"}
_SPELLED = {
    "prompt": "PROMPT",
    "settings": "--set",
    "loras": "--lora",
    "references": "--reference",
}


def load_config(
    preset: str | None, config: Path | None, settings: Sequence[str] = ()
) -> PipelineConfig:
    """The preset or config file with settings applied; raises `ConfigError`."""
    if preset is not None and config is not None:
        raise ConfigError("expected --preset or --config, got both. Leave one out.")
    found = (
        PipelineConfig.preset(preset or DEFAULT_PRESET)
        if config is None
        else PipelineConfig.load(config)
    )
    return found.with_settings(settings) if settings else found


def resolve_config(options: RunOptions) -> PipelineConfig:
    """The config that the options ask for; raises `ConfigError` with every problem."""
    settings = list(options.settings)
    if options.strength is not None:
        if options.image is None:
            raise ConfigError("--strength: expected with --image, got it alone. Add --image FILE.")
        settings.append(f"text_to_image.strength={options.strength}")
    config = load_config(options.preset, options.config, settings)
    changes = {"model": options.model, "components": options.components, "seed": options.seed}
    given = {key: value for key, value in changes.items() if value is not None}
    config = config.with_values(given, "")
    config = config.with_values(options.sampling.values(config, options.settings), "")
    return config.with_values(control_values(options.control, options.settings), "")


def resumed(options: RunOptions, folder: Path, engines: EngineSet) -> Run:
    """The run that --resume names; raises `UserError`."""
    refuse_beside_resume(options)
    run = Run.load(folder)
    run.config.build(engines).check(run.context)
    return run


def refuse_beside_resume(options: RunOptions, others: Sequence[str] = ()) -> None:
    """Raise `ConfigError` for what cannot be said with --resume; `others` are a command's own."""
    default = RunOptions()
    given = vars(options) | vars(options.sampling)
    extra = [
        _SPELLED.get(name, f"--{name.replace('_', '-')}")
        for name, unsaid in (vars(default) | vars(default.sampling)).items()
        if name not in _HOW and given[name] != unsaid
    ]
    extra += others
    if extra:
        raise ConfigError(
            f"--resume: goes on as the run began, so {', '.join(extra)} cannot be given with it."
        )


def with_prompt(options: RunOptions) -> RunOptions:
    """The options with the prompt from stdin, where it is said to be there."""
    if options.prompt != "-":
        return options
    return replace(options, prompt=sys.stdin.read(MAX_PROMPT + 2).strip())


def given_slots(options: RunOptions, config: PipelineConfig) -> dict[str, Any]:
    """The slots that were given, as they were given; the config names pictures by their files."""
    prompt = options.prompt
    if prompt is None and options.sampling.loras:  # which stand before the config's own
        prompt = config.prompt
    pictures = {name: expand_home(name) for name in config.control_images()}
    slots = {
        "prompt": options.sampling.tagged(prompt),
        "negative_prompt": options.negative,
        "image": options.image,
        "mask": options.mask,
        "references": options.references or None,
        "control_images": pictures or None,
    }
    return {name: value for name, value in slots.items() if value is not None}


def planned(options: RunOptions, config: PipelineConfig, engines: EngineSet) -> Iterator[Run]:
    """One run an image, each prepared (its inputs checked and copied) when it is asked for.

    Raises `UserError`, and then leaves no file behind.
    """
    options = with_prompt(options)
    first = resolve_seed(config.seed)
    job = PipelineContext().job_id
    for index in range(options.count):
        job_id = job if options.count == 1 else f"{job}-{index + 1}"
        yield prepared_run(
            options, config.with_values({"seed": next_seed(first, index)}), job_id, engines
        )


def prepared_run(
    options: RunOptions, config: PipelineConfig, job_id: str, engines: EngineSet
) -> Run:
    """A run whose inputs are checked and copied to its folder, called `job_id` below --out.

    Raises `UserError`, and then leaves no file behind.
    """
    out = options.out or DEFAULT_OUT
    try:
        made = not out.exists()
    except OSError as error:
        raise ConfigError(f"--out: {error.strerror or error}. Choose another folder.") from None
    context = PipelineContext(out / job_id, job_id=job_id)
    pipeline = config.build(engines)
    try:
        _fill(options, config, context, pipeline)
        pipeline.check(context)
        run = Run(config, context)
        run.start()
    except BaseException:
        shutil.rmtree(context.workdir, ignore_errors=True)
        if made and out.is_dir() and not any(out.iterdir()):
            out.rmdir()
        raise
    return run


def _fill(
    options: RunOptions, config: PipelineConfig, context: PipelineContext, pipeline: Pipeline
) -> None:
    """Set what was given; raises `InputError` with every problem."""
    given = given_slots(options, config)
    problems = []
    for name, value in given.items():
        try:
            context.set(name, value)
        except InputError as error:
            text = str(error).removeprefix(f"{name}: ")
            problems.append(f"{_FILES[name]}: {text}" if name in _FILES else str(error))
    missing = pipeline.missing_inputs(context)
    refused = given.keys() - context.data.keys()
    problems += [
        _missing(error.slot, str(error), options.command)
        for error in missing
        if error.slot not in refused
    ]
    if problems:
        raise InputError("\n".join(problems))


def _missing(slot: str, message: str, command: str) -> str:
    if slot == "prompt":
        remedy = f'Say what to paint: ninefold {command} "a red house".'
        return f"prompt: expected text, got none. {remedy}"
    return f"{message} Here: {_FILES[slot]} FILE." if slot in _FILES else message
