"""Versions of libraries, devices and memory."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from importlib import metadata

from ninefold._version import __version__
from ninefold.core.errors import ModelError
from ninefold.engines.settings import EngineSettings
from ninefold.health.findings import Finding, gib

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
#: Seconds that the driver's own program may take.
_DRIVER_TIMEOUT = 10


def check_versions() -> Iterator[Finding]:
    """ninefold, Python, the libraries, and what extras bring."""
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


def check_device(settings: EngineSettings) -> Iterator[Finding]:
    """Where models would run, without asking torch."""
    found = cards()
    yield Finding("device", "setting", f"device={settings.device}, dtype={settings.dtype}")
    yield Finding("device", "cpu", f"{os.cpu_count()} cores, {platform.machine()}")
    lacks = settings.device == "cuda" and not found
    remedy = "install NVIDIA's driver, or set NINEFOLD_DEVICE=auto" if lacks else None
    yield Finding("device", "nvidia", "; ".join(found) or "no card", remedy)


def check_torch(settings: EngineSettings) -> Iterator[Finding]:
    """Where torch runs models; imports it, which takes seconds the first time."""
    from ninefold.engines.devices import device_name

    try:
        yield Finding("device", "torch", f"runs models on {device_name(settings)}")
    except (ModelError, ImportError) as error:
        yield Finding("device", "torch", "cannot be used", str(error))


def check_threads(settings: EngineSettings) -> Iterator[Finding]:
    """Whether the engines' threads fit the cores that this process may use."""
    cores, threads = _usable_cores(), settings.threads
    remedy = None
    if threads > cores:
        remedy = f"set NINEFOLD_THREADS to {cores} or less: more threads than cores are slower"
    found = f"{threads or 'as many as the libraries choose'}, on {cores} cores"
    yield Finding("device", "threads", found, remedy, needed=False)


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # Linux; a container may have fewer than the machine
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cards() -> list[str]:
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


def check_memory() -> Iterator[Finding]:
    """Main memory."""
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        total, free = (os.sysconf(name) * page for name in ("SC_PHYS_PAGES", "SC_AVPHYS_PAGES"))
    except (ValueError, OSError):
        return
    yield Finding("memory", "main", f"{gib(total)} in all, {gib(free)} free")
