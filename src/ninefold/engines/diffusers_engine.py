"""One engine for every text-to-image pipeline that Hugging Face diffusers can load."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cached_property
from pathlib import Path

from ninefold.core.progress import Progress
from ninefold.core.values import Lora
from ninefold.engines import builtin
from ninefold.engines.base import Generated, ModelInfo, TextToImage
from ninefold.engines.checks import check_request
from ninefold.engines.devices import DeviceChoice, choose_device
from ninefold.engines.diffusers_job import DiffusersJob
from ninefold.engines.loading import LoadedModel, collector_paused, load_model
from ninefold.engines.loras import find_loras, lora_files
from ninefold.engines.memory import ladder, with_ladder
from ninefold.engines.models import ModelFiles, builtin_models, describe, resolve
from ninefold.engines.residency import Residency
from ninefold.engines.schedulers import NAMES, check_scheduler
from ninefold.engines.settings import EngineSettings


class DiffusersEngine:
    """Fulfils `DiffusionEngine` with diffusers; torch is imported with the first request.

    An image is what the same diffusers calls written by hand give, bit for bit. Where a mask
    is 0 an inpainted image holds the source's pixels; softening the mask's edge is left to the
    caller. Calls on one model wait for one another; different models run side by side.
    """

    def __init__(self, settings: EngineSettings, builtin_root: Path = builtin.ROOT) -> None:
        """Nothing is loaded until it is asked for."""
        self.settings = settings
        self._root = builtin_root
        self._known: dict[str, tuple[Hashable, ModelFiles, ModelInfo]] = {}
        self._residency: Residency[LoadedModel] = Residency(
            budget=lambda: self._device.budget(settings), size=LoadedModel.size_bytes
        )

    def models(self) -> tuple[str, ...]:
        """Names of the built-in models; folders, files and hub names work too."""
        return builtin_models(self._root)

    def schedulers(self) -> tuple[str, ...]:
        """Names of the schedulers; `default` is the model's own."""
        return NAMES

    def loras(self) -> tuple[str, ...]:
        """Names of the LoRAs at hand."""
        return tuple(lora_files(self.settings.lora_dir, self._root))

    def lora_hash(self, name: str) -> str:
        """Hash of a LoRA, as AUTOMATIC1111 writes it; raises `InputError`."""
        return find_loras((Lora(name),), lora_files(self.settings.lora_dir, self._root))[0].hash

    def describe(self, model: str) -> ModelInfo:
        """What is known of a model from its files; raises `ModelError`."""
        return self._find(model)[1]

    def run(self, request: TextToImage, progress: Progress) -> Generated:
        """Make an image; raises `InputError`, `ModelError`, or what `progress` raises."""
        progress.check()
        files, info = self._find(request.model)
        check_request(request, info)
        check_scheduler(request.scheduler)
        at_hand = lora_files(self.settings.lora_dir, self._root) if request.loras else {}
        loras = find_loras(request.loras, at_hand)
        with self._residency.use(
            files.signature(), lambda: self._load(files), progress.check
        ) as model:
            progress.check()
            job = DiffusersJob(request, info, loras, model, progress, self._device)
            rungs = ladder(job.pipe, self.unload)
            return with_ladder(job.run, rungs, model.oom_steps, self._device.clear)

    def unload(self) -> int:
        """Unload every model that is not in use; returns how many."""
        unloaded = self._residency.unload_idle()
        self._device.clear()
        return unloaded

    def _find(self, reference: str) -> tuple[ModelFiles, ModelInfo]:
        """The model's files and description, read anew only where a file has changed."""
        known = self._known.get(reference)
        if known is not None and known[0] == known[1].signature():
            return known[1], known[2]
        files = resolve(reference, self.settings, self._root)
        info = describe(files)
        self._known[reference] = (files.signature(), files, info)
        return files, info

    def _load(self, files: ModelFiles) -> LoadedModel:
        with collector_paused():
            return load_model(files, self._device, self.settings)

    @cached_property
    def _device(self) -> DeviceChoice:
        return choose_device(self.settings)
