"""`ninefold doctor`: what there is at a glance, what is missing, and how to get it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ninefold._version import __version__
from ninefold.catalogue import other_models, plugins
from ninefold.cli.guard import DONE, FAILED
from ninefold.core.errors import ConfigError, ModelError, StorageError
from ninefold.core.json_text import json_text
from ninefold.core.paths import expand_home
from ninefold.core.settings import read_settings
from ninefold.engines import builtin
from ninefold.engines.defaults import build_engines
from ninefold.engines.references import HubName, LocalPath
from ninefold.files.manifest_store import KEYS, MANIFESTS, ManifestStore
from ninefold.jobs.database import database_url, inspect_database, shown
from ninefold.settings import Settings

if TYPE_CHECKING:  # cryptography takes its time
    from ninefold.files.signing.certificates import Chain

#: Libraries of which the version is worth knowing; a test holds them against pyproject.toml.
LIBRARIES = (
    *("torch", "diffusers", "transformers", "peft", "onnxruntime", "safetensors", "numpy"),
    *("c2pa-python", "cryptography"),
    *("pillow", "pydantic", "dbos", "sqlalchemy", "alembic", "psycopg", "fastapi", "uvicorn"),
)
#: What an extra brings, by a package of it.
EXTRAS = {
    "control": "opencv-python-headless",
    "gguf": "gguf",
    "otel": "opentelemetry-sdk",
    "quantization": "bitsandbytes",
    "samplers": "scipy",
    "spandrel": "spandrel",
    "training": "onnxscript",
}
#: Bytes that a job of a large image takes, with what the database writes beside itself.
_LEAST_FREE = 200 * 2**20
#: Seconds that the driver's own program may take.
_DRIVER_TIMEOUT = 10


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    section: str
    name: str
    found: str
    #: How to get what is missing; None where all is well.
    remedy: str | None = None
    #: Whether ninefold cannot do its work without.
    needed: bool = True

    @property
    def missing(self) -> bool:
        """Whether something is missing that is needed."""
        return self.needed and self.remedy is not None


def examine(
    settings_file: Path | None,
    data: Path | None,
    database: str | None,
    ask_torch: bool,
    as_json: bool,
) -> int:
    """Print what was found; `FAILED` where something needed is missing. Imports no torch, unless
    `ask_torch` says so."""
    findings = list(_findings(settings_file, data, database, ask_torch))
    missing = [finding for finding in findings if finding.missing]
    if as_json:
        document = {"ok": not missing, "findings": [asdict(finding) for finding in findings]}
        typer.echo(json_text(document, indent=2))
        return FAILED if missing else DONE
    for section, group in groupby(findings, lambda finding: finding.section):
        typer.echo(section)
        for finding in group:
            typer.echo(f"  {finding.name:<14} {finding.found}")
            if finding.remedy is not None:
                typer.echo(
                    f"  {'':<14} {'missing' if finding.missing else 'note'}: {finding.remedy}"
                )
    typer.echo(f"\n{len(missing)} missing" if missing else "\nall that is needed is there")
    return FAILED if missing else DONE


def _findings(
    file: Path | None, data: Path | None, database: str | None, ask_torch: bool
) -> Iterator[Finding]:
    yield from _versions()
    try:
        settings = read_settings(Settings, file=file, flags={"data": data})
    except ConfigError as error:
        for problem in error.problems:
            yield Finding("settings", "settings", "cannot be used", problem)
        settings = read_settings(Settings, environ={}, flags={"data": data})
    yield from _device(settings, ask_torch)
    yield from _memory()
    yield from _models(settings)
    for plugin in plugins():
        found = f"{plugin.package} {plugin.version}, {plugin.what} {plugin.value}"
        yield Finding("plugins", plugin.name, found, plugin.problem, needed=False)
    yield from _folders(settings)
    yield from _signing(settings)
    yield from _database(settings, database)


def _versions() -> Iterator[Finding]:
    yield Finding("versions", "ninefold", __version__)
    yield Finding("versions", "python", f"{platform.python_version()} on {platform.platform()}")
    for name in LIBRARIES:
        found = _version(name)
        remedy = f"pip install {name}" if found is None else None
        yield Finding("versions", name, found or "not installed", remedy)
    for extra, name in EXTRAS.items():
        found = _version(name)
        remedy = f"for {extra}: pip install 'ninefold[{extra}]'" if found is None else None
        yield Finding("versions", name, found or "not installed", remedy, needed=False)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _device(settings: Settings, ask_torch: bool) -> Iterator[Finding]:
    cards = _cards()
    yield Finding("device", "setting", f"device={settings.device}, dtype={settings.dtype}")
    yield Finding("device", "cpu", f"{os.cpu_count()} cores, {platform.machine()}")
    lacks = settings.device == "cuda" and not cards
    remedy = "install NVIDIA's driver, or set NINEFOLD_DEVICE=auto" if lacks else None
    yield Finding("device", "nvidia", "; ".join(cards) or "no card", remedy)
    if not ask_torch:
        yield Finding("device", "torch", "not asked; --torch does, in some seconds")
        return
    from ninefold.engines.devices import choose_device

    try:
        yield Finding("device", "torch", f"runs models on {choose_device(settings).name}")
    except (ModelError, ImportError) as error:
        yield Finding("device", "torch", "cannot be used", str(error))


def _cards() -> list[str]:
    """NVIDIA's cards as their driver lists them: name, memory, driver."""
    if (program := shutil.which("nvidia-smi")) is None:
        return []
    command = [program, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_DRIVER_TIMEOUT, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.strip().splitlines()


def _memory() -> Iterator[Finding]:
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        total, free = (os.sysconf(name) * page for name in ("SC_PHYS_PAGES", "SC_AVPHYS_PAGES"))
    except (ValueError, OSError):
        return
    yield Finding("memory", "main", f"{_gib(total)} in all, {_gib(free)} free")


def _models(settings: Settings) -> Iterator[Finding]:
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
    for kind, names in other_models(build_engines(settings)).items():
        yield Finding("models", kind, ", ".join(names) or "none")


def _folders(settings: Settings) -> Iterator[Finding]:
    folder = settings.data.absolute()
    # Asked of `os.path`, which answers no where it may not look or the name cannot be one.
    parent = next(place for place in (folder, *folder.parents) if os.path.exists(place))
    free = shutil.disk_usage(parent).free
    there = f"{'' if parent == folder else 'not there yet; '}{_gib(free)} free"
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


def _signing(settings: Settings) -> Iterator[Finding]:
    """The key of published files; its folder is left as it is."""
    from ninefold.files.signing.keys import (
        FileKey,
        chain_of,
        key_for,
        key_problems,
        readable_by_others,
    )
    from ninefold.files.signing.self_made import SelfMadeKey

    key = key_for(settings, settings.marks_folder / KEYS)
    problem = next(key_problems(key), None)
    if isinstance(key, SelfMadeKey):
        chain = None if problem else key.existing
        made = "none yet; the first signed file makes one" if chain is None else _named(chain)
        note = "readers trust only a certificate of your own, in NINEFOLD_SIGN_CERTIFICATE"
        found = "cannot be used" if problem else f"{made}; self-made, which nobody trusts"
        yield Finding("signing", "certificate", found, problem or note, needed=bool(problem))
    elif problem is not None:
        yield Finding("signing", "certificate", "cannot sign", problem)
    else:
        yield Finding("signing", "certificate", _named(chain_of(key)))
    if isinstance(key, FileKey):
        loose = readable_by_others(key.key_file)
        found = "others may read it" if loose else "for its owner alone"
        remedy = f"chmod 600 {key.key_file}" if loose else None
        yield Finding("signing", "key", f"{key.key_file}: {found}", remedy, needed=False)
    stamps = "none; set NINEFOLD_TIMESTAMP_URL for signatures that outlive the certificate"
    if settings.timestamp_url is not None:
        stamps = f"{settings.timestamp_url}, {settings.timestamp_policy}"
    yield Finding("signing", "time stamps", stamps)
    folder = settings.marks_folder / MANIFESTS
    kept = sum(1 for _ in ManifestStore(folder).identifiers())
    yield Finding("signing", "manifests", f"of {kept} published images, in {folder}")


def _named(chain: Chain) -> str:
    return f"{chain.subject}, until {chain.expires:%Y-%m-%d}"


def _database(settings: Settings, database: str | None) -> Iterator[Finding]:
    try:
        url = database_url(settings.data.absolute(), database or settings.database)
    except ConfigError as error:
        yield Finding("folders", "database", "cannot be used", str(error))
        return
    try:
        yield Finding("folders", "database", f"{shown(url)}: {inspect_database(url)}")
    except StorageError as error:
        yield Finding("folders", "database", shown(url), str(error))


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
