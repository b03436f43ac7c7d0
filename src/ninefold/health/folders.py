"""The folders of the settings, and the database."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

from ninefold.core.errors import ConfigError, StorageError
from ninefold.engines.references import HubName, LocalPath
from ninefold.health.findings import Finding, gib
from ninefold.jobs.database import database_url, inspect_database, shown
from ninefold.settings import Settings

#: Bytes that a job of a large image takes, with what the database writes beside itself.
_LEAST_FREE = 200 * 2**20


def check_folders(settings: Settings) -> Iterator[Finding]:
    """The data folder with the room on its disk, and where models, LoRAs and wildcards lie."""
    folder = settings.data.absolute()
    # Asked of `os.path`, which answers no where it may not look or the name cannot be one.
    parent = next(place for place in (folder, *folder.parents) if os.path.exists(place))
    free = shutil.disk_usage(parent).free
    there = f"{'' if parent == folder else 'not there yet; '}{gib(free)} free"
    remedy = None
    if not parent.is_dir():
        remedy = f"{parent} is no folder: name one with --data"
    elif not os.access(parent, os.W_OK | os.X_OK):
        remedy = f"make {parent} writable, or name another folder with --data"
    elif free < _LEAST_FREE:
        remedy = "free some space there, or name another folder with --data"
    yield Finding("folders", "data", f"{folder}: {there}", remedy)
    known = (
        f"{settings.loras}{'' if settings.loras.is_dir() else ': not there; none are looked up'}"
    )
    yield Finding("folders", "loras", known, needed=False)
    for models in settings.model_folders:
        remedy = None if models.is_dir() else f"make {models}, or leave it out of model_folders"
        yield Finding("folders", "models", str(models), remedy, needed=False)
    for named in settings.components:
        is_there = LocalPath.parse(named) or HubName.parse(named)
        remedy = None if is_there else f"make {named}, or leave it out of components"
        yield Finding("folders", "components", named, remedy, needed=False)
    if settings.wildcards is not None:
        remedy = f"make {settings.wildcards}, or set NINEFOLD_WILDCARDS to another folder"
        yield Finding(
            "folders",
            "wildcards",
            str(settings.wildcards),
            None if settings.wildcards.is_dir() else remedy,
        )


def check_database(settings: Settings, database: str | None = None) -> Iterator[Finding]:
    """Whether the database can be used, without changing it; `database` is another than that of
    the settings."""
    try:
        url = database_url(settings.data.absolute(), database or settings.database)
    except ConfigError as error:
        yield Finding("folders", "database", "cannot be used", str(error))
        return
    try:
        yield Finding("folders", "database", f"{shown(url)}: {inspect_database(url)}")
    except StorageError as error:
        yield Finding("folders", "database", shown(url), str(error))
