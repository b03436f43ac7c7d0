"""Images whose edges meet, so that they can be laid side by side: convolutions look round them.

Where a convolution would see zeros beyond an edge it sees the opposite edge, in the denoising
network and the autoencoder; attention and normalisation have no edges. For pipelines with a UNet.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from ninefold.core.values import Tiling


@contextmanager
def seamless(pipe: Any, tiling: Tiling) -> Iterator[None]:
    """Let images of `pipe` meet at their left and right edges (x), top and bottom (y), or both."""
    if tiling == "none":
        yield
        return
    with ExitStack() as stack:
        for part in (pipe.unet, pipe.vae):
            for layer in part.modules():
                if _reaches_out(layer):
                    _wrap(layer, tiling, stack)
        yield


def _reaches_out(layer: Any) -> bool:
    padding = getattr(layer, "padding", None)
    return hasattr(layer, "kernel_size") and isinstance(padding, tuple) and any(padding)


def _wrap(layer: Any, tiling: Tiling, stack: ExitStack) -> None:
    down, across = layer.padding
    wrapped = (0 if tiling == "y" else across, 0 if tiling == "x" else down)
    layer.padding = (down - wrapped[1], across - wrapped[0])
    stack.callback(setattr, layer, "padding", (down, across))
    hook = layer.register_forward_pre_hook(partial(_padded, wrapped))
    stack.callback(hook.remove)


def _padded(wrapped: tuple[int, int], _: Any, given: tuple[Any, ...]) -> tuple[Any, ...]:
    from torch.nn.functional import pad

    across, down = wrapped
    return (pad(given[0], (across, across, down, down), mode="circular"), *given[1:])
