"""Models that ship, that the settings name and that are at hand, and plugins."""

from __future__ import annotations

from collections.abc import Iterator

from ninefold.catalogue import other_models, plugins
from ninefold.core.errors import ModelError
from ninefold.core.paths import expand_home
from ninefold.engines import builtin
from ninefold.engines.engine_set import EngineSet
from ninefold.health.findings import Finding
from ninefold.settings import Settings


def check_models(settings: Settings) -> Iterator[Finding]:
    """Whether the models that ship are whole, and those that requests may name are there."""
    try:
        for name, problem in builtin.check_all():
            yield Finding("models", name, "damaged" if problem else "as it shipped", problem)
    except ModelError as error:
        yield Finding("models", "built-in", "cannot be read", str(error))
    for name in settings.models:
        path = expand_home(name)
        if path.exists():
            yield Finding("models", name, "at hand")
        else:
            found = "no file or folder; taken for the name of a model on the hub"
            yield Finding("models", name, found, needed=False)


def name_other_models(engines: EngineSet) -> Iterator[Finding]:
    """All that is at hand beside diffusion models, by name."""
    for kind, names in other_models(engines).items():
        yield Finding("models", kind, ", ".join(names) or "none")


def count_other_models(engines: EngineSet) -> Iterator[Finding]:
    """How many are at hand beside diffusion models, by kind."""
    for kind, names in other_models(engines).items():
        yield Finding("models", kind, str(len(names)) if names else "none")


def check_plugins() -> Iterator[Finding]:
    """What installed packages add."""
    for plugin in plugins():
        found = f"{plugin.package} {plugin.version}, {plugin.what} {plugin.value}"
        yield Finding("plugins", plugin.name, found, plugin.problem, needed=False)
