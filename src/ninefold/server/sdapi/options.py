"""The options that a client may read and set: each key has its own model, kept with the jobs."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from ninefold.core.errors import ConfigError
from ninefold.jobs.database import own_tables
from ninefold.server.callers import Caller
from ninefold.server.sdapi.shelf import Notes, Shelf
from ninefold.stages.base import DEFAULT_MODEL

_VERSION = 1
_METADATA = sa.MetaData()
_OPTIONS = sa.Table(
    "ninefold_sdapi_options",
    _METADATA,
    sa.Column("owner", sa.String(32), primary_key=True),
    sa.Column("model", sa.String(200), nullable=False),
)
#: The owner of what came without a key: a primary key holds no NULL.
_LOCAL = ""
#: Options that are read by clients and cannot be set to anything else.
FIXED: dict[str, Any] = {
    "sd_vae": "Automatic",
    "CLIP_stop_at_last_layers": 1,
    "samples_format": "png",
    "save_images_add_number": True,
    "return_grid": False,
    "live_previews_enable": True,
    "live_previews_image_format": "jpeg",
    "show_progress_every_n_steps": 1,
    "img2img_fix_steps": False,
    "eta_noise_seed_delta": 0,
}


class Options:
    """The models that clients have chosen; every method blocks."""

    def __init__(self, engine: sa.Engine) -> None:
        """Makes the table where it is missing; raises `StorageError`."""
        self._engine = engine
        own_tables(engine, _METADATA, "sdapi_options", _VERSION)

    def model(self, caller: Caller) -> str | None:
        """The model that the caller has chosen."""
        query = sa.select(_OPTIONS.c.model).where(_OPTIONS.c.owner == (caller.owner or _LOCAL))
        with self._engine.connect() as connection:
            found: str | None = connection.execute(query).scalar()
        return found

    def choose(self, caller: Caller, model: str) -> None:
        """Let the caller's requests use this model where they name none."""
        owner = caller.owner or _LOCAL
        with self._engine.begin() as connection:
            connection.execute(sa.delete(_OPTIONS).where(_OPTIONS.c.owner == owner))
            connection.execute(sa.insert(_OPTIONS).values(owner=owner, model=model))


def shown(shelf: Shelf) -> dict[str, Any]:
    """The options as clients read them."""
    info = shelf.info(None)
    name = shelf.chosen or DEFAULT_MODEL
    return {
        "sd_model_checkpoint": f"{name} [{info.hash}]",
        "sd_checkpoint_hash": info.hash,
        **FIXED,
    }


def model_set(asked: dict[str, Any], shelf: Shelf) -> str | None:
    """The model that a client sets; raises `ConfigError` for all else that would change."""
    notes = Notes()
    now = shown(shelf)
    for name, value in asked.items():
        if name == "sd_model_checkpoint":
            continue
        if name not in now:
            notes.refuse(name[:80], "is no option here. Leave it out.")
        elif value != now[name]:
            notes.refuse(name, f"cannot be set here; it is {now[name]!r}.")
    chosen = None
    if asked.get("sd_model_checkpoint"):
        chosen = shelf.model(str(asked["sd_model_checkpoint"]), "sd_model_checkpoint", notes)
    if notes.problems:
        raise ConfigError(notes.problems)
    return chosen
