"""Control within one diffusers call: the pipeline that runs it, and how it is passed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import numpy as np

from ninefold.core.errors import ModelError
from ninefold.engines.call_settings import one_or_all
from ninefold.engines.control import (
    WITH_REFERENCES,
    AskedControl,
    Control,
    control_problems,
    used_control,
    without_effect,
)
from ninefold.engines.control_base import base_widths
from ninefold.engines.control_files import ControlFiles
from ninefold.engines.control_loading import ControlNetwork
from ninefold.engines.control_table import MODES, pipeline_name
from ninefold.engines.diffusion import ModelInfo, TextToImage
from ninefold.engines.families import Task
from ninefold.engines.generation_record import UsedControl
from ninefold.engines.loading import LOADING, LoadedModel, pipeline_sharing, quiet
from ninefold.imaging.types import Pixels

#: What diffusers calls the parts of a pipeline that hold networks of control.
_PART = {"controlnet": "controlnet", "t2i_adapter": "adapter"}


@dataclass(frozen=True)
class PreparedControl:
    """An entry of a checked request, and the files behind it."""

    control: Control
    files: ControlFiles

    def record(self) -> UsedControl:
        """What the metadata says of it."""
        return used_control(self.control, self.files.info)

    def warnings(self, steps: int) -> Iterator[str]:
        """Why it did not act in a call that ran `steps` steps."""
        yield from without_effect(self.control, self.files.info, steps)

    def in_common(self) -> object:
        """What requests must agree in to share a call; nothing does where it takes one image."""
        alone = object() if self.files.info.kind == "t2i_adapter" else None
        return self.control, self.files.signature(), alone


@dataclass(frozen=True)
class ControlCall:
    """The control of one call; without any it changes nothing."""

    entries: Sequence[PreparedControl] = ()
    networks: Sequence[ControlNetwork] = ()

    def pipeline(self, model: LoadedModel, task: Task, info: ModelInfo) -> tuple[Any, Task]:
        """The pipeline for a task, and what it starts from itself: from text where there is none
        for the task.

        Raises `ModelError` where the model cannot be steered so.
        """
        form, begins = model.begin(task)
        if not self.entries:
            return form, begins
        self._check(model, info)
        if task == "edit":
            raise ModelError(f"{info.name}: control cannot act on an edit. {WITH_REFERENCES}")
        family = "" if info.control is None else info.control.family
        parts: dict[str, Any] = {}
        pipeline_class: Any = type(form)
        adapters = [item for item in self.networks if item.image_encoder is not None]
        for kind, part in _PART.items():
            if networks := self._networks(kind):
                network = self._of(kind)[0].files.info.network
                name, begins = pipeline_name(family, network, begins, bool(adapters))
                pipeline_class = getattr(import_module("diffusers"), name)
                parts[part] = networks if len(networks) > 1 else networks[0]
        if len({item.encoder_folder for item in adapters}) > 1:
            raise ModelError(
                f"{self._named('ip_adapter')} look through different image encoders, and one call "
                "has one alone. Use adapters of one encoder."
            )
        if adapters:
            parts["image_encoder"] = adapters[0].image_encoder
            parts["feature_extractor"] = adapters[0].image_processor
        pipe = pipeline_sharing(pipeline_class, model.base, **parts)
        pipe.set_progress_bar_config(disable=True)
        return pipe, begins

    def arguments(self, accepted: Mapping[str, Any]) -> dict[str, Any]:
        """What the pipeline is passed beside all else."""
        found: dict[str, Any] = {}
        if controls := self._of("controlnet"):
            image = "control_image" if "control_image" in accepted else "image"
            found = {
                image: one_or_all([_picture(item.control.image) for item in controls]),
                "controlnet_conditioning_scale": one_or_all(
                    [float(item.control.strength) for item in controls]
                ),
                "control_guidance_start": one_or_all(
                    [float(item.control.start) for item in controls]
                ),
                "control_guidance_end": one_or_all([float(item.control.end) for item in controls]),
            }
            if any(item.files.info.modes for item in controls):
                found["control_mode"] = one_or_all([_mode(item) for item in controls])
        if adapters := self._of("t2i_adapter"):
            found |= {
                "image": one_or_all([_adapter_picture(item) for item in adapters]),
                "adapter_conditioning_scale": one_or_all(
                    [float(item.control.strength) for item in adapters]
                ),
                "adapter_conditioning_factor": float(adapters[0].control.end),
            }
        if adapters := self._of("ip_adapter"):
            found["ip_adapter_image"] = one_or_all(
                [_picture(item.control.image) for item in adapters]
            )
        return found

    @contextmanager
    def applied(self, pipe: Any, model: LoadedModel, request: TextToImage) -> Iterator[None]:
        """Put IP-Adapters on the pipeline's networks while the block runs, which is one call."""
        if not self.entries:
            yield
            return
        adapters = [item.network for item in self.networks if item.image_encoder is not None]
        try:
            with _ip_adapters(pipe, adapters, self._misfit), _seeded(request.seed):
                self.before_step(pipe, 0, request.steps)
                yield
        finally:
            if model.offloaded is pipe:  # the networks of control are no part of the model
                pipe.remove_all_hooks()
                model.offloaded = None

    def before_step(self, pipe: Any, index: int, total: int) -> None:
        """Set how strongly IP-Adapters act in the step `index` of `total`, counted from 0."""
        if not (adapters := self._of("ip_adapter")):
            return
        scales = [
            float(item.control.strength)
            if item.control.start <= index / total and (index + 1) / total <= item.control.end
            else 0.0
            for item in adapters
        ]
        pipe.set_ip_adapter_scale(one_or_all(scales))

    def _check(self, model: LoadedModel, info: ModelInfo) -> None:
        """As before it was loaded, with what its network says of itself; raises `ModelError`."""
        network = getattr(model.base, "unet", None) or model.base.transformer
        base = info.control and replace(info.control, widths=base_widths(network.config))
        asked = [
            AskedControl(item.files.info, item.control.start, item.control.end, item.control.mode)
            for item in self.entries
        ]
        if problems := [text for _, text in control_problems(info.name, base, asked)]:
            raise ModelError(" ".join(problems))

    def _misfit(self, error: Exception) -> ModelError:
        names = self._named("ip_adapter")
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        return ModelError(f"{names} does not fit the model: {first}. Use one made for this model.")

    def _named(self, kind: str) -> str:
        return ", ".join(item.files.name for item in self._of(kind))

    def _of(self, kind: str) -> list[PreparedControl]:
        return [item for item in self.entries if item.files.info.kind == kind]

    def _networks(self, kind: str) -> list[Any]:
        return [item.network for item in self.networks if item.files.info.kind == kind]


@contextmanager
def _ip_adapters(
    pipe: Any, states: Sequence[Any], misfit: Callable[[Exception], ModelError]
) -> Iterator[None]:
    """IP-Adapters on the network of a pipeline, which is as it was afterwards."""
    if not states:
        yield
        return
    network = getattr(pipe, "unet", None) or pipe.transformer
    before = dict(network.attn_processors)
    places = {"subfolder": [""] * len(states), "weight_name": [""] * len(states)}
    try:
        try:
            with LOADING, quiet():
                if len(states) > 1:
                    pipe.load_ip_adapter(list(states), **places)
                else:
                    pipe.load_ip_adapter(states[0], subfolder="", weight_name="")
            if any(weight.is_meta for weight in network.parameters()):
                raise KeyError("some of its tensors are missing")
        except Exception as error:  # diffusers raises many types for a misfit
            raise misfit(error) from error
        yield
    finally:
        pipe.unload_ip_adapter()
        network.set_attn_processor(before)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Some pipelines draw from their autoencoder's picture of the control image without a
    generator: from torch's own, which is as it was afterwards."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def _picture(image: Pixels) -> Any:
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(image))


def _adapter_picture(item: PreparedControl) -> Any:
    """A T2I-Adapter may look at brightness alone."""
    picture = _picture(item.control.image)
    return picture.convert("L") if item.files.config.get("in_channels") == 1 else picture


def _mode(item: PreparedControl) -> int | None:
    modes = MODES.get(item.files.info.network, {})
    return modes.get(item.control.mode or "")
