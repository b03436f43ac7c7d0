"""Which diffusion model a reference means, and what its files say without loading it."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ninefold.core.errors import ModelError
from ninefold.engines import builtin
from ninefold.engines.diffusion import ModelInfo
from ninefold.engines.families import Family, family_of_class, family_of_keys
from ninefold.engines.hashing import read_safetensors_header, weights_hash
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
    #: The pipeline class of a folder, or the one that the keys of a file ask for.
    pipeline_class: str
    family: Family

    @property
    def is_file(self) -> bool:
        """Whether the model is a single file."""
        return self.path.is_file()

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


def describe(files: ModelFiles) -> ModelInfo:
    """What the files say of a model; a sidecar `ninefold.json` in its folder wins.

    The sidecar may hold `native_size` [width, height], `size_multiple`, `min_size`, `max_size`,
    `words`, `examples`, `hint` and `default` {`steps`, `guidance_scale`, `guidance_rescale`,
    `scheduler`}.
    Raises `ModelError` if a file of the model cannot be read.
    """
    sidecar = {} if files.is_file else _json(files.path / "ninefold.json", optional=True)
    family = files.family
    scale, multiple, native = 8, 8, family.native
    if not files.is_file:
        scale, multiple, native = _geometry(files.path, family)
    default = sidecar.get("default", {})
    try:
        width, height = (int(side) for side in sidecar.get("native_size", (native, native)))
        multiple = int(sidecar.get("size_multiple", multiple))
        smallest = -(-max(min(width, height) // 4, multiple) // multiple) * multiple
        return ModelInfo(
            name=files.name,
            hash=weights_hash(files.weights, files.path),
            native_size=(width, height),
            size_multiple=multiple,
            min_size=int(sidecar.get("min_size", smallest)),
            max_size=int(sidecar.get("max_size", 4 * max(width, height))),
            steps=int(default.get("steps", family.steps)),
            guidance_scale=float(default.get("guidance_scale", family.guidance_scale)),
            scheduler=str(default.get("scheduler", "default")),
            words=frozenset(str(word).lower() for word in sidecar.get("words", ())),
            examples=tuple(str(example) for example in sidecar.get("examples", ())),
            hint=str(sidecar.get("hint", "")),
            latent_scale=scale,
            guidance_rescale=float(default.get("guidance_rescale", 0)),
            created=max(int(path.stat().st_mtime) for path in files.weights),
        )
    except (TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"{files.name}/ninefold.json does not fit: {error}.") from error


def _folder(path: Path, name: str, settings: EngineSettings) -> ModelFiles:
    index = _json(path / "model_index.json")
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
    return ModelFiles(name, path, tuple(weights), pipeline_class, family_of_class(pipeline_class))


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
    return ModelFiles(path.stem, path, (path,), family.pipeline_class, family)


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


def _geometry(path: Path, family: Family) -> tuple[int, int, int]:
    """Latent scale, size multiple and native side in pixels, from the configs of a folder."""
    vae = _json(path / "vae" / "config.json", optional=True)
    blocks = vae.get("block_out_channels") or vae.get("decoder_block_out_channels") or [0] * 4
    scale = 2 ** (len(blocks) - 1)
    unet = _json(path / "unet" / "config.json", optional=True)
    sample = unet.get("sample_size")
    if isinstance(sample, list):
        sample = sample[0]
    native = int(sample) * scale if isinstance(sample, int) else family.native
    # Transformers join latents in patches of two.
    return scale, (scale if unet else 2 * scale), native


def _json(path: Path, *, optional: bool = False) -> Mapping[str, Any]:
    if optional and not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(
            f"{path.parent.name} is no diffusers folder: it has no {path.name}."
        ) from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path.parent.name}/{path.name} cannot be read: {error}.") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path.parent.name}/{path.name}: expected a JSON object.")
    return content
