"""What may be missing around this server, for admins: looked at when asked, once for all."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ninefold.core.errors import ConfigError
from ninefold.engines.engine_set import EngineSet
from ninefold.files.scrub import scrub_text
from ninefold.health.checks import server_checks
from ninefold.health.findings import Check, Finding
from ninefold.jobs.database import database_url, shown
from ninefold.settings import Settings

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HealthReport:
    """What one run found."""

    findings: Sequence[Finding]
    #: When it ended, in seconds since the epoch.
    checked_at: float
    #: How long it took.
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether nothing is missing that is needed."""
        return not any(finding.missing for finding in self.findings)


class HealthChecks:
    """The checks of one server; used on its event loop alone."""

    def __init__(
        self,
        settings: Settings,
        engines: EngineSet,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` says how old a report is."""
        self._settings, self._engines, self._clock = settings, engines, clock
        self._more: dict[str, Check] = {}
        self._last: tuple[HealthReport, float] | None = None
        self._running: asyncio.Task[HealthReport] | None = None

    def add(self, name: str, check: Check) -> None:
        """Have one more made, after the others."""
        self._more[name] = check

    async def report(self, max_age: float) -> HealthReport:
        """The last report, where it is younger than `max_age` seconds; else that of a run, which
        may have begun already for another. A run goes on though who asked for it goes away."""
        if self._last is not None and self._clock() - self._last[1] < max_age:
            return self._last[0]
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        return await asyncio.shield(self._running)

    async def close(self) -> None:
        """Wait for no run any more."""
        if self._running is not None:
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running

    async def _run(self) -> HealthReport:
        began = self._clock()
        findings = await asyncio.to_thread(lambda: list(self._findings()))
        ended = self._clock()
        self._last = HealthReport(findings, time.time(), ended - began), ended
        return self._last[0]

    def _findings(self) -> Iterator[Finding]:
        hide = _hider(_places(self._settings, self._engines))
        for finding in self._checked():
            yield replace(
                finding,
                name=hide(finding.name),
                found=hide(finding.found),
                remedy=None if finding.remedy is None else hide(finding.remedy),
            )

    def _checked(self) -> Iterator[Finding]:
        checks = {**server_checks(self._settings, self._engines), **self._more}
        for name, check in checks.items():
            try:
                yield from list(check())
            except Exception:  # the others tell all the same
                _log.exception("GET /v1/system/checks: the check of %s failed", name)
                yield Finding("checks", name, "could not be checked", "see the server's log")


def _places(settings: Settings, engines: EngineSet) -> Mapping[str, str]:
    """What is called otherwise over the network: folders of the settings, and the database."""
    names: dict[Path | None, str] = {
        settings.marks_folder: "the marks folder",
        settings.loras: "the LoRA folder",
        settings.wildcards: "the wildcards folder",
        settings.sign_key: "the signing key",
        settings.sign_certificate: "the signing certificate",
        engines.signing.sign_key: "the signing key",
        engines.signing.sign_certificate: "the signing certificate",
    }
    names |= {folder: f"model folder {n}" for n, folder in enumerate(settings.model_folders, 1)}
    names[settings.data] = "the data folder"  # the marks may lie there, too
    found = {str(path.absolute()): name for path, name in names.items() if path is not None}
    found |= {
        str(Path(named)): f"components {number}"
        for number, named in enumerate(settings.components, 1)
        if Path(named).is_absolute()
    }
    with suppress(ConfigError):
        found[shown(database_url(settings.data.absolute(), settings.database))] = "the database"
    return found


def _hider(places: Mapping[str, str]) -> Callable[[str], str]:
    """What names places as they are to be called, and leaves out any other path and secret."""
    longest_first = sorted(places, key=len, reverse=True)
    either = "|".join(re.escape(place) for place in longest_first)
    known = re.compile(rf"(?<![\w.-])(?:{either})(?![\w-])")

    def hide(text: str) -> str:
        return scrub_text(known.sub(lambda match: places[match[0]], text))

    return hide
