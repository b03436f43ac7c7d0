"""What is known of a diffusion model from its files and its family, without loading it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ninefold.core.errors import ModelError
from ninefold.core.paths import ending
from ninefold.engines.configs import read_json
from ninefold.engines.control_base import control_base
from ninefold.engines.diffusion import ModelInfo
from ninefold.engines.families import Configs, Family
from ninefold.engines.hashing import weights_hash
from ninefold.engines.layouts import Component, Layout
from ninefold.engines.models import ModelFiles
from ninefold.engines.quantization import Quantization, is_left_whole
from ninefold.engines.sampler_names import canonical
from ninefold.engines.sampler_table import SchedulerKind
from ninefold.engines.schedulers import kind_of

#: Parts that paint, and parts that decode, in the order in which they are looked for.
_NETWORKS = ("unet", "transformer", "prior_prior")
_DECODERS = ("vae", "movq", "vqvae", "vqgan", "decoder_vqgan")
#: Sides that a model can be asked for, as parts and multiples of its native one.
_SMALLEST, _LARGEST = 4, 4
#: Longest side in pixels that is taken for a model's own.
_LONGEST = 1 << 17


def describe(
    files: ModelFiles, hash_of: Callable[[Sequence[Path], Path], str] = weights_hash
) -> ModelInfo:
    """What the files say of a model; a sidecar `ninefold.json` in its folder wins.

    The sidecar may hold `native_size` [width, height], `size_multiple`, `min_size`, `max_size`,
    `words`, `examples`, `hint` and `default` {`steps`, `guidance_scale`, `guidance_rescale`,
    `scheduler`}.
    Raises `ModelError` if a file of the model cannot be read, or gives sizes that no model has.
    """
    sidecar = {} if files.is_file else read_json(files.path / "ninefold.json", optional=True)
    family, configs = files.family, files.configs
    scale, native = _scale(configs, family), _native(configs, family)
    default = sidecar.get("default", {})
    try:
        width, height = (int(side) for side in sidecar.get("native_size", (native, native)))
        multiple = int(sidecar.get("size_multiple", scale * family.patch))
        smallest = -(-max(min(width, height) // _SMALLEST, multiple) // multiple) * multiple
        largest = _largest(configs, family, scale) or _LARGEST * max(width, height)
        info = ModelInfo(
            name=files.name,
            config_hash=_config_hash(files.layout, configs),
            hash=hash_of(files.weights, files.path),
            native_size=(width, height),
            size_multiple=multiple,
            min_size=int(sidecar.get("min_size", smallest)),
            max_size=int(sidecar.get("max_size", largest)),
            max_area=family.max_area,
            steps=int(default.get("steps", family.steps)),
            guidance_scale=float(default.get("guidance_scale", family.guidance.scale)),
            scheduler=canonical(str(default.get("scheduler", "default"))),
            scheduler_kind=_scheduler_kind(files.layout, configs, family),
            words=frozenset(str(word).lower() for word in sidecar.get("words", ())),
            examples=tuple(str(example) for example in sidecar.get("examples", ())),
            hint=str(sidecar.get("hint", "")),
            latent_scale=scale,
            guidance_rescale=float(default.get("guidance_rescale", 0)),
            created=max(int(path.stat().st_mtime) for path in files.weights),
            control=control_base(family, configs, files.path),
            family=family,
            recognised_by=files.recognised_by,
        )
    except (TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"{files.name}/ninefold.json does not fit: {error}.") from error
    _check_sizes(info)
    return info


def acting(scheme: Quantization, layout: Layout) -> tuple[Quantization, tuple[str, ...]]:
    """The scheme as it acts on a model, and the components on which it does not: those whose
    weights are packed in their files already."""
    networks = [item for item in layout.networks if not is_left_whole(item.name)]
    packed = tuple(item.name for item in networks if _is_packed(item))
    if scheme == "none" or not packed:
        return scheme, ()
    return ("none" if len(packed) == len(networks) else scheme), packed


def _is_packed(component: Component) -> bool:
    config = read_json(component.folder / "config.json", optional=True)
    files = {ending(path) for path in component.weights}
    return files == {".gguf"} or (component.prefix is None and "quantization_config" in config)


def _check_sizes(info: ModelInfo) -> None:
    """Raise `ModelError` for sizes in pixels that no model has."""
    sides = (*info.native_size, info.min_size, info.max_size)
    if all(0 < side <= _LONGEST for side in sides) and 0 < info.size_multiple <= _LONGEST:
        return
    width, height = info.native_size
    raise ModelError(
        f"{info.name}: its configs give a size of {width}x{height} in steps of "
        f"{info.size_multiple}, at least {info.min_size} and at most {info.max_size}: expected 1 "
        f"to {_LONGEST} pixels. Mend sample_size of its network or block_out_channels of its "
        "autoencoder (config.json), or ninefold.json where it has one; or get the model again."
    )


def _config_hash(layout: Layout, configs: Configs) -> str:
    found = {item.name: dict(configs(item.name)) for item in layout.components}
    text = json.dumps([layout.index(), found], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _scale(configs: Configs, family: Family) -> int:
    """Pixels a side of one position of the latents."""
    vae = _first(configs, _DECODERS)
    for key in ("spatial_compression_ratio", "scale_factor_spatial"):
        if isinstance(vae.get(key), int):
            return int(vae[key])
    if isinstance(halvings := vae.get("temperal_downsample"), list):
        return int(2 ** len(halvings))
    for key in ("encoder_block_out_channels", "block_out_channels", "decoder_block_out_channels"):
        if isinstance(blocks := vae.get(key), list) and blocks:
            return int(2 ** (len(blocks) - 1))
    return family.latent_scale


def _scheduler_kind(layout: Layout, configs: Configs, family: Family) -> SchedulerKind:
    """By the scheduler that the model is loaded with, else by its family."""
    scheduler = layout.component("scheduler")
    if family.scheduler == "own" or scheduler is None:
        return family.scheduler
    return kind_of(scheduler.class_name, configs("scheduler"))


def _native(configs: Configs, family: Family) -> int:
    """The side in pixels that the model was trained at."""
    sample = _first(configs, _NETWORKS).get("sample_size") if family.sample_size else None
    if isinstance(sample, list) and sample:
        sample = sample[0]
    return sample * _scale(configs, family) if isinstance(sample, int) else family.native


def _largest(configs: Configs, family: Family, scale: int) -> int:
    """The longest side in pixels whose positions the network knows; 0 where it knows no limit."""
    patches = _first(configs, _NETWORKS).get(family.positions) if family.positions else None
    if not isinstance(patches, int):
        return 0
    return int(patches**0.5 if family.positions_are_area else patches) * family.patch * scale


def _first(configs: Configs, parts: tuple[str, ...]) -> Mapping[str, Any]:
    """The config of the first of `parts` that has one."""
    return next((config for part in parts if (config := configs(part))), {})
