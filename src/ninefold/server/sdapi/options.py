"""The options that a client may read and set: each key has its own, kept with the jobs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from ninefold.engines.hashing import SHORT_HASH
from ninefold.jobs.tables import TABLES
from ninefold.server.callers import Caller
from ninefold.server.sdapi.model_catalog import ModelCatalog, RequestIssues
from ninefold.slots import resolve_model

_OPTIONS = sa.Table(
    "ninefold_sdapi_options",
    TABLES,
    sa.Column("owner", sa.String(32), primary_key=True),
    sa.Column("model", sa.String(200), nullable=False),
)
_KEPT = sa.Table(
    "ninefold_sdapi_kept",
    TABLES,
    sa.Column("owner", sa.String(32), primary_key=True),
    sa.Column("name", sa.String(80), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
#: The owner of what came without a key: a primary key holds no NULL.
_LOCAL = ""
#: Options that are read by clients and cannot be set to anything else.
FIXED: dict[str, Any] = {
    "sd_vae": "Automatic",
    "CLIP_stop_at_last_layers": 1,
    "samples_format": "png",
    "return_grid": False,
    "live_previews_enable": True,
    "live_previews_image_format": "jpeg",
    "show_progress_every_n_steps": 1,
    "img2img_fix_steps": False,
    "eta_noise_seed_delta": 0,
}
#: Options of A1111's own form and folders, which no image hangs on: kept as a client sets them.
KEPT: dict[str, Any] = {
    "send_seed": True,
    "send_size": True,
    "samples_save": True,
    "grid_save": True,
    "save_images_add_number": True,
    "save_txt": False,
    "do_not_show_images": False,
    "js_modal_lightbox": True,
    "show_progressbar": True,
    "show_progress_in_title": True,
    "add_model_name_to_info": True,
    "add_version_to_infotext": True,
    "api_enable_requests": False,
}


@dataclass(frozen=True)
class Changes:
    """What a client sets: its model, and options to be kept."""

    model: str | None = None
    kept: Mapping[str, Any] = field(default_factory=dict)


class Options:
    """What clients have chosen; every method blocks."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def model(self, caller: Caller) -> str | None:
        """The model that the caller has chosen."""
        query = sa.select(_OPTIONS.c.model).where(_OPTIONS.c.owner == (caller.owner or _LOCAL))
        with self._engine.connect() as connection:
            found: str | None = connection.execute(query).scalar()
        return found

    def kept(self, caller: Caller) -> dict[str, Any]:
        """The options that were kept for the caller."""
        query = sa.select(_KEPT.c.name, _KEPT.c.value).where(
            _KEPT.c.owner == (caller.owner or _LOCAL)
        )
        with self._engine.connect() as connection:
            return {name: json.loads(value) for name, value in connection.execute(query)}

    def change(self, caller: Caller, changes: Changes) -> None:
        """Let the caller's requests use this model where they name none, and keep the rest."""
        owner = caller.owner or _LOCAL
        with self._engine.begin() as connection:
            if changes.model is not None:
                connection.execute(sa.delete(_OPTIONS).where(_OPTIONS.c.owner == owner))
                connection.execute(sa.insert(_OPTIONS).values(owner=owner, model=changes.model))
            for name, value in changes.kept.items():
                mine = (_KEPT.c.owner == owner) & (_KEPT.c.name == name)
                connection.execute(sa.delete(_KEPT).where(mine))
                row = {"owner": owner, "name": name, "value": json.dumps(value)}
                connection.execute(sa.insert(_KEPT).values(row))


def shown(catalog: ModelCatalog, kept: Mapping[str, Any]) -> dict[str, Any]:
    """The options as clients read them."""
    info = catalog.info(None)
    name = resolve_model(catalog.chosen)
    return {
        "sd_model_checkpoint": f"{name} [{info.hash[:SHORT_HASH]}]",
        "sd_checkpoint_hash": info.hash[:SHORT_HASH],
        **FIXED,
        **KEPT,
        **{name: value for name, value in kept.items() if name in KEPT},
    }


def options_set(asked: Mapping[str, Any], catalog: ModelCatalog) -> Changes:
    """What a client sets; raises `ConfigError` for what cannot be set."""
    issues = RequestIssues()
    now = shown(catalog, {})
    kept: dict[str, Any] = {}
    for name, value in asked.items():
        if name == "sd_model_checkpoint" or value is None:
            continue
        if name not in now:
            issues.refuse(name[:80], "is no option here. Leave it out.")
        elif name not in KEPT and value != now[name]:
            issues.refuse(name, f"cannot be set here; it is {now[name]!r}.")
        elif name in KEPT and not isinstance(value, bool):
            issues.refuse(name, f"expected true or false, got {str(value)[:80]!r}.")
        elif name in KEPT:
            kept[name] = value
    model = None
    if asked.get("sd_model_checkpoint"):
        model = catalog.model(str(asked["sd_model_checkpoint"]), "sd_model_checkpoint", issues)
    issues.check()
    return Changes(model, kept)
