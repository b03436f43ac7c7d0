"""The identifier of a published image: 64 bits that name its manifest.

It is what the watermark carries, what the C2PA manifest's soft binding says, and the key of the
manifest store.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ninefold.files.canonical_json import canonical_json

#: Bytes of an identifier.
IDENTIFIER_BYTES = 8


def identify(pixels: NDArray[np.uint8], record: Mapping[str, Any]) -> bytes:
    """The identifier of the final, unmarked `pixels` (H x W x channels) and what made them.

    `record` is JSON data that says how they were made, less whatever differs from run to run: the
    same job made again has the same identifier. Raises ValueError for numbers that JSON does not
    hold.
    """
    digest = hashlib.sha256(f"{pixels.shape} {pixels.dtype}\n".encode())
    digest.update(canonical_json(record) + b"\n")
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.digest()[:IDENTIFIER_BYTES]
