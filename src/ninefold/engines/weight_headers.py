"""What the header of a weights file says: names, shapes and number formats of its tensors."""

from __future__ import annotations

import json
import math
import struct
import warnings
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ninefold.core.errors import ModelError
from ninefold.core.paths import ending

#: Endings of files that `torch.load` reads.
PICKLES = frozenset({".bin", ".ckpt", ".pt", ".pth", ".pkl"})
#: What torch calls the number formats that other libraries write.
_TORCH_NAMES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
}
#: Of safetensors files, the longest header that its library reads.
_LONGEST = 100_000_000
#: Bytes of the number that says how long the header is.
_PREFIX = 8


Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class TensorHeader:
    """One tensor; `dtype` as torch calls it (`float16`), or a kind of GGUF's (`Q4_K`)."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class WeightsHeader:
    """All that is known of a file without reading a weight."""

    tensors: Mapping[str, TensorHeader]
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def precision(self) -> str:
        """The number format that most of its numbers are in; empty where it has none."""
        count: Counter[str] = Counter()
        for tensor in self.tensors.values():
            count[tensor.dtype] += math.prod(tensor.shape)
        return max(count, key=count.__getitem__, default="")

    @property
    def shapes(self) -> Shapes:
        """The shape of each tensor."""
        return {name: tensor.shape for name, tensor in self.tensors.items()}

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor; `()` for one that is not there."""
        found = self.tensors.get(name)
        return () if found is None else found.shape


def read_header(path: Path, *, allow_pickle: bool = False) -> WeightsHeader:
    """Read the header of a safetensors, GGUF or `torch.save` file.

    Raises `ModelError` for a file that is none of them, that is cut short, or that only unpickling
    could read and `allow_pickle` forbids.
    """
    check_regular(path)
    try:
        if ending(path) in PICKLES:
            return _pickled(path, allow_pickle)
        if ending(path) == ".gguf":
            return _gguf(path)
        return _safetensors(path)
    except OSError as error:
        raise ModelError(f"Cannot read {path.name}: {error.strerror or error}.") from error


def read_safetensors(path: Path) -> WeightsHeader:
    """The header of a file that can be nothing but safetensors, whatever its name ends in.

    Raises `ModelError`.
    """
    check_regular(path)
    try:
        return _safetensors(path)
    except CutShortError as error:
        raise _broken(path, f"it is cut short: {error.there}") from error
    except OSError as error:
        raise _broken(path, str(error)) from error


def check_regular(path: Path) -> None:
    """Raise `ModelError` for what is there and no file: a folder, or a pipe, which never ends."""
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "a pipe, socket or device"
        raise ModelError(f"{path.name} is {what}, not a file of weights. Name the file itself.")


def load_pickled(path: Path, allow_pickle: bool, device: str = "cpu") -> dict[str, Any]:
    """The tensors of a `torch.save` file, mapped rather than read where its format allows.

    Raises `ModelError` where its objects are more than tensors, unless `allow_pickle`.
    """
    import torch

    options: dict[str, Any] = {"mmap": True} if zipfile.is_zipfile(path) else {}
    # Told of what it then reads all the same; not undone, for filters are the whole process's.
    warnings.filterwarnings("ignore", "Detected pickle protocol", UserWarning)
    try:
        found = torch.load(path, map_location=device, weights_only=not allow_pickle, **options)
    except Exception as error:  # pickle, zip and torch raise types of their own
        # What torch says of everything but tensors and numbers, and of what is no pickle at all.
        if "Unsupported" in str(error) and _begins_as_pickle(path):
            raise pickle_refused(path.name) from error
        raise ModelError(
            f"{path.name} is damaged, cut short, or no file of torch.save "
            f"({type(error).__name__}). Download it again."
        ) from error
    while isinstance(found, dict) and isinstance(found.get("state_dict"), dict):
        found = found["state_dict"]
    if not isinstance(found, dict):
        raise ModelError(f"{path.name} holds no weights by name, but a {type(found).__name__}.")
    return {name: tensor for name, tensor in found.items() if isinstance(tensor, torch.Tensor)}


def _begins_as_pickle(path: Path) -> bool:
    """Whether a file may be one of torch.save: a zip archive, or a pickle of protocol 2 and up."""
    with path.open("rb") as stream:
        return stream.read(2) in (b"PK", *(bytes((0x80, protocol)) for protocol in range(2, 6)))


def pickle_refused(name: str) -> ModelError:
    """The error for weights that only unpickling can read."""
    return ModelError(
        f"{name} holds more than tensors, or was pickled by a later protocol than 3, and needs "
        "unpickling, which can run any code, so it is refused. Use a .safetensors version; or, if "
        "you trust its source, convert it once (torch.load(FILE, weights_only=False), then "
        "safetensors.torch.save_file of its tensors) or set NINEFOLD_ALLOW_PICKLE=1."
    )


def _safetensors(path: Path) -> WeightsHeader:
    size = path.stat().st_size
    with path.open("rb") as stream:
        prefix = stream.read(_PREFIX)
        length = struct.unpack("<Q", prefix)[0] if len(prefix) == _PREFIX else 0
        if prefix.startswith(b"version "):
            raise _broken(path, "it is a pointer of Git LFS, not the file itself")
        if not 1 < length <= _LONGEST:
            what = "its header is too long" if length > _LONGEST else "it has no header"
            raise _broken(path, what)
        content = stream.read(length)
    if len(content) < length:
        raise CutShortError(path, size, _PREFIX + length)
    try:
        header = json.loads(content)
        metadata = header.pop("__metadata__", None) or {}
        tensors = {
            name: TensorHeader(_torch_name(tensor["dtype"]), tuple(map(int, tensor["shape"])))
            for name, tensor in header.items()
        }
        said = {str(key): str(value) for key, value in metadata.items()}
        end = max((tensor["data_offsets"][1] for tensor in header.values()), default=0)
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError) as error:
        raise _broken(path, "its header is damaged") from error
    if (expected := _PREFIX + length + end) > size:
        raise CutShortError(path, size, expected)
    return WeightsHeader(tensors, said)


def _torch_name(dtype: str) -> str:
    return _TORCH_NAMES.get(dtype, dtype)


def _pickled(path: Path, allow_pickle: bool) -> WeightsHeader:

    tensors = load_pickled(path, allow_pickle, "meta")
    return WeightsHeader(
        {
            name: TensorHeader(str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape))
            for name, tensor in tensors.items()
        }
    )


def _gguf(path: Path) -> WeightsHeader:
    with path.open("rb") as stream:
        if stream.read(4) != b"GGUF":
            raise ModelError(f"{path.name} is no GGUF file: it does not begin with GGUF.")
    if find_spec("gguf") is None:
        raise ModelError(
            f"{path.name} is a GGUF file, which the package gguf reads. Install it: "
            "pip install 'ninefold[gguf]'."
        )
    from gguf import GGUFReader

    try:
        reader = GGUFReader(path)
        for tensor in reader.tensors:
            if tensor.data_offset + tensor.n_bytes > path.stat().st_size:
                raise CutShortError(path, path.stat().st_size, tensor.data_offset + tensor.n_bytes)
        return WeightsHeader(
            {
                # GGUF lists the fastest dimension first.
                tensor.name: TensorHeader(
                    _torch_name(tensor.tensor_type.name),
                    tuple(int(side) for side in reversed(tensor.shape)),
                )
                for tensor in reader.tensors
            },
            {
                name: str(entry.contents())
                for name, entry in reader.fields.items()
                if name.startswith("general.")
            },
        )
    except (ValueError, IndexError, TypeError, KeyError, struct.error) as error:
        raise _broken(path, "it is damaged or cut short", "GGUF") from error


def _broken(path: Path, what: str, kind: str = "safetensors") -> ModelError:
    return ModelError(
        f"{path.name} is not a readable {kind} file: {what}. Download or convert it again."
    )


class CutShortError(ModelError):
    """A file that ends before its last weight."""

    def __init__(self, path: Path, size: int, expected: int) -> None:
        self.there = f"{size:,} of {expected:,} bytes are there"
        super().__init__(f"{path.name} is cut short: {self.there}. Download it again.")
