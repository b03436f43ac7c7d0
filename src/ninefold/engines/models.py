"""Which diffusion model a reference means, and the files that it is made of."""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path

from ninefold.core.errors import ModelError
from ninefold.engines import builtin
from ninefold.engines.configs import folder_configs, no_configs, read_json
from ninefold.engines.families import Configs, Family, family_of_class, family_of_keys
from ninefold.engines.hashing import read_safetensors_header
from ninefold.engines.settings import EngineSettings

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
#: Files of a folder, beside its weights, that a description is read from.
_DESCRIBED_BY = ("model_index.json", "ninefold.json")
_PICKLES = frozenset({".bin", ".ckpt", ".pt", ".pth", ".pkl"})


@dataclass(frozen=True)
class ModelFiles:
    """A model at hand: a diffusers folder, or a single checkpoint file."""

    #: As metadata names it; never an absolute path.
    name: str
    path: Path
    weights: tuple[Path, ...]
    #: The pipeline class that it is loaded as.
    pipeline_class: str
    #: As it is for this model, and what of that its class does not tell; empty for nothing.
    family: Family
    told_by: str = ""

    @property
    def is_file(self) -> bool:
        """Whether the model is a single file."""
        return self.path.is_file()

    @property
    def configs(self) -> Configs:
        """What is known of its parts."""
        return no_configs if self.is_file else folder_configs(self.path)

    def signature(self) -> Hashable:
        """Equal for as long as no file that makes up the model, or describes it, has changed."""
        described = () if self.is_file else tuple(self.path / name for name in _DESCRIBED_BY)
        files = (*described, *self.weights)
        folders = sorted({path.parent for path in files})
        return (str(self.path), *map(_stat, folders), *map(_stat, files))


def builtin_models(root: Path = builtin.ROOT) -> tuple[str, ...]:
    """Names of the diffusion models that ship."""
    return tuple(sorted(path.parent.name for path in root.glob("*/model_index.json")))


def is_diffusers_model(reference: str, root: Path = builtin.ROOT) -> bool:
    """Whether `resolve` would look for it: by its name alone, and whether it is a folder or a file
    of the kind that diffusers reads."""
    path = Path(reference).expanduser()
    if reference in builtin_models(root):
        return True
    if path.is_dir():
        return (path / "model_index.json").is_file()
    if path.is_file():
        return path.suffix == ".safetensors" or path.suffix in _PICKLES
    return _HUB_NAME.fullmatch(reference) is not None


def resolve(reference: str, settings: EngineSettings, root: Path = builtin.ROOT) -> ModelFiles:
    """Find a model: a built-in name, a folder, a `.safetensors` file, or a hub name.

    Raises `ModelError` that says what was tried and what would help.
    """
    if reference in builtin_models(root):
        files = _folder(root / reference, reference, settings)
        for path in files.weights:
            builtin.verify(path, root)
        return files
    path = Path(reference).expanduser()
    if path.is_dir():
        return _folder(path, path.resolve().name, settings)
    if path.is_file():
        return _file(path, settings)
    if _HUB_NAME.fullmatch(reference):
        return _folder(_hub_folder(reference, settings), reference, settings)
    if reference == "poster":
        raise builtin.missing("model 'poster'")
    raise ModelError(
        f"No model {reference!r}: expected a built-in name ({', '.join(builtin_models(root))}), "
        "a diffusers folder, a .safetensors file, or a hub name such as owner/name."
    )


def _folder(path: Path, name: str, settings: EngineSettings) -> ModelFiles:
    index = read_json(path / "model_index.json")
    pipeline_class = index.get("_class_name")
    if not isinstance(pipeline_class, str):
        raise ModelError(
            f"{name}: model_index.json names no diffusers pipeline class, or one with code of its "
            "own, which is not run. Use a model whose class is part of diffusers."
        )
    parts = [key for key, value in index.items() if isinstance(value, list) and value[0]]
    weights: list[Path] = []
    for part in parts:
        weights += _weights(path / part, f"{name}/{part}", settings)
    if not weights:
        raise ModelError(f"{name}: the folder holds no weights. Download the model again.")
    family, told_by = family_of_class(pipeline_class).for_model(folder_configs(path), name)
    loads = family.loads or pipeline_class
    return ModelFiles(name, path, tuple(weights), loads, family, told_by)


def _weights(folder: Path, name: str, settings: EngineSettings) -> list[Path]:
    if not folder.is_dir():
        return []
    files = sorted(path for path in folder.iterdir() if path.is_file())
    safe = [path for path in files if path.suffix == ".safetensors"]
    if safe:
        return safe
    pickles = [path for path in files if path.suffix in _PICKLES]
    if pickles and not settings.allow_pickle:
        raise _pickle_refused(f"{name}/{pickles[0].name}")
    return pickles


def _file(path: Path, settings: EngineSettings) -> ModelFiles:
    if path.suffix in _PICKLES:
        if not settings.allow_pickle:
            raise _pickle_refused(path.name)
        family = family_of_keys(())
    elif path.suffix == ".safetensors":
        family = family_of_keys(read_safetensors_header(path)[0])
    else:
        raise ModelError(
            f"{path.name} is no model file: expected .safetensors, or a diffusers folder."
        )
    family, told_by = family.for_model(no_configs, path.stem)
    return ModelFiles(path.stem, path, (path,), family.loads, family, told_by)


def _hub_folder(reference: str, settings: EngineSettings) -> Path:
    from huggingface_hub import snapshot_download

    try:
        # Safetensors and configs alone: pickles and the single-file twins of a model stay away.
        return Path(
            snapshot_download(
                reference,
                local_files_only=not settings.allow_download,
                allow_patterns=["*.json", "*.txt", "*/*.safetensors", "*/*.model"]
                + (["*/*.bin"] if settings.allow_pickle else []),
            )
        )
    except Exception as error:  # the hub's many errors all mean that the model cannot be had
        remedy = (
            "Check the name, the network and, for a gated model, HF_TOKEN."
            if settings.allow_download
            else "Set NINEFOLD_ALLOW_DOWNLOAD=1 to fetch it, or name a local folder."
        )
        raise ModelError(
            f"The hub model {reference!r} is not at hand ({type(error).__name__}). {remedy}"
        ) from error


def _stat(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return (stat.st_size, stat.st_mtime_ns)


def _pickle_refused(name: str) -> ModelError:
    return ModelError(
        f"{name} needs unpickling, which can run any code, so it is refused. Use a .safetensors "
        "version, or set NINEFOLD_ALLOW_PICKLE=1 if you trust its source."
    )
