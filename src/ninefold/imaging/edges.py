"""Pictures of edges, for ControlNets that were trained on them. OpenCV does the work (an extra)."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Literal

import numpy as np

from ninefold.imaging.types import Pixels

#: How a picture is made of an image; `none` takes it as it is.
Preprocess = Literal["none", "canny", "soft_edge"]

#: What to do where OpenCV is not there.
INSTALL = "OpenCV is not installed: pip install 'ninefold[control]'."
#: The side in pixels at which soft edges are looked for one pixel wide.
_SIDE = 512.0
#: The part of the gradients that is shown white.
_WHITE = 0.995


def can_preprocess() -> bool:
    """Whether OpenCV is installed."""
    return find_spec("cv2") is not None


def preprocessed(pixels: Pixels, how: Preprocess, low: int, high: int) -> Pixels:
    """The picture that is made of an image, of its size; `low` and `high` (0 to 255) are the
    thresholds of Canny's method. Raises `ImportError` where OpenCV is not installed."""
    if how == "none":
        return pixels
    return canny(pixels, low, high) if how == "canny" else soft_edges(pixels)


def canny(pixels: Pixels, low: int, high: int) -> Pixels:
    """Edges of one pixel, white on black (Canny 1986), as most ControlNets of that name take them.

    An edge begins where the gradient is over `high`, and goes on while it is over `low`.
    """
    cv2 = _cv2()
    return _grey(cv2.Canny(np.ascontiguousarray(pixels), low, high))


def soft_edges(pixels: Pixels) -> Pixels:
    """Edges as bright as they are strong, white on black: gradients of the blurred image.

    For ControlNets trained on soft edges (HED, PiDiNet); they need no network here.
    """
    cv2 = _cv2()
    height, width = pixels.shape[:2]
    sigma = max(max(height, width) / _SIDE, 0.5)
    grey = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY).astype(np.float32)
    smooth = cv2.GaussianBlur(grey, (0, 0), sigma)
    across = cv2.Scharr(smooth, cv2.CV_32F, 1, 0)
    down = cv2.Scharr(smooth, cv2.CV_32F, 0, 1)
    strength = np.hypot(across, down)
    white = float(np.quantile(strength, _WHITE)) or 1.0
    return _grey(np.rint(np.clip(strength / white, 0, 1) * 255).astype(np.uint8))


def _grey(values: Any) -> Pixels:
    return np.repeat(np.asarray(values, np.uint8)[..., None], 3, axis=2)


def _cv2() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise ImportError(INSTALL) from error
    return cv2
