"""What installed packages add to ninefold, by entry points: found, loaded, and why it cannot be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from ninefold.core.errors import ContractError


@dataclass(frozen=True)
class Plugin:
    """One thing that a package offers."""

    #: `stage` or `engine`.
    what: str
    name: str
    #: Where it is: `package.module:Name`.
    value: str
    package: str
    version: str
    #: Why it cannot be used; None where it can.
    problem: str | None = None

    def __str__(self) -> str:
        return f"plugin {self.what} {self.name!r} ({self.value})"

    @property
    def report(self) -> str:
        """The line that says what is wrong with it."""
        return f"{self}: {self.problem}"


def load_plugins(
    what: str, taken: Mapping[str, object], check: Callable[[Any], object]
) -> tuple[dict[str, Any], list[Plugin]]:
    """What packages offer in the group `ninefold.{what}s`: by name what can be used, and all of it.

    One that cannot be loaded, that bears a name that is `taken` or the name of another, or that
    `check` refuses with a `ContractError`, takes no other with it.
    """
    found: dict[str, Any] = {}
    plugins: list[Plugin] = []
    for point in sorted(entry_points(group=f"ninefold.{what}s"), key=_order):
        problem: str | None = None
        try:
            found[point.name] = _loaded(point, {**taken, **found}, check)
        except ContractError as error:
            problem = str(error)
        package, version = _package(point)
        plugins.append(Plugin(what, point.name, point.value, package, version, problem))
    return found, plugins


def _loaded(point: EntryPoint, taken: Mapping[str, object], check: Callable[[Any], object]) -> Any:
    """What is behind an entry point; raises `ContractError`."""
    if point.name in taken:
        owner = getattr(taken[point.name], "__module__", "another")
        raise ContractError(f"the name is taken by {owner}.")
    try:
        thing = point.load()
    except ContractError:
        raise
    except (Exception, SystemExit) as error:
        raise ContractError(f"cannot be loaded: {error!r}.") from error
    check(thing)
    if thing.name != point.name:
        raise ContractError(f"its class calls itself {thing.name!r}.")
    return thing


def _order(point: EntryPoint) -> tuple[str, str, str]:
    return point.name, _package(point)[0], point.value


def _package(point: EntryPoint) -> tuple[str, str]:
    """Name and version of the distribution that offers it."""
    return (point.dist.name, point.dist.version) if point.dist is not None else ("", "")
