"""Super-resolution by spandrel: ESRGAN, SwinIR, HAT, DAT, Compact, SPAN and other families.

The family and its sizes are read off the tensors' names and shapes. spandrel is an extra.
"""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ninefold.core.errors import ModelError
from ninefold.core.paths import ending, expand_home
from ninefold.core.timing import current_clock
from ninefold.engines.enlarging import Planes, enlarged_pixels, measured_margin
from ninefold.engines.hashing import check_unchanged, file_sha256
from ninefold.engines.loading import LOADING
from ninefold.engines.residency import ModelKey
from ninefold.engines.resources import EngineResources
from ninefold.engines.upscaling import UPSCALING
from ninefold.imaging.types import Pixels

_SUFFIXES = frozenset({".safetensors", ".pth", ".pt", ".ckpt"})
_INSTALL = "pip install 'ninefold[spandrel]'"
#: Below this a network has too little to look at.
_SMALLEST = 16
_MAX_SCALE = 16
#: What spandrel imports of torchvision, for inpainting and faces alone.
_TORCHVISION = (
    "torchvision",
    "torchvision.ops",
    "torchvision.transforms",
    "torchvision.transforms.functional",
)


class SpandrelUpscaleEngine:
    """Fulfils `UpscaleEngine`. Deterministic on a CPU, and safe to call from any thread."""

    name = "spandrel_upscaling"
    kind = UPSCALING

    def __init__(self, resources: EngineResources) -> None:
        """Nothing is opened until it is asked for."""
        self._resources = resources
        self._margins: dict[str, int] = {}
        self._lock = threading.Lock()

    def models(self) -> tuple[str, ...]:
        """Those of the user's folders."""
        found = self._resources.local_models.paths(UPSCALING.model).items()
        return tuple(name for name, path in found if ending(path) in _SUFFIXES)

    def accepts(self, model: str) -> bool:
        """Whether it is a file of tensors, by its ending, or a name of one."""
        return ending(self._path(model)) in _SUFFIXES

    def check(self, model: str) -> None:
        """Raise `ModelError` for what is no super-resolution model; it is tried on a tiny image."""
        with self._use(model) as opened:
            _enlarged(opened, np.full((opened.input_channels, 16, 16), 0.5, np.float32))

    def hash(self, model: str) -> str:
        """The SHA-256 of the file in hex; raises `ModelError`."""
        return file_sha256(self._file(model))

    def scale(self, model: str) -> int:
        """The factor of the model; raises `ModelError`."""
        with self._use(model) as opened:
            return int(opened.scale)

    def margin(self, model: str) -> int:
        """How far an image's edge reaches into it, measured; at most 32 input pixels."""
        key = file_sha256(self._file(model))
        with self._lock:
            if key not in self._margins:
                with self._use(model) as opened:
                    self._margins[key] = measured_margin(
                        opened.input_channels, opened.scale, partial(_enlarged, opened)
                    )
            return self._margins[key]

    def upscale(self, model: str, image: Pixels) -> Pixels:
        """The whole image at once; raises `InputError` or `ModelError`."""
        with self._use(model) as opened:
            return enlarged_pixels(image, opened.input_channels, partial(_enlarged, opened))

    @contextmanager
    def _use(self, model: str) -> Iterator[Any]:
        path = self._file(model)
        if find_spec("spandrel") is None:
            raise ModelError(f"{path.name} needs the package spandrel: `{_INSTALL}`.")
        device = self._resources.device
        digest = file_sha256(path)
        key = ModelKey(UPSCALING.model, path.stem, (str(path), digest), device.name)
        with current_clock.get().loading():
            load = partial(_load, path, device.name, digest)
            used = self._resources.residency.use(key, load, _size)
        with used as opened:
            yield opened

    def _path(self, model: str) -> Path:
        found = self._resources.local_models.find(UPSCALING.model, model)
        return expand_home(model) if found is None else found.place.path

    def _file(self, model: str) -> Path:
        path = self._path(model)
        if not path.is_file():
            raise ModelError(f"No upscaler {model!r}: there is no such file.")
        return path


def _load(path: Path, device: str, digest: str) -> Any:
    with _without_torchvision():
        import spandrel

    try:
        with LOADING, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch's, at functions that the families call
            loaded = _checked(path, spandrel, device)
    except ModelError:
        raise
    except Exception as error:  # spandrel's own, and what odd tensors make its families raise
        raise ModelError(
            f"{path.name} is no super-resolution model of a family that spandrel knows (ESRGAN, "
            "SwinIR, HAT, DAT, Compact, SPAN and others). Choose another file."
        ) from error
    check_unchanged(path.name, digest, file_sha256(path))
    return loaded


def _checked(path: Path, spandrel: Any, device: str) -> Any:
    """The model on the device; raises `ModelError` where it is no upscaler."""
    state = spandrel.canonicalize_state_dict(_tensors(path))
    opened: Any = spandrel.ModelLoader().load_from_state_dict(state)
    upscales = isinstance(opened, spandrel.ImageModelDescriptor) and opened.purpose == "SR"
    if not upscales or not 2 <= opened.scale <= _MAX_SCALE:
        raise ModelError(
            f"{path.name}: expected an upscaler by 2 to {_MAX_SCALE}, got a model of "
            f"{opened.architecture.name} for {opened.purpose}, by {opened.scale}. Choose another."
        )
    if opened.input_channels not in (1, 3, 4):
        raise ModelError(
            f"{path.name}: expected 1, 3 or 4 channels, got {opened.input_channels}. Choose "
            "another."
        )
    opened.eval()
    return opened.to(device)


def _tensors(path: Path) -> Any:
    if ending(path) == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise ModelError(
                f"{path.name} is cut short or no safetensors file: {error}. Download it again."
            ) from error
    import pickle

    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path.name} holds more than tensors, and loading that can run any code, so it is "
            "refused. Convert it to .safetensors where you trust it (chaiNNer: Convert To "
            "Safetensors), or export it to ONNX."
        ) from error
    except (RuntimeError, OSError, EOFError, ValueError, KeyError) as error:
        raise ModelError(
            f"{path.name} is cut short or no file of torch's: {error}. Download it again."
        ) from error


def _enlarged(opened: Any, planes: Planes) -> Planes:
    """Channels x height x width, 0 to 1, larger by the model's factor; raises `ModelError`."""
    import torch

    channels, height, width = planes.shape
    padding = ((0, 0), (0, max(0, _SMALLEST - height)), (0, max(0, _SMALLEST - width)))
    wide = np.pad(planes, padding, mode="edge")
    batch = torch.from_numpy(np.ascontiguousarray(wide))[None].to(opened.device, opened.dtype)
    found: Planes = opened(batch)[0].float().cpu().numpy()
    if not np.isfinite(found).all():
        raise ModelError(
            f"A model of {opened.architecture.name} gave values that are no numbers (NaN or "
            "infinite)."
        )
    return np.ascontiguousarray(found[:channels, : height * opened.scale, : width * opened.scale])


def _size(opened: Any) -> int:
    return sum(tensor.nbytes for tensor in opened.model.state_dict().values())


@contextmanager
def _without_torchvision() -> Iterator[None]:
    """Let spandrel be imported where torchvision is not installed.

    It takes names of it for inpainting and for faces, which are refused here. Within the block,
    modules that have any name stand in; meanwhile no other engine loads.
    """
    with LOADING:
        if "spandrel" in sys.modules or find_spec("torchvision") is not None:
            yield
            return
        from transformers.utils import is_torchvision_available

        is_torchvision_available()  # it asks once, and must not find what stands in
        for name in _TORCHVISION:
            sys.modules[name] = _AnyName(name)
        try:
            yield
        finally:
            for name in _TORCHVISION:
                del sys.modules[name]


class _AnyName(ModuleType):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None, is_package=True)
        self.__path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})
