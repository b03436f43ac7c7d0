"""What may be chosen about the engines, and the environment variables that choose it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from ninefold.core.errors import ConfigError

Device = Literal["auto", "cpu", "cuda", "mps"]

_DEVICES = ("auto", "cpu", "cuda", "mps")
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off", ""})


def _default_loras() -> Path:
    return Path.home() / ".local" / "share" / "ninefold" / "loras"


@dataclass(frozen=True)
class EngineSettings:
    """Where the models run, what may be loaded, and how much they may hold."""

    #: `auto` takes CUDA where there is one, else Apple's MPS, else the CPU.
    device: Device = "auto"
    #: Load weights that need unpickling, which runs whatever code they carry.
    allow_pickle: bool = False
    #: Fetch hub models that are not in the local cache.
    allow_download: bool = False
    #: The only folder, beside the built-in one, in which LoRA names are looked up.
    lora_dir: Path = field(default_factory=_default_loras)
    #: Gibibytes that idle diffusion models may hold together; 0 takes half of the device's memory.
    memory_gb: float = 0.0
    #: CPU threads of every engine; 0 leaves the libraries' own choice.
    threads: int = 0
    #: Make every image in a call of its own, and ask CUDA for deterministic kernels; the CPU's are
    #: at a fixed thread count anyway.
    deterministic: bool = False
    #: Most images that one diffusion call makes for requests that wait together; 0 takes as many
    #: as were measured to gain by it.
    max_batch: int = 0

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> EngineSettings:
        """Settings from `NINEFOLD_*` variables; raises `ConfigError` with every problem at once.

        Read are `NINEFOLD_DEVICE`, `NINEFOLD_ALLOW_PICKLE`, `NINEFOLD_ALLOW_DOWNLOAD`,
        `NINEFOLD_LORAS`, `NINEFOLD_MEMORY_GB`, `NINEFOLD_THREADS`, `NINEFOLD_DETERMINISTIC` and
        `NINEFOLD_MAX_BATCH`.
        """
        env = os.environ if environ is None else environ
        problems: list[str] = []
        settings = cls(
            device=_device(env, problems),
            allow_pickle=_flag(env, "NINEFOLD_ALLOW_PICKLE", problems),
            allow_download=_flag(env, "NINEFOLD_ALLOW_DOWNLOAD", problems),
            lora_dir=Path(env["NINEFOLD_LORAS"]).expanduser()
            if env.get("NINEFOLD_LORAS")
            else _default_loras(),
            memory_gb=_number(env, "NINEFOLD_MEMORY_GB", problems),
            threads=int(_number(env, "NINEFOLD_THREADS", problems)),
            deterministic=_flag(env, "NINEFOLD_DETERMINISTIC", problems),
            max_batch=int(_number(env, "NINEFOLD_MAX_BATCH", problems)),
        )
        if problems:
            raise ConfigError(problems)
        return settings


def _device(env: Mapping[str, str], problems: list[str]) -> Device:
    value = env.get("NINEFOLD_DEVICE", "auto").strip().lower() or "auto"
    if value not in _DEVICES:
        problems.append(f"NINEFOLD_DEVICE: expected one of {', '.join(_DEVICES)}, got {value!r}.")
        return "auto"
    return cast(Device, value)


def _flag(env: Mapping[str, str], name: str, problems: list[str]) -> bool:
    value = env.get(name, "").strip().lower()
    if value not in _TRUE | _FALSE:
        problems.append(f"{name}: expected 1 or 0, got {value!r}.")
    return value in _TRUE


def _number(env: Mapping[str, str], name: str, problems: list[str]) -> float:
    text = env.get(name, "").strip()
    try:
        value = float(text) if text else 0.0
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e6:
        problems.append(f"{name}: expected a number from 0, got {text!r}.")
        return 0.0
    return value
