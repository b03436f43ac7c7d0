"""The secrets that sign: one for each API key, from the settings' master or the database's."""

from __future__ import annotations

from ninefold.server.keys import Keys
from ninefold.server.webhooks import signing
from ninefold.settings import Settings

#: What the master is called in the database.
_NAME = "webhooks"


def secrets_of(settings: Settings, keys: Keys, owner: str | None) -> tuple[str, ...]:
    """The secrets that sign for an API key, the present one first; reads the database."""
    given = (settings.webhook_secret, settings.webhook_secret_old)
    masters = [master.get_secret_value().encode() for master in given if master is not None]
    return tuple(signing.derive(master, owner) for master in masters or [keys.secret(_NAME)])
