"""Ways to run the same networks faster, which are worth it on some devices and not on others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from ninefold.engines.diffusers_internals import default_attention_kept

#: What names of attention backends begin with: of those one can be on.
ATTENTION = "attention_"
#: Networks of a pipeline that are run once or twice a step.
_DENOISERS = ("unet", "transformer", "prior")


@dataclass(frozen=True)
class Lever:
    """What is done to a pipeline's networks, and undone."""

    name: str
    on: Callable[[Any], object]
    off: Callable[[Any], object]
    #: Whether a pipeline on a device, `cpu` or `cuda`, can do it.
    can: Callable[[Any, str], bool]


def usable(pipe: Any, device: str) -> tuple[Lever, ...]:
    """Those that a pipeline on a device can do."""
    return tuple(lever for lever in LEVERS if lever.can(pipe, device))


def set_levers(pipe: Any, names: Collection[str], now: set[str]) -> None:
    """Put levers on and off so that those called `names` are on; `now` says which are."""
    if now == set(names):
        return
    for lever in reversed(LEVERS):  # all of them: one attention backend's end is another's, too
        if lever.name in now:
            lever.off(pipe)
            now.discard(lever.name)
    for lever in LEVERS:
        if lever.name in names:
            lever.on(pipe)
            now.add(lever.name)


def _convolutional(pipe: Any) -> Iterator[Any]:
    for name in ("unet", "vae"):
        if (network := getattr(pipe, name, None)) is not None:
            yield network


def _channels_last(pipe: Any) -> None:
    import torch

    for network in _convolutional(pipe):
        _arrange(network, torch.channels_last)


def _channels_first(pipe: Any) -> None:
    import torch

    for network in _convolutional(pipe):
        _arrange(network, torch.contiguous_format)


def _arrange(network: Any, memory_format: Any) -> None:
    """The weights of two-dimensional convolutions alone: others have no such format."""
    for weight in network.parameters():
        if weight.ndim == 4:
            weight.data = weight.data.contiguous(memory_format=memory_format)


def _denoisers(pipe: Any) -> Iterator[Any]:
    for name in _DENOISERS:
        if (network := getattr(pipe, name, None)) is not None:
            yield network


def _compile(pipe: Any) -> None:
    for network in _denoisers(pipe):
        network.compile_repeated_blocks(dynamic=False)


def _uncompile(pipe: Any) -> None:
    for network in _denoisers(pipe):
        for module in network.modules():
            module._compiled_call_impl = None


def _can_compile(pipe: Any, device: str) -> bool:
    # On a CPU it takes a compiler, and minutes for seconds.
    return device == "cuda" and any(
        getattr(network, "_repeated_blocks", None) for network in _denoisers(pipe)
    )


def attend_by(backend: str) -> Lever:
    """One of diffusers' attention backends, for the networks of a pipeline alone."""

    def on(pipe: Any) -> None:
        with default_attention_kept():
            for network in _denoisers(pipe):
                network.set_attention_backend(backend)

    def off(pipe: Any) -> None:
        for network in _denoisers(pipe):
            network.reset_attention_backend()

    def can(pipe: Any, device: str) -> bool:
        return device == "cuda" and any(
            hasattr(network, "set_attention_backend") for network in _denoisers(pipe)
        )

    return Lever(f"{ATTENTION}{backend.strip('_')}", on, off, can)


#: In the order in which they are tried and put on.
LEVERS = (
    Lever(
        "channels_last",
        _channels_last,
        _channels_first,
        lambda pipe, _: getattr(pipe, "unet", None) is not None,
    ),
    attend_by("_native_cudnn"),
    attend_by("flash"),
    attend_by("_flash_3"),
    Lever("compile_blocks", _compile, _uncompile, _can_compile),
)
