"""Which checks are made: of an installation by whoever sits there, and of a server that is up."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from ninefold.core.errors import ConfigError
from ninefold.core.settings import read_settings
from ninefold.engines.defaults import build_engines
from ninefold.engines.engine_set import EngineSet
from ninefold.health import folders, machine, models, signing
from ninefold.health.findings import Check, Finding
from ninefold.settings import Settings


def check_installation(
    file: Path | None, data: Path | None, database: str | None, ask_torch: bool
) -> Iterator[Finding]:
    """All that `ninefold doctor` looks at, with the settings that a command would find. Imports no
    torch, unless `ask_torch` says so."""
    yield from machine.check_versions()
    try:
        settings = read_settings(Settings, file=file, flags={"data": data})
    except ConfigError as error:
        for problem in error.problems:
            yield Finding("settings", "settings", "cannot be used", problem)
        settings = read_settings(Settings, environ={}, flags={"data": data})
    yield from machine.check_device(settings)
    if ask_torch:
        yield from machine.check_torch(settings)
    else:
        yield Finding("device", "torch", "not asked; --torch does, in some seconds")
    yield from machine.check_memory()
    yield from models.check_models(settings)
    yield from models.name_other_models(build_engines(settings))
    yield from models.check_plugins()
    yield from folders.check_folders(settings)
    yield from signing.check_key(settings, settings.marks_folder)
    yield from signing.check_time_stamps(settings)
    yield from signing.count_manifests(settings.marks_folder)
    yield from folders.check_database(settings, database)


def server_checks(settings: Settings, engines: EngineSet) -> Mapping[str, Check]:
    """What may be missing around a server that is up, a check each. They block for as long as
    drivers, the database and the time stamp authority take to answer, some seconds at most."""
    signs, marks = engines.signing, engines.marks or settings.marks_folder
    return {
        "versions": machine.check_versions,
        "device": partial(machine.check_device, settings),
        "torch": partial(_check_torch_if_loaded, settings),
        "threads": partial(machine.check_threads, settings),
        "models": partial(models.check_models, settings),
        "other models": partial(models.count_other_models, engines),
        "plugins": models.check_plugins,
        "folders": partial(folders.check_folders, settings),
        "database": partial(folders.check_database, settings),
        "key": partial(signing.check_key, signs, marks, engines.signing_key),
        "time stamps": partial(signing.ask_for_time_stamp, signs),
    }


def _check_torch_if_loaded(settings: Settings) -> Iterator[Finding]:
    """A server without a worker never needs it."""
    if "torch" in sys.modules:
        yield from machine.check_torch(settings)
    else:
        yield Finding("device", "torch", "not loaded; the first job here that needs it does")
