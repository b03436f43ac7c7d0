"""Diffusers pipelines: loaded once, and given a form for each kind of request."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ninefold.core.errors import ModelError
from ninefold.engines.checkpoints import Checkpoint, read_pickled
from ninefold.engines.devices import DeviceChoice
from ninefold.engines.diffusers_internals import component_class, is_quantised, part_names
from ninefold.engines.embeddings import EmbeddingCache
from ninefold.engines.families import Family, Task
from ninefold.engines.layouts import Component
from ninefold.engines.load_errors import unreadable
from ninefold.engines.loras import LoraFile
from ninefold.engines.loras.applying import LoadedLora
from ninefold.engines.memory import is_out_of_memory
from ninefold.engines.models import ModelFiles
from ninefold.engines.processors import read_processor, reads_videos
from ninefold.engines.quantization import quantize
from ninefold.engines.settings import EngineSettings

# Loading patches torch.nn.Module for a moment (accelerate's empty weights), so one at a time.
LOADING = threading.RLock()

#: What torch.nn.init calls, and what that calls.
_FILLING = frozenset({"kaiming_uniform_", "normal_", "uniform_"})


@dataclass
class LoadedModel:
    """A pipeline on its device, and the forms of it that share its networks."""

    base: Any
    family: Family
    #: The scheduler that the model came with; calls get fresh ones made from it.
    scheduler: Any
    dtype: str
    forms: dict[Task, Any] = field(default_factory=dict)
    #: Names of the memory-saving steps in force.
    oom_steps: list[str] = field(default_factory=list)
    offloaded: Any = None
    #: Names of the levers that are on.
    levers: set[str] = field(default_factory=set)
    #: What its text encoders gave for the latest prompts.
    embeddings: EmbeddingCache = field(default_factory=EmbeddingCache)
    #: The LoRAs of the latest call, fitted to its networks.
    loras: dict[LoraFile, LoadedLora] = field(default_factory=dict)

    def form(self, task: Task) -> Any | None:
        """The pipeline for a kind of request, or None where its family has none."""
        if task not in self.forms:
            self.forms[task] = _form(self.base, getattr(self.family, task))
        return self.forms[task]

    def begin(self, task: Task) -> tuple[Any, Task]:
        """The pipeline for a task, and what it starts from itself.

        Where its family has none for the task, that is text, with the source put into its latents;
        or an image where that cannot be done, for a task that also has a mask.
        """
        for begins in (task, "text" if self.family.latent_start else "image"):
            if (form := self.form(begins)) is not None:
                return form, begins
        raise ModelError(f"{self.family.name} cannot start from: {task}. Choose another model.")

    def size_bytes(self) -> int:
        """Bytes of all parameters and buffers."""
        networks = [part for part in self.base.components.values() if hasattr(part, "parameters")]
        return sum(
            tensor.numel() * tensor.element_size()
            for network in networks
            for tensor in (*network.parameters(), *network.buffers())
        )


def load_model(
    files: ModelFiles,
    device: DeviceChoice,
    settings: EngineSettings,
    *,
    offloaded: bool = False,
) -> LoadedModel:
    """Load a pipeline onto the device, or into the main memory where it is to be `offloaded`.

    Raises `ModelError` that says what is wrong with it.
    """
    place = "cpu" if offloaded else device.name
    with LOADING, quiet():
        pipeline_class = _pipeline_class(files)
        dtype = device.dtype(files.family.dtype)
        with _unfilled():
            pipe = _read(pipeline_class, files, dtype, place, settings)
        pipe.to(place)
        pipe.set_progress_bar_config(disable=True)
    return LoadedModel(pipe, files.family, pipe.scheduler, str(dtype).removeprefix("torch."))


def _read(
    pipeline_class: Any,
    files: ModelFiles,
    dtype: Any,
    place: str,
    settings: EngineSettings,
) -> Any:
    names, _ = part_names(pipeline_class)
    parts: dict[str, Any] = {}
    with TemporaryDirectory() as scratch:
        folder = files.path
        if not files.layout.is_folder(folder):
            folder = Path(scratch)
            files.layout.write(folder)
        checkpoint = Checkpoint(files.path, settings.allow_pickle)
        for component in files.layout.components:
            if component.name not in names:  # a ControlNet, say, beside the pipeline that is loaded
                continue
            with _errors_of(f"{files.name}/{component.name}"):
                if component.prefix is not None:
                    part = checkpoint.read(component, folder, dtype)
                elif component.is_network:
                    part = _read_network(component, dtype, settings.allow_pickle)
                elif component.is_tokenizer and component.config is not None:
                    part = _read_tokenizer(component)
                elif component.is_processor and reads_videos(reader := _class_of(component)):
                    part = read_processor(reader, component.folder)
                else:
                    continue
                # On the device before the next one is read: of the main memory, which may be the
                # smaller one, loading takes no more than the largest of them.
                if component.is_network and not is_quantised(part):
                    quantize(part, component.name, settings.quantization, dtype)
                    part = part.to(place)
                parts[component.name] = part
        with _errors_of(files.name):
            return pipeline_class.from_pretrained(str(folder), **parts, local_files_only=True)


def _read_network(component: Component, dtype: Any, allow_pickle: bool) -> Any:
    network_class = _class_of(component)
    options: dict[str, Any] = {}
    # Else transformers asks on the terminal for code in a folder.
    if component.package == "transformers":
        options["trust_remote_code"] = False
    if component.is_pickled and allow_pickle:
        if component.package != "transformers":  # diffusers itself reads nothing but tensors
            return read_pickled(component, network_class, dtype)
        options["weights_only"] = False
    return network_class.from_pretrained(
        str(component.folder),
        variant=component.variant,
        use_safetensors=not component.is_pickled,
        dtype=dtype,
        local_files_only=True,
        **options,
    )


def _read_tokenizer(component: Component) -> Any:
    return _class_of(component).from_pretrained(
        str(component.folder),
        local_files_only=True,
        trust_remote_code=False,
        **(component.config or {}),
    )


def _class_of(component: Component) -> Any:
    return component_class(component.package, component.class_name)


@contextmanager
def _errors_of(what: str) -> Iterator[None]:
    """Raise errors of the libraries as `ModelError` that says what is wrong with `what`; a device
    that is full is no fault of the model."""
    try:
        yield
    except Exception as error:  # every reader raises types of its own
        if is_out_of_memory(error):
            raise
        if isinstance(error, ModelError):
            raise ModelError(f"{what}: {error}") from error
        raise unreadable(what, error) from error


def _pipeline_class(files: ModelFiles) -> Any:
    import diffusers

    # The class itself rather than AutoPipeline, whose module imports every pipeline there is.
    return getattr(diffusers, files.pipeline_class)


def _form(base: Any, name: str | None) -> Any | None:
    """The pipeline of that class over the parts of `base`."""
    import diffusers

    if name is None or type(base).__name__ == name:
        return base if name else None
    if "Inpaint" in name and not _inpaints(base):
        return None
    with LOADING, quiet():
        form = pipeline_sharing(getattr(diffusers, name), base)
        form.set_progress_bar_config(disable=True)
    return form


def _inpaints(base: Any) -> bool:
    """False for a UNet on latents of another depth than Stable Diffusion's: its inpainting
    pipelines take four channels, or nine with the mask and the masked image."""
    unet = getattr(base, "unet", None)
    if unet is None or not hasattr(base, "vae"):  # a pipeline without latents paints pixels
        return True
    return bool(unet.config.in_channels in (4, 9))


def pipeline_sharing(pipeline_class: Any, base: Any, **more: Any) -> Any:
    """As `AutoPipeline.from_pipe` does it: the same parts, whatever their type hints say; `more`
    are parts beside or in place of them."""
    parts, options = part_names(pipeline_class)
    given = {name: part for name, part in base.components.items() if name in parts} | more
    return pipeline_class(**given, **{k: v for k, v in base.config.items() if k in options})


@contextmanager
def collector_paused() -> Iterator[None]:
    """Keep the garbage collector still: it takes an eighth of the time that torch, transformers
    and diffusers need to be imported, and finds nothing."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _unfilled() -> AbstractContextManager[Any]:
    """Leave out random first values of weights on the meta device: there they have no values, and
    torch would import an algebra system to find that out."""
    from torch.overrides import TorchFunctionMode

    class Unfilled(TorchFunctionMode):
        def __torch_function__(
            self, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            if getattr(function, "__name__", "") in _FILLING:
                tensor = args[0] if args else kwargs["tensor"]
                if tensor.is_meta:
                    return tensor
            return function(*args, **(kwargs or {}))

    return Unfilled()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the libraries' remarks on loading (a missing safety checker and such) to themselves."""
    transformers_log: Any = import_module("transformers.utils.logging")

    before = transformers_log.get_verbosity()
    transformers_log.set_verbosity(transformers_log.ERROR)
    bar = transformers_log.is_progress_bar_enabled()
    transformers_log.disable_progress_bar()
    diffusers_log: Any = import_module("diffusers.utils.logging")

    diffusers_before = diffusers_log.get_verbosity()
    diffusers_log.set_verbosity_error()
    diffusers_bar = diffusers_log.is_progress_bar_enabled()
    diffusers_log.disable_progress_bar()
    try:
        yield
    finally:
        transformers_log.set_verbosity(before)
        diffusers_log.set_verbosity(diffusers_before)
        if bar:
            transformers_log.enable_progress_bar()
        if diffusers_bar:
            diffusers_log.enable_progress_bar()
