"""Starts of text-to-image calls from images, for families without a pipeline for that."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from inspect import signature
from typing import Any

from ninefold.core.errors import ModelError
from ninefold.engines.autoencoders import encoded
from ninefold.engines.diffusion import ImageToImage, Inpaint
from ninefold.engines.wrapped_methods import wrap_method, wrapped_method
from ninefold.imaging.resize import resize


def denoising_pipe(pipe: Any) -> Any:
    """The pipeline that denoises what becomes pixels: the second of those made of two."""
    return getattr(pipe, "decoder_pipe", pipe)


def steps_left(steps: int, strength: float) -> int:
    """How many of `steps` are left at `strength`, as diffusers' image-to-image counts them."""
    return min(max(int(steps * strength), 1), steps)


class LatentStart:
    """Has a text-to-image call start from its requests' images, and hold them outside the masks.

    The pipeline's own call runs, and three things change while it does. What it prepares as noise
    becomes the source with the noise of the step that `strength` starts at. Its scheduler makes
    the whole schedule (with whatever shift the pipeline asks for) and hands out the rest of it.
    After each step, what lies outside the masks becomes the source with as much noise as the step
    left (blended latent diffusion, Avrahami et al. 2022); a cell that a mask only touches is free.

    Layout and scale of the latents are the pipeline's: the source takes the noise's place in its
    own preparation. Serves one call.
    """

    def __init__(self, pipe: Any, requests: Sequence[ImageToImage], steps: int) -> None:
        """`pipe` has a scheduler of its own for this call, which is changed."""
        self._pipe = denoising_pipe(pipe)
        self._scheduler = self._pipe.scheduler
        self._requests = requests
        self._begin = (steps - steps_left(steps, requests[0].strength)) * self._order
        self._whole: Any = None
        self._at = self._begin
        self._latents: Any = None
        self._source: Any = None
        self._noise: Any = None
        #: What the pipeline multiplies its latents by once they are prepared.
        self._factor = 1.0
        #: Where the latents may change; None where all of them may.
        self._free: Any = None
        #: Channels, height and width of the encoded source.
        self._cells: tuple[int, ...] = ()
        #: Numbers on the last axis of the noise that the pipeline draws.
        self._drawn = 0

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Do it for calls within the block; raises `ModelError` in it where it cannot be done."""
        pipe, scheduler = self._pipe, self._scheduler
        takes = self._prepares or "latents" in signature(type(pipe).__call__).parameters
        if not takes or not self._noises:
            raise ModelError(
                f"{type(pipe).__name__} with {type(scheduler).__name__} cannot start from an "
                "image. Choose another model for the stages that start from one, or leave them out."
            )
        wrap_method(scheduler, "set_timesteps", self._set_timesteps)
        wrap_method(scheduler, "set_begin_index", self._set_begin_index)
        wrap_method(scheduler, "step", self._step)
        with wrapped_method(pipe, "prepare_latents", self._prepared):
            yield

    def arguments(self, generator: Any) -> dict[str, Any]:
        """What the call is given beside: latents, for a pipeline that prepares none on its own."""
        from diffusers.utils.torch_utils import randn_tensor

        if self._prepares:
            return {}
        self._source = self._draw_source((len(self._requests),), 0)
        shape, pipe = self._source.shape, self._pipe
        options = {"generator": generator, "device": self._source.device, "dtype": pipe.dtype}
        self._latents = randn_tensor(shape, **options)
        self._noise = self._latents.float()
        if self._masked:
            self._free = self._draw_mask(shape, 0).to(self._source) > 0.5
        return {"latents": self._latents}

    @property
    def steps_run(self) -> int:
        """How many steps the scheduler is asked for, once it made its schedule."""
        return len(self._whole) - self._begin

    @property
    def _prepares(self) -> bool:
        return hasattr(type(self._pipe), "prepare_latents")

    @property
    def _masked(self) -> bool:
        return all(isinstance(item, Inpaint) for item in self._requests)

    @property
    def _order(self) -> int:
        return getattr(self._scheduler, "order", 1)

    @property
    def _noises(self) -> bool:
        known = ("scale_noise", "add_noise")
        return _is_trigflow(self._scheduler) or any(
            hasattr(self._scheduler, name) for name in known
        )

    # What the pipeline prepares.

    def _prepared(self, prepare: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """As the pipeline prepares its noise, with the latents to start from in its place."""

        def laid_out(draw: Callable[[Sequence[int], int], Any]) -> Any:
            with _drawing(draw, len(self._requests)):
                return self._noisy(_first(prepare(*args, **options)))

        prepared = prepare(*args, **options)
        # Some pipelines multiply noise by what their scheduler begins with.
        unit = laid_out(self._draw_ones).float()
        source = laid_out(self._draw_source).float()
        whole = _first(prepared).clone()
        noise = self._noisy(whole)
        # PRX Pixel was trained on more noise than others are.
        scale = getattr(self._pipe.config, "noise_scale", 1.0)
        self._source, self._noise = source / unit, noise.float() / unit * scale
        if self._masked:
            self._free = laid_out(self._draw_mask).float() / unit > 0.5
        self._latents = noise
        self._fill()
        return (whole, *prepared[1:]) if isinstance(prepared, tuple) else whole

    def _noisy(self, prepared: Any) -> Any:
        """What of prepared latents is denoised: Kandinsky 5 lays its reference behind it."""
        joined = prepared.dim() == 5 and prepared.shape[-1] > self._drawn
        return prepared[..., : self._drawn] if joined else prepared

    def _draw_ones(self, shape: Sequence[int], _: int) -> Any:
        import torch

        self._drawn = shape[-1]
        return torch.ones(tuple(shape))

    def _draw_source(self, shape: Sequence[int], row: int) -> Any:
        images = [item.image for item in self._requests[row : row + shape[0]]]
        latents = encoded(self._pipe, images)
        across, down = _sides(shape, latents.shape) if len(shape) > 3 else latents.shape[:1:-1]
        if (down, across) != tuple(latents.shape[-2:]):  # the pipeline rounds sizes on its own
            scale = images[0].shape[0] // latents.shape[-2]
            images = [resize(image, across * scale, down * scale) for image in images]
            latents = encoded(self._pipe, images)
        self._cells = tuple(latents.shape[1:])
        return _arranged(latents, shape)

    def _draw_mask(self, shape: Sequence[int], row: int) -> Any:
        import torch
        from torch.nn.functional import adaptive_max_pool2d

        masks = [
            torch.from_numpy(item.mask > 0).float()
            for item in self._requests[row : row + shape[0]]
            if isinstance(item, Inpaint)
        ]
        cells = adaptive_max_pool2d(torch.stack(masks)[:, None], self._cells[1:])
        return _arranged(cells.expand(-1, self._cells[0], -1, -1), shape)

    def _fill(self) -> None:
        """Put the noised source where the pipeline already holds its latents."""
        if self._latents is not None and self._whole is not None:
            self._latents.copy_(self._noised(self._begin))

    # What the scheduler does.

    def _set_timesteps(self, original: Callable[..., Any], *args: Any, **options: Any) -> Any:
        result = original(*args, **options)
        scheduler = self._scheduler
        self._whole, self._at = scheduler.timesteps, self._begin
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(0)
        self._fill()
        scheduler.timesteps = self._whole[self._begin :]
        return result

    def _set_begin_index(self, original: Callable[..., Any], begin_index: int = 0) -> Any:
        return original(begin_index + self._begin)

    def _step(self, original: Callable[..., Any], *args: Any, **options: Any) -> Any:
        if self._at == self._begin:
            self._check(signature(original).bind(*args, **options).arguments["sample"])
        with self._whole_schedule():
            result = original(*args, **options)
            self._at += 1
            if self._free is not None:
                result = self._held(result)
        return result

    def _check(self, sample: Any) -> None:
        """Raise `ModelError` unless the first step gets what was put in place, maybe scaled."""
        import torch

        expected = self._latents.float()
        if sample.shape == expected.shape:
            self._factor = float((sample.float() * expected).sum() / (expected**2).sum())
            if torch.allclose(sample.float(), expected * self._factor, atol=1e-5):
                return
        raise ModelError(
            f"{type(self._pipe).__name__} changes the latents that it is to start from, so it "
            "cannot start from an image. Choose another model for the stages that do."
        )

    def _held(self, result: Any) -> Any:
        """A scheduler's result: the next sample first, then what it expects in the end."""
        import torch

        left = self._noised(self._at) if self._at < len(self._whole) else self._source

        def hold(known: Any, value: Any) -> Any:
            if value is None or value.shape != known.shape:
                return value
            return torch.where(self._free, value, (known * self._factor).to(value.dtype))

        if isinstance(result, tuple):
            return (hold(left, result[0]), *(hold(self._source, item) for item in result[1:]))
        for name in tuple(result.keys()):
            known = left if name == "prev_sample" else self._source
            setattr(result, name, hold(known, getattr(result, name)))
        return result

    def _noised(self, index: int) -> Any:
        """The source with the noise that step `index` of the whole schedule begins with."""
        with self._whole_schedule():
            scheduler = self._scheduler
            timestep = self._whole[index].reshape(1).repeat(len(self._source))
            if _is_trigflow(scheduler):
                angle = float(self._whole[index])
                return math.cos(angle) * self._source + math.sin(angle) * self._noise
            if hasattr(scheduler, "scale_noise"):
                return scheduler.scale_noise(self._source, timestep, self._noise)
            return scheduler.add_noise(self._source, self._noise, timestep)

    @contextmanager
    def _whole_schedule(self) -> Iterator[None]:
        """Within the block the scheduler sees the schedule that it made."""
        shown = self._scheduler.timesteps
        self._scheduler.timesteps = self._whole
        try:
            yield
        finally:
            self._scheduler.timesteps = shown


def _is_trigflow(scheduler: Any) -> bool:
    """Whether timesteps are angles from the image to the noise (https://arxiv.org/abs/2410.11081)."""
    return getattr(scheduler.config, "prediction_type", "") == "trigflow"


def _drawing(draw: Callable[[Sequence[int], int], Any], count: int) -> Any:
    """A context in which `draw(shape, first row)` stands for `torch.randn`, in this thread.

    After the noise of `count` rows zeros are drawn: autoencoders then give their mean.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    class Drawing(TorchFunctionMode):
        rows = 0

        def __torch_function__(
            self, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            options = kwargs or {}
            if function is not torch.randn:
                return function(*args, **options)
            shape = args[0] if args else options["size"]
            row, self.rows = self.rows, self.rows + shape[0]
            if row >= count:
                return torch.zeros(tuple(shape), device=options.get("device"))
            return draw(shape, row).to(options.get("device"))

    return Drawing()


def _first(prepared: Any) -> Any:
    return prepared[0] if isinstance(prepared, tuple) else prepared


def _sides(shape: Sequence[int], latents: Sequence[int]) -> tuple[int, int]:
    """Width and height in cells of noise of `shape`, for latents (N, C, h, w)."""
    across = shape[3] if len(shape) == 5 and shape[2] != latents[1] else shape[-1]
    down = shape[2] if len(shape) == 5 and shape[2] != latents[1] else shape[-2]
    side = 2 if _is_patched(shape, latents) else 1
    return across // side, down // side


def _is_patched(shape: Sequence[int], latents: Sequence[int]) -> bool:
    """Whether latents hold patches of 2 x 2 positions of such noise."""
    return len(shape) == 4 and latents[1] == 4 * shape[1]


def _arranged(latents: Any, shape: Sequence[int]) -> Any:
    """Latents (N, C, h, w) with the axes of noise of `shape`, which may count frames, hold patches
    apart or be a sequence of cells; a shape of one axis takes them as they are."""
    from torch.nn.functional import pixel_shuffle

    if len(shape) == 1:
        return latents
    if _is_patched(shape, latents.shape):
        latents = pixel_shuffle(latents, 2)
    by_frames = (latents[:, None], latents[:, :, None], latents.movedim(1, -1)[:, None])
    for found in (latents, *by_frames, latents.flatten(2).transpose(1, 2)):
        if tuple(found.shape) == tuple(shape):
            return found
    raise ModelError(
        f"The autoencoder's latents {tuple(latents.shape)} do not fit the noise {tuple(shape)}, "
        "so the model cannot start from an image."
    )
