"""The array types that every imaging function speaks."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Pixels: TypeAlias = NDArray[np.uint8]
"""An image: H x W x 3, RGB in sRGB encoding, 0..255."""

Mask: TypeAlias = NDArray[np.float32]
"""How much of each pixel takes part: H x W, 0 (none) to 1 (all)."""

Alpha: TypeAlias = NDArray[np.uint8]
"""How much of each pixel is covered: H x W, 0 (transparent) to 255 (opaque)."""

Floats: TypeAlias = NDArray[np.float32]
"""Any float32 array; the shape and the range are stated where it is used."""
