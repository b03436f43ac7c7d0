"""Networks of control models: loaded once for each number format, and held while a call runs."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ninefold.core.errors import ModelError
from ninefold.core.paths import ending
from ninefold.engines.control import CONTROL
from ninefold.engines.control_files import CONFIG_FILE, ControlFiles
from ninefold.engines.devices import DeviceChoice
from ninefold.engines.hashing import check_unchanged
from ninefold.engines.ip_adapters import image_encoder_folder, read_ip_adapter
from ninefold.engines.loading import LOADING, quiet
from ninefold.engines.residency import ModelKey
from ninefold.engines.resources import EngineResources
from ninefold.engines.unet_control import is_original
from ninefold.engines.weight_headers import read_safetensors

_WEIGHTS_NAME = "diffusion_pytorch_model.safetensors"
#: Parts that a ControlNet of Z-Image takes from the model that it steers.
_BORROWED = {
    "ZImageControlNetModel": (
        "t_embedder", "all_x_embedder", "cap_embedder", "rope_embedder",
        "noise_refiner", "context_refiner", "x_pad_token", "cap_pad_token",
    )
}  # fmt: skip


@dataclass
class ControlNetwork:
    """A loaded control model."""

    files: ControlFiles
    #: The network, or the tensors of an IP-Adapter as diffusers takes them.
    network: Any
    #: Of an IP-Adapter: what it looks at images through, and what prepares them.
    image_encoder: Any = None
    image_processor: Any = None
    encoder_folder: Path | None = None

    def size_bytes(self) -> int:
        """Bytes of all parameters and buffers."""
        return sum(tensor.numel() * tensor.element_size() for tensor in self._tensors())

    def move_to(self, device: str) -> None:
        """Put the networks on a device; nothing where they are there."""
        for module in (self.network, self.image_encoder):
            if hasattr(module, "parameters"):
                module.to(device)

    def give_back(self) -> None:
        """Let go of what belongs to the model that was steered."""
        for name in _BORROWED.get(self.files.info.network, ()):
            setattr(self.network, name, None)

    def _tensors(self) -> Iterator[Any]:
        if isinstance(self.network, dict):
            for part in self.network.values():
                yield from part.values()
        for module in (self.network, self.image_encoder):
            if hasattr(module, "parameters"):
                yield from (*module.parameters(), *module.buffers())


@contextmanager
def held_networks(
    files: Sequence[ControlFiles], dtype: str, resources: EngineResources
) -> Iterator[Sequence[ControlNetwork]]:
    """The networks of control models, loaded where they are not, this thread's alone.

    Raises `ModelError` that says what is wrong with one.
    """
    device = resources.device
    keys = {
        item.path: ModelKey(
            CONTROL.model, item.name, (item.signature(), dtype, item.path), device.name
        )
        for item in files
    }
    held: dict[Path, ControlNetwork] = {}
    with ExitStack() as stack:
        # In one order everywhere, so that no two threads wait for one another.
        for item in sorted({item.path: item for item in files}.values(), key=lambda f: str(f.path)):
            load = partial(_load, item, dtype, device, resources)
            use = resources.residency.use(keys[item.path], load, ControlNetwork.size_bytes)
            held[item.path] = network = stack.enter_context(use)
            network.move_to(device.name)  # a call that offloads leaves it in the host's memory
            stack.callback(network.give_back)
        yield [held[item.path] for item in files]


def _load(
    files: ControlFiles, dtype: str, device: DeviceChoice, resources: EngineResources
) -> ControlNetwork:
    import torch

    kind = getattr(torch, dtype)
    with LOADING, quiet(), warnings.catch_warnings():
        # diffusers' ControlNet for FLUX.1 uses what diffusers says to use no more.
        warnings.filterwarnings("ignore", "`FluxPosEmbed`", FutureWarning)
        try:
            if files.info.kind == "ip_adapter":
                loaded = _ip_adapter(files, kind, device.name, resources.settings.control)
            else:
                loaded = ControlNetwork(files, _network(files, kind).to(device.name).eval())
        except ModelError:
            raise
        except Exception as error:  # every reader below raises types of its own
            first = (str(error).strip().splitlines() or [""])[0][:200]
            raise ModelError(
                f"{files.name} cannot be loaded ({type(error).__name__}: {first}). Download or "
                "convert the control model again."
            ) from error
    check_unchanged(files.name, files.info.hash, files.hash_now())
    return loaded


def _network(files: ControlFiles, dtype: Any) -> Any:
    import diffusers

    network_class = getattr(diffusers, files.info.network)
    options: dict[str, Any] = {"torch_dtype": dtype, "local_files_only": True}
    if files.path.is_dir():
        safe = all(ending(path) == ".safetensors" for path in files.weights)
        variant = {"variant": "fp16"} if all(".fp16." in p.name for p in files.weights) else {}
        return network_class.from_pretrained(
            str(files.path), use_safetensors=safe, **variant, **options
        )
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / CONFIG_FILE).write_text(json.dumps(dict(files.config)), encoding="utf-8")
        if is_original(read_safetensors(files.path).shapes):
            return network_class.from_single_file(str(files.path), config=name, **options)
        (folder / _WEIGHTS_NAME).symlink_to(files.path.absolute())
        return network_class.from_pretrained(name, use_safetensors=True, **options)


def _ip_adapter(files: ControlFiles, dtype: Any, device: str, extra: Path) -> ControlNetwork:
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionModelWithProjection,
        SiglipImageProcessor,
        SiglipVisionModel,
    )

    folder = image_encoder_folder(files.name, files.path, extra)
    siglip = "StableDiffusion3" in files.info.bases
    encoder_class: Any = SiglipVisionModel if siglip else CLIPVisionModelWithProjection
    encoder = encoder_class.from_pretrained(str(folder), dtype=dtype, local_files_only=True)
    side = encoder.config.image_size
    processor: Any
    if (folder / "preprocessor_config.json").is_file():
        processor_class: Any = SiglipImageProcessor if siglip else CLIPImageProcessor
        processor = processor_class.from_pretrained(str(folder), local_files_only=True)
    elif siglip:
        processor = SiglipImageProcessor(size={"height": side, "width": side})
    else:  # as `load_ip_adapter` makes it
        processor = CLIPImageProcessor(size=side, crop_size=side)
    encoder = encoder.to(device).eval()
    return ControlNetwork(files, read_ip_adapter(files.path), encoder, processor, folder)
