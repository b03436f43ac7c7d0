"""What an ONNX file says of itself, read without its weights.

The file is one protobuf message (https://onnx.ai/onnx/repo-docs/IR.html); of its fields only the
metadata and the shapes of inputs and outputs are read, and all else is skipped.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ninefold.core.errors import ModelError

#: Numbers of fields, by message.
_GRAPH, _METADATA = 7, 14
_GRAPH_INPUT, _GRAPH_OUTPUT, _GRAPH_WEIGHTS = 11, 12, 5
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
#: Bytes of a text or shape; more is no such thing.
_MOST = 1 << 20
#: TensorProto's numbers for number formats.
_DTYPES = {1: "float32", 10: "float16", 16: "bfloat16", 3: "I8", 2: "U8"}


@dataclass(frozen=True)
class OnnxHeader:
    """Metadata, and the shapes of inputs and outputs; None stands for a side that may vary."""

    metadata: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[tuple[int | None, ...], ...] = ()
    outputs: tuple[tuple[int | None, ...], ...] = ()
    #: The number format of the first input; empty where it is an unusual one.
    precision: str = ""


def read_onnx_header(path: Path) -> OnnxHeader:
    """Read it; raises `ModelError` for a file that is none, or that is cut short."""
    metadata: dict[str, str] = {}
    inputs: list[_Value] = []
    outputs: list[_Value] = []
    try:
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            for part in _fields(stream, size):
                if part.number == _METADATA:
                    key, value = _entry(stream, part)
                    metadata[key] = value
                elif part.number == _GRAPH:
                    _read_graph(stream, part, inputs, outputs)
    except OSError as error:
        raise ModelError(f"Cannot read {path.name}: {error.strerror or error}.") from error
    except ValueError as error:
        raise ModelError(
            f"{path.name} is not a readable ONNX file: {error}. Download or export it again."
        ) from error
    if not inputs or not outputs:
        raise ModelError(
            f"{path.name} is not a readable ONNX file: it has no graph. Download it again."
        )
    return OnnxHeader(
        metadata,
        tuple(item.shape for item in inputs),
        tuple(item.shape for item in outputs),
        _DTYPES.get(inputs[0].dtype, ""),
    )


class _Field(NamedTuple):
    """A field of a message: bytes up to `end`, or a number."""

    number: int
    end: int
    value: int | None = None


class _Value(NamedTuple):
    """An input or output of a graph."""

    name: str
    dtype: int
    shape: tuple[int | None, ...]


def _read_graph(
    stream: BinaryIO, graph: _Field, inputs: list[_Value], outputs: list[_Value]
) -> None:
    weights = set[str]()
    found: list[_Value] = []
    for part in _fields(stream, graph.end):
        if part.number == _GRAPH_INPUT:
            found.append(_value(stream, part))
        elif part.number == _GRAPH_OUTPUT:
            outputs.append(_value(stream, part))
        elif part.number == _GRAPH_WEIGHTS:
            weights.add(_texts(stream, part).get(8, ""))
    # Older files list weights among the inputs.
    inputs += [item for item in found if item.name not in weights]


def _fields(stream: BinaryIO, end: int) -> Iterator[_Field]:
    """The fields up to `end`; of bytes that are not read meanwhile, the rest is skipped.

    Raises `ValueError` where the bytes are no message.
    """
    while (at := stream.tell()) < end:
        tag = _varint(stream)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            yield _Field(number, 0, _varint(stream))
        elif kind == _BYTES:
            length = _varint(stream)
            field_end = stream.tell() + length
            if field_end > end:
                raise ValueError("it is cut short")
            yield _Field(number, field_end)
            stream.seek(field_end)
        elif kind in (_FIXED64, _FIXED32):
            stream.seek(8 if kind == _FIXED64 else 4, os.SEEK_CUR)
        else:
            raise ValueError(f"it has an unknown field at byte {at}")


def _varint(stream: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = stream.read(1)
        if not byte:
            raise ValueError("it is cut short")
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError("it is damaged")


def _texts(stream: BinaryIO, message: _Field) -> dict[int, str]:
    """The short texts of a message, by number."""
    found = {}
    for part in _fields(stream, message.end):
        length = part.end - stream.tell()
        if part.value is None and length <= _MOST:
            found[part.number] = stream.read(length).decode("utf-8", "replace")
    return found


def _entry(stream: BinaryIO, message: _Field) -> tuple[str, str]:
    """A key and its value."""
    found = _texts(stream, message)
    return found.get(1, ""), found.get(2, "")


def _value(stream: BinaryIO, message: _Field) -> _Value:
    """ValueInfoProto: a name, and a type that is a tensor's."""
    name, dtype, shape = "", 0, list[int | None]()
    for part in _fields(stream, message.end):
        if part.number == 1:
            name = stream.read(part.end - stream.tell()).decode("utf-8", "replace")
        elif part.number == 2:  # TypeProto
            for tensor in _fields(stream, part.end):
                for inner in _fields(stream, tensor.end):
                    if inner.number == 1 and inner.value is not None:
                        dtype = inner.value
                    elif inner.number == 2:  # TensorShapeProto
                        shape += [_side(stream, side) for side in _fields(stream, inner.end)]
    return _Value(name, dtype, tuple(shape))


def _side(stream: BinaryIO, message: _Field) -> int | None:
    for part in _fields(stream, message.end):
        if part.number == 1 and part.value:
            return part.value
    return None
