"""How many images one call of a model makes: as many as gain by it and fit.

Why these numbers: docs/decisions/0011-micro-batching.md, measured with bench/batching.py.
"""

from __future__ import annotations

from collections.abc import Callable

from ninefold.engines.devices import DeviceChoice
from ninefold.engines.prepared_request import PreparedRequest
from ninefold.engines.settings import EngineSettings

#: Beyond this a call only grows longer for everyone in it.
_MOST = 16
#: Positions of latents that keep a CPU busy: eight images of 16 x 16, or two of 32 x 32.
_CPU_POSITIONS = 2048
#: The part of the free memory that a batch may take; the rest is for what was not foreseen.
_SHARE = 0.8


class Capacity:
    """The limits of one model, by width and height."""

    def __init__(
        self,
        settings: EngineSettings,
        device: Callable[[], DeviceChoice],
        tuned: Callable[[PreparedRequest], int] = lambda _: 0,
    ) -> None:
        """`device` is asked for only when two requests could share a call; `tuned` says how many
        images were measured to be worth one, or 0."""
        self._settings = settings
        self._tuned = tuned
        self._device = device
        self._most: dict[tuple[int, int], int] = {}
        self._bytes: dict[tuple[int, int], int] = {}

    def limit(self, prepared: PreparedRequest) -> int:
        """Most images of that size in one call, at least 1."""
        if self._settings.deterministic:
            return 1
        most = self._settings.max_batch or min(self._worth(prepared), _MOST)
        return max(1, min(most, self._most.get(_size(prepared), most)))

    def exceeded(self, prepared: PreparedRequest, count: int) -> None:
        """Remember that `count` images of that size did not fit, and that half as many may."""
        self._most[_size(prepared)] = max(1, count // 2)

    def took(self, prepared: PreparedRequest, count: int, peak: int) -> None:
        """Remember that a call of `count` images of that size took `peak` bytes."""
        self._bytes[_size(prepared)] = peak // count

    def _worth(self, prepared: PreparedRequest) -> int:
        device, tuned = self._device(), self._tuned(prepared)
        if device.name != "cuda":
            request, scale = prepared.request, prepared.info.latent_scale
            return tuned or _worth_on_cpu(request.width, request.height, scale)
        each = self._bytes.get(_size(prepared))
        # The first call of a size shows what an image takes, so that one is made alone.
        fit = int(device.free() * _SHARE) // max(each, 1) if each is not None else 1
        return min(fit, tuned or fit)


def foreseen(
    settings: EngineSettings, device: DeviceChoice, size: tuple[int, int], latent_scale: int
) -> int:
    """Most images of `size` (width, height) in one call, before there was any; at least 1."""
    if settings.deterministic:
        return 1
    if settings.max_batch:
        return settings.max_batch
    return (
        _MOST if device.name == "cuda" else max(1, min(_MOST, _worth_on_cpu(*size, latent_scale)))
    )


def _worth_on_cpu(width: int, height: int, scale: int) -> int:
    return _CPU_POSITIONS // ((width // scale) * (height // scale) or 1)


def _size(prepared: PreparedRequest) -> tuple[int, int]:
    return prepared.request.width, prepared.request.height
