"""Super-resolution on ONNX Runtime: models of any whole factor, order of axes and range of values.

What a model takes and gives is found by trying it out; see `onnx_upscalers.py`.
"""

from __future__ import annotations

import threading
from functools import partial

from ninefold.engines.enlarging import Planes, enlarged_pixels, in_tiles, measured_margin, padded
from ninefold.engines.onnx_session import OnnxModel, OnnxModels
from ninefold.engines.onnx_upscalers import Form, enlarged, find_form
from ninefold.engines.resources import EngineResources
from ninefold.engines.upscaling import UPSCALING
from ninefold.imaging.types import Pixels

#: A declared margin beyond this is a mistake.
_MAX_DECLARED = 512
#: The margin of models that take one size alone, whose reach cannot be measured: a part of it.
_FIXED_MARGIN = 8


class OnnxUpscaleEngine:
    """Fulfils `UpscaleEngine`. Deterministic, and safe to call from any thread."""

    name = "onnx_upscaling"
    kind = UPSCALING

    def __init__(self, resources: EngineResources) -> None:
        """Nothing is opened until it is asked for."""
        files = {"2x": "upscaler/x2.onnx", "4x": "upscaler/x4.onnx"}
        self._models = OnnxModels(UPSCALING.model, files, resources, any_layout=True)
        self._forms: dict[str, Form] = {}
        self._margins: dict[str, int] = {}
        self._lock = threading.Lock()

    def models(self) -> tuple[str, ...]:
        """`2x` and `4x`, the built-in ones; a path of an `.onnx` file works too."""
        return self._models.names()

    def accepts(self, model: str) -> bool:
        """Whether it is a built-in one, or an `.onnx` file."""
        return self._models.accepts(model)

    def check(self, model: str) -> None:
        """Raise `ModelError` for a file that is not there; one of the user's is tried out."""
        if self._models.is_built_in(model):
            self.hash(model)
        else:
            self.scale(model)

    def hash(self, model: str) -> str:
        """The SHA-256 of the weights in hex; raises `ModelError`."""
        return self._models.sha256(model)

    def scale(self, model: str) -> int:
        """The factor of the model, found by running it on tiny images.

        Raises `ModelError` for what is no super-resolution model: see `find_form`.
        """
        return self._form(model).scale

    def margin(self, model: str) -> int:
        """How far an image's edge reaches into it, in input pixels; raises `ModelError`.

        Taken from the metadata key `margin` where the model declares it, else measured; where it
        takes one size alone, an eighth of that.
        """
        form, key = self._form(model), self._models.sha256(model)
        with self._lock:
            if key not in self._margins:
                with self._models.use(model) as opened:
                    self._margins[key] = _margin(opened, form)
            return self._margins[key]

    def upscale(self, model: str, image: Pixels) -> Pixels:
        """The whole image; raises `InputError` or `ModelError`."""
        form = self._form(model)
        margin = self.margin(model) if form.size is not None else 0
        with self._models.use(model) as opened:

            def enlarge(planes: Planes) -> Planes:
                once = partial(enlarged, opened, form)
                if form.size is not None:
                    return in_tiles(planes, form.size, margin, once, form.scale)
                return padded(planes, form.multiple, once, form.scale)

            return enlarged_pixels(image, form.channels, enlarge)

    def _form(self, model: str) -> Form:
        key = self._models.sha256(model)
        with self._lock:
            if key not in self._forms:
                with self._models.use(model) as opened:
                    self._forms[key] = find_form(opened)
            return self._forms[key]


def _margin(model: OnnxModel, form: Form) -> int:
    declared = model.literal("margin")
    if isinstance(declared, int) and 0 <= declared <= _MAX_DECLARED:
        return declared
    if form.size is not None:
        return min(form.size) // _FIXED_MARGIN

    def enlarge(planes: Planes) -> Planes:
        return padded(planes, form.multiple, partial(enlarged, model, form), form.scale)

    return measured_margin(form.channels, form.scale, enlarge)
