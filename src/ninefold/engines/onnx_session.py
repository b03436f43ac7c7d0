"""ONNX models: found by reference, checked, opened once with little memory of their own."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ninefold.core.errors import ModelError
from ninefold.core.paths import ending, expand_home
from ninefold.core.timing import current_clock
from ninefold.engines import builtin
from ninefold.engines.hashing import check_unchanged, file_sha256
from ninefold.engines.residency import ModelKey
from ninefold.engines.resources import EngineResources
from ninefold.engines.settings import EngineSettings
from ninefold.engines.weight_headers import PICKLES

#: ONNX files are protobuf messages, which end at 2 GiB.
MAX_BYTES = (1 << 31) - 1
_DTYPES = {"tensor(float)": "float32", "tensor(float16)": "float16"}
_CHANNELS = (1, 3, 4)
_CUDA = "CUDAExecutionProvider"


@dataclass(frozen=True)
class OnnxModel:
    """An open model: an image in, arrays out."""

    name: str
    session: Any
    input_name: str
    #: Batch, channels, height, width; None where any value fits.
    input_shape: tuple[int | None, ...]
    #: NumPy type of input and output.
    dtype: str
    metadata: Mapping[str, str]
    #: Of its file, in bytes.
    size: int = 0
    #: How many arrays it gives.
    outputs: int = 1
    #: Whether its own order is batch, height, width, channels.
    nhwc: bool = False
    #: Its inputs beside the image, by name: their numbers of dimensions.
    others: Mapping[str, int] = field(default_factory=dict)
    path: Path | None = None

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """The first output for a batch (1, C, h, w); raises `ModelError` if the model fails on it.

        So it does for an output that is no array of numbers, or with NaN or infinities in it.
        """
        return next(iter(self.run_all(batch).values()))

    def run_all(
        self, batch: NDArray[np.float32], **others: NDArray[Any]
    ) -> dict[str, NDArray[np.float32]]:
        """Every output by its name, with the values of the other inputs; raises `ModelError`."""
        given = batch.transpose(0, 2, 3, 1) if self.nhwc else batch
        if self.dtype == "uint8":
            given = np.rint(given).clip(0, 255)
        if (fixed := self.input_shape[0]) is not None and fixed > 1:
            given = given.repeat(fixed, axis=0)
            others = {name: value.repeat(fixed, axis=0) for name, value in others.items()}
        source = {self.input_name: np.ascontiguousarray(given.astype(self.dtype, copy=False))}
        try:
            values = self.session.run(None, {**source, **others})
        except Exception as error:  # onnxruntime's errors share no public base
            raise ModelError(
                f"{self.name} failed on an input of shape {tuple(batch.shape)}: "
                f"{_first_line(error)}"
            ) from error
        names = [item.name for item in self.session.get_outputs()]
        found = {name: self._numbers(value) for name, value in zip(names, values, strict=True)}
        if fixed is not None and fixed > 1:
            found = {n: v[:1] if len(v) == fixed else v for n, v in found.items() if v.ndim}
        return found

    def _numbers(self, output: Any) -> NDArray[np.float32]:
        if not isinstance(output, np.ndarray) or output.dtype.kind not in "fiu":
            got = output.dtype if isinstance(output, np.ndarray) else type(output).__name__
            raise ModelError(f"{self.name}: expected an array of numbers as output, got {got}.")
        found: NDArray[np.float32] = output.astype(np.float32, copy=False)
        if not np.isfinite(found).all():
            raise ModelError(f"{self.name} gave values that are no numbers (NaN or infinite).")
        return found

    def literal(self, key: str) -> Any:
        """A metadata value that is a Python literal, as ultralytics writes them, or None."""
        try:
            return ast.literal_eval(self.metadata[key])
        # What `literal_eval` raises for texts that are deep, large, or no literal.
        except (KeyError, ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return None

    def whole_number(self, key: str, default: int, most: int) -> int:
        """A metadata value from 1 to `most`, the largest where there are several, or `default`.

        Raises `ModelError` for any other value.
        """
        if key not in self.metadata:
            return default
        value = self.literal(key)
        numbers: list[Any] = list(value) if isinstance(value, (list, tuple)) else [value]
        found = [n for n in numbers if type(n) is int and 1 <= n <= most]
        if not found or len(found) < len(numbers):
            raise ModelError(
                f"{self.name}: expected its metadata `{key}` to be whole numbers from 1 to {most}, "
                f"got {self.metadata[key][:80]!r}. Export the model anew."
            )
        return max(found)


class OnnxModels:
    """ONNX models by reference: a built-in name, one of the library, or the path of an `.onnx`
    file."""

    def __init__(
        self,
        kind: str,
        names: Mapping[str, str],
        resources: EngineResources,
        any_layout: bool = False,
    ) -> None:
        """`names` are the built-in models' files below the built-in folder; `kind` is what one
        model is called, in messages and counts. Without `any_layout`, models take one image of
        float32 or float16, 1 x 3 x height x width, and nothing else."""
        self._kind = kind
        self._any_layout = any_layout
        self._resources = resources
        self._root = resources.builtin_root
        self._names = {name: self._root / path for name, path in names.items()}

    def names(self) -> tuple[str, ...]:
        """Models at hand: built in, or of the library."""
        built_in = [name for name, path in self._names.items() if path.is_file()]
        found = self._resources.local_models.paths(self._kind).items()
        more = (name for name, path in found if ending(path) == ".onnx")
        return tuple(dict.fromkeys((*built_in, *more)))

    def accepts(self, reference: str) -> bool:
        """Whether it is a known name, or a path that ends in `.onnx`."""
        if reference in self._names or ending(reference) == ".onnx":
            return True
        try:
            found = self._resources.local_models.find(self._kind, reference)
        except ModelError:  # it may mean several, which is said where it is used
            return True
        return found is not None and ending(found.place.path) == ".onnx"

    def is_built_in(self, reference: str) -> bool:
        """Whether it names a built-in model, which comes before any other of that name."""
        return reference in self._names

    def sha256(self, reference: str) -> str:
        """SHA-256 of the model's file; raises `ModelError`."""
        return file_sha256(self.path(reference))

    @contextmanager
    def use(self, reference: str) -> Iterator[OnnxModel]:
        """The open model, kept for as long as the block runs and memory lasts.

        Several threads may use it at once. Raises `ModelError` that says what would help.
        """
        path = self.path(reference)
        builtin.verify(path, self._root)
        name = reference if reference in self._names else path.stem
        settings = self._resources.settings
        with ExitStack() as stack:
            with current_clock.get().loading():
                device = "cuda" if _CUDA in _providers(settings) else "cpu"
                digest = file_sha256(path)
                key = ModelKey(self._kind, name, (str(path), digest), device)

                def load() -> OnnxModel:
                    model = _open(path, name, settings, self._any_layout)
                    check_unchanged(path.name, digest, file_sha256(path))
                    return model

                used = self._resources.residency.use(
                    key, load, lambda model: model.size, shared=True
                )
                opened = stack.enter_context(used)
            yield opened

    def path(self, reference: str) -> Path:
        """The model's file; raises `ModelError` where there is none, or one that is not used."""
        if reference in self._names:
            if not self._names[reference].is_file():
                raise builtin.missing(f"{self._kind} {reference!r}")
            return self._names[reference]
        found = self._resources.local_models.find(self._kind, reference)
        path = expand_home(reference) if found is None else found.place.path
        if ending(path) in PICKLES:
            raise ModelError(
                f"{path.name} needs unpickling, which can run any code, so it is refused. Export "
                f"it to ONNX (`yolo export model={path.name} format=onnx dynamic=True`) and name "
                "the .onnx file."
            )
        if ending(path) != ".onnx" or not path.is_file():
            raise ModelError(
                f"No {self._kind} {reference!r}: expected {', '.join(self._names)}, or the path of "
                "an .onnx file."
            )
        if path.stat().st_size > MAX_BYTES:
            raise ModelError(f"{path.name} is larger than 2 GiB, which ONNX files cannot be.")
        return path


def _open(path: Path, name: str, settings: EngineSettings, any_layout: bool) -> OnnxModel:
    import onnxruntime as ort

    options = ort.SessionOptions()
    # An arena would keep the largest tile's working memory for good.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Idle threads would spin and take the cores from diffusion.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = ort.InferenceSession(str(path), options, providers=_providers(settings))
        inputs = session.get_inputs()
    except Exception as error:  # onnxruntime's errors share no public base
        raise ModelError(f"{path.name} is no readable ONNX model: {_first_line(error)}") from error
    shapes = {item.name: _shape(item) for item in inputs}
    source = next((item for item in inputs if len(shapes[item.name]) == 4), inputs[0])
    shape = shapes.pop(source.name)
    nhwc = any_layout and len(shape) == 4 and shape[1] not in _CHANNELS and shape[3] in _CHANNELS
    if nhwc:
        shape = (shape[0], shape[3], shape[1], shape[2])
    if not any_layout and (shapes or len(shape) != 4 or shape[1] not in (3, None)):
        raise ModelError(
            f"{path.name}: expected one input of shape [1, 3, height, width], got "
            f"{[list(item.shape) for item in inputs]}. Export the model anew."
        )
    if len(shape) != 4 or shape[1] not in (*_CHANNELS, None):
        raise ModelError(
            f"{path.name}: expected an image as input, [1, channels, height, width] or [1, height, "
            f"width, channels], got {[list(item.shape) for item in inputs]}. Export the model anew."
        )
    dtypes = _DTYPES | {"tensor(uint8)": "uint8"} if any_layout else _DTYPES
    if source.type not in dtypes:
        raise ModelError(
            f"{path.name}: expected an input of {', '.join(dtypes.values())}, got {source.type}. "
            "Export the model anew."
        )
    return OnnxModel(
        name=name,
        session=session,
        input_name=source.name,
        input_shape=shape,
        dtype=dtypes[source.type],
        metadata=dict(session.get_modelmeta().custom_metadata_map),
        size=path.stat().st_size,
        outputs=len(session.get_outputs()),
        nhwc=nhwc,
        others={name: len(other) for name, other in shapes.items()},
        path=path,
    )


def _shape(source: Any) -> tuple[int | None, ...]:
    return tuple(side if isinstance(side, int) else None for side in source.shape)


def _providers(settings: EngineSettings) -> list[str]:
    import onnxruntime as ort

    there = ort.get_available_providers()
    wanted = [_CUDA] if settings.device in ("auto", "cuda") else []
    return [name for name in (*wanted, "CPUExecutionProvider") if name in there]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
