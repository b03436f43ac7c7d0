"""Names and shapes of the tensors in a safetensors file, from its header alone."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path

from ninefold.core.errors import ModelError

Shapes = Mapping[str, tuple[int, ...]]

#: A longer header is no header of a model (safetensors has the same limit).
_MAX_HEADER = 100_000_000
#: Stands among the tensors in the header.
_NOTES = "__metadata__"


def tensor_shapes(path: Path) -> Shapes:
    """The shape of each tensor by its name; raises `ModelError` for a file that is none, or that is
    cut short."""
    try:
        with path.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > _MAX_HEADER:
                raise ValueError("its header is too long")
            header = json.loads(stream.read(length))
            ends = [entry["data_offsets"][1] for name, entry in header.items() if name != _NOTES]
            if path.stat().st_size < stream.tell() + max(ends, default=0):
                raise ValueError("it is cut short")
        return {
            name: tuple(int(side) for side in entry["shape"])
            for name, entry in header.items()
            if name != _NOTES
        }
    except (
        OSError,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        RecursionError,
        struct.error,
    ) as error:
        raise ModelError(
            f"{path.name} is not a readable safetensors file ({error}). Download or convert it "
            "again."
        ) from error
