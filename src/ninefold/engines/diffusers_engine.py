"""One engine for every text-to-image pipeline that Hugging Face diffusers can load."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Lock

from ninefold.core.errors import InputError, ModelError
from ninefold.core.paths import ending
from ninefold.core.progress import Progress
from ninefold.core.timing import current_clock
from ninefold.core.values import Lora
from ninefold.engines.batching import Batch, Batcher, model_thread
from ninefold.engines.capacity import Capacity, foreseen
from ninefold.engines.checks import check_request
from ninefold.engines.control import AskedControl, control_problems
from ninefold.engines.control_call import ControlCall, PreparedControl
from ninefold.engines.control_files import find_control
from ninefold.engines.control_loading import held_networks
from ninefold.engines.devices import DeviceChoice
from ninefold.engines.diffusers_call import DiffusersCall
from ninefold.engines.diffusion import (
    DIFFUSION,
    Generated,
    LatentsToImage,
    ModelInfo,
    TextToImage,
)
from ninefold.engines.embeddings import PromptPair, chunk_count, find_inversions
from ninefold.engines.embeddings.inversion import inversion_files
from ninefold.engines.ensemble import ensemble_problems, run_ensemble
from ninefold.engines.families import family_of_class
from ninefold.engines.hashing import check_unchanged, weights_hash
from ninefold.engines.loading import LoadedModel, collector_paused, load_model
from ninefold.engines.loras import check_fit, find_loras, identify_lora, known_lora, lora_files
from ninefold.engines.memory import ladder, loading_ladder, with_ladder
from ninefold.engines.model_info import acting, describe
from ninefold.engines.models import ModelFiles, builtin_models, is_diffusers_model, resolve
from ninefold.engines.prepared_request import PreparedRequest
from ninefold.engines.reference_images import references_of
from ninefold.engines.references import model_of
from ninefold.engines.residency import ModelKey
from ninefold.engines.resources import EngineResources
from ninefold.engines.schedulers import NAMES, check_scheduler
from ninefold.engines.tune import tune
from ninefold.engines.tuning import Measured, Tuning, Tunings, tuning_key


@dataclass(frozen=True)
class KnownModel:
    """A model as its files were when they had this signature."""

    signature: Hashable
    files: ModelFiles
    info: ModelInfo


class DiffusersEngine:
    """Fulfils `DiffusionEngine` with diffusers; torch is imported with the first request.

    An image made alone is what the same diffusers calls written by hand give, bit for bit. Where
    a mask is 0 an inpainted image holds the source's pixels; softening the mask's edge is left to
    the caller. Calls on one model wait for one another, and those that differ in nothing but
    prompt, seed and source are then made together. Different models run side by side, but on a
    CPU one after another: each thread that runs torch there has a pool of threads of its own, and
    two of them make every call of the first one dearer by half.
    """

    name = "diffusers"
    kind = DIFFUSION

    def __init__(self, resources: EngineResources) -> None:
        """Nothing is loaded until it is asked for."""
        self.settings = resources.settings
        self._resources = resources
        self._root = resources.builtin_root
        self._lock = Lock()
        self._batchers: dict[Hashable, Batcher[PreparedRequest, Generated]] = {}
        self._cpu_thread = model_thread()
        self._known: dict[str, KnownModel] = {}
        self._tunings = Tunings(self.settings.tuning)

    def models(self) -> tuple[str, ...]:
        """Names of the built-in models and those of the library; folders, files and hub names work
        too."""
        found = self._resources.local_models.names("diffusion")
        return tuple(dict.fromkeys((*builtin_models(self._root), *found)))

    def schedulers(self) -> tuple[str, ...]:
        """Names of the schedulers; `default` is the model's own."""
        return NAMES

    def loras(self) -> tuple[str, ...]:
        """Names of the LoRAs at hand."""
        return tuple(self._lora_files())

    def lora_hash(self, model: str, lora: str) -> str:
        """Hash of a LoRA, as AUTOMATIC1111 writes it; raises `InputError`."""
        return find_loras((Lora(lora),), self._lora_files(), self._root)[0].hash

    def check_lora(self, model: str, lora: str) -> None:
        """Raise `InputError` or `ModelError` for one that is not at hand or does not fit."""
        at_hand = self._lora_files()
        name = known_lora(lora, at_hand)
        check_fit(name, at_hand[name], self._find(model).info)

    def lora_names(self, model: str, lora: str) -> tuple[str, ...]:
        """What a LoRA is called by its file and its header; raises `InputError` or `ModelError`."""
        at_hand = self._lora_files()
        name = known_lora(lora, at_hand)
        return (name, *identify_lora(at_hand[name]).titles)

    def embeddings(self) -> tuple[str, ...]:
        """Names of the textual inversions at hand."""
        return tuple(self._inversion_files())

    def embedding_hashes(self, model: str, prompt: str) -> tuple[str, ...]:
        """Hashes of the textual inversions that a prompt names; raises `InputError` and
        `ModelError`."""
        found = find_inversions([prompt], self._inversion_files(), self._find(model).info)[0]
        return tuple(inversion.hash for inversion in found)

    def accepts(self, model: str) -> bool:
        """Whether it is a known name, what diffusers may load, or a hub name."""
        knows = self._resources.local_models.knows
        known = any(knows("diffusion", name) for name in (model, model_of(model)))
        return known or is_diffusers_model(model, self._root)

    def check(self, model: str) -> None:
        """Raise `ModelError` for a model whose files are not there or cannot be read."""
        self.describe(model)

    def hash(self, model: str) -> str:
        """The SHA-256 over the weights in hex; raises `ModelError`."""
        return self.describe(model).hash

    def describe(self, model: str) -> ModelInfo:
        """What is known of a model from its files; raises `ModelError`."""
        return self._find(model).info

    def batch_limit(self, model: str, width: int, height: int) -> int:
        """As the setting says or as was measured; raises `ModelError`."""
        scale = self.describe(model).latent_scale
        return foreseen(self.settings, self._device, (width, height), scale)

    def run(self, request: TextToImage, progress: Progress) -> Generated:
        """Make an image; raises `InputError`, `ModelError`, or what `progress` raises."""
        progress.check()
        if request.refiner:
            base, refiner = self.describe(request.model), self.describe(request.refiner)
            if problems := tuple(ensemble_problems(base, refiner)):
                raise InputError("\n".join(problems))
            return run_ensemble(request, self.run, progress)
        known = self._find(request.model)
        check_request(request, known.info)
        check_scheduler(request.scheduler, known.info.scheduler_kind)
        at_hand = self._lora_files() if request.loras else {}
        loras = find_loras(request.loras, at_hand, self._root)
        for lora in loras:
            check_fit(lora.name, lora.path, known.info)
        prompts = (request.prompt, request.negative_prompt)
        inversions = find_inversions(prompts, self._inversion_files(), known.info)
        with current_clock.get().loading():
            control = self._control(request, known.info)
            batcher = self._batcher(known)
        prepared = PreparedRequest(request, known.info, loras, control, *inversions)
        return batcher.run(prepared, progress)

    def tune(
        self,
        model: str,
        size: tuple[int, int],
        steps: int,
        rounds: int,
        report: Callable[[Measured], object],
    ) -> Tuning:
        """Measure what pays for images of a size (width, height), and remember it.

        Each measurement is reported: levers first, then batches. Raises `ModelError`, and `OSError`
        where the file cannot be written.
        """
        known, device = self._find(model), self._device
        with self._loaded(known) as loaded:
            tuning = tune(loaded, known.info, device, size, steps, rounds, report)
        self._tunings.put(self._tuning_key(known.info, size), tuning)
        return tuning

    def _control(self, request: TextToImage, info: ModelInfo) -> tuple[PreparedControl, ...]:
        """The files behind a request's control; raises `ModelError` for what does not fit."""
        found = tuple(
            PreparedControl(
                item, find_control(item.model, self.settings, self._resources.local_models)
            )
            for item in request.control
        )
        asked = [
            AskedControl(item.files.info, item.control.start, item.control.end, item.control.mode)
            for item in found
        ]
        problems = control_problems(info.name, info.control, asked)
        if texts := [text for _, text in problems]:
            raise ModelError(" ".join(texts))
        return found

    def _find(self, reference: str) -> KnownModel:
        """The model's files and description, read anew only where a file has changed."""
        named, place = self._resources.local_models.place_of(reference, builtin_models(self._root))
        known = self._known.get(place)
        if known is not None and known.signature == known.files.signature():
            return known
        with current_clock.get().loading():
            files = resolve(place, self.settings, self._root, self._number_format)
            if named is not None:
                files = replace(files, name=named.name)
            quantization, packed = acting(self.settings.quantization, files.layout)
            info = replace(describe(files), quantization=quantization, packed=packed)
        self._known[place] = found = KnownModel(files.signature(), files, info)
        return found

    def _lora_files(self) -> dict[str, Path]:
        """LoRAs at hand by name: those of their folder, and those of the library."""
        found = lora_files(self.settings.loras, self._root)
        more = self._resources.local_models.paths("lora").items()
        own = set(found.values())
        return found | {
            name: path for name, path in more if ending(path) == ".safetensors" and path not in own
        }

    def _inversion_files(self) -> dict[str, Path]:
        """Textual inversions at hand by name: those of their folder, and those of the library."""
        found = inversion_files(self.settings.embeddings)
        more = self._resources.local_models.paths("embedding").items()
        return found | {name: path for name, path in more if path not in found.values()}

    def _batcher(self, known: KnownModel) -> Batcher[PreparedRequest, Generated]:
        """The queue of a model as its files are now."""
        with self._lock:
            if known.signature not in self._batchers:
                capacity = Capacity(
                    self.settings, lambda: self._device, lambda item: self._tuning(item).batch
                )
                self._batchers[known.signature] = Batcher(
                    run=lambda batch: self._make(known, capacity, batch),
                    key=PreparedRequest.in_common,
                    limits=capacity,
                    worker=self._cpu_thread if self._device.name == "cpu" else None,
                )
            return self._batchers[known.signature]

    def _make(
        self, known: KnownModel, capacity: Capacity, batch: Batch[PreparedRequest]
    ) -> Sequence[Generated]:
        resources, device = self._resources, self._device
        with self._loaded(known) as model:
            prepared = batch.take(lambda item: _stacking(model, item))
            resources.count_batch(len(prepared))
            entries = prepared[0].control
            with (
                held_networks([e.files for e in entries], model.dtype, resources) as networks,
                device.watched(partial(capacity.took, prepared[0], len(prepared))),
            ):
                control = ControlCall(entries, networks)
                levers = self._tuning(prepared[0]).levers(prepared[0].request.quality)
                call = DiffusersCall(prepared, model, batch.step, device, control, levers)
                if len(prepared) > 1:  # where it fills the memory, a smaller batch comes first
                    return call.run()
                unload_others = partial(resources.residency.unload_idle, device.name)
                rungs = ladder(call.pipe, device.name, unload_others)
                return with_ladder(call.run, rungs, model.oom_steps, device.clear, known.info.name)

    def _loaded(self, known: KnownModel) -> AbstractContextManager[LoadedModel]:
        """The model, loaded where it is not, for this thread alone."""
        device = self._device.name
        key = ModelKey(DIFFUSION.model, known.files.name, known.signature, device)

        load = partial(self._load, known)
        return self._resources.residency.use(key, load, LoadedModel.size_bytes)

    def _tuning(self, prepared: PreparedRequest) -> Tuning:
        """What was measured for the model, the size and this device."""
        size = (prepared.request.width, prepared.request.height)
        return self._tunings.get(self._tuning_key(prepared.info, size))

    def _tuning_key(self, info: ModelInfo, size: tuple[int, int]) -> str:
        device = self._device
        dtype = f"{device.number_format(info.family.dtype)}/{info.quantization}"
        return tuning_key(info.hash, size, device.model_name(), dtype)

    def _load(self, known: KnownModel) -> LoadedModel:
        files, device, taken = known.files, self._device, list[str]()

        def attempt() -> LoadedModel:
            with collector_paused():
                offloaded = "cpu_offload" in taken
                return load_model(files, device, self.settings, offloaded=offloaded)

        unload_others = partial(self._resources.residency.unload_idle, device.name)
        rungs = loading_ladder(device.name, unload_others)
        model = with_ladder(attempt, rungs, taken, device.clear, files.name)
        check_unchanged(files.name, known.info.hash, weights_hash(files.weights, files.path))
        model.oom_steps += taken
        return model

    def _number_format(self, pipeline_class: str, _: frozenset[str]) -> str:
        return self._device.number_format(family_of_class(pipeline_class).dtype)

    @property
    def _device(self) -> DeviceChoice:
        return self._resources.device


def _stacking(model: LoadedModel, prepared: PreparedRequest) -> object:
    """What prompts must agree in to share a call; those of encoders other than CLIP share none, nor
    do requests whose model is shown references."""
    request = prepared.request
    shown = references_of(request, prepared.info.family)
    if shown or isinstance(request, LatentsToImage):
        return object()
    pair = PromptPair(request.prompt, request.negative_prompt, prepared.inversions)
    count = chunk_count(model.base, pair)
    return object() if count is None else count
