"""Starts from an image, family by family: as far as `strength` says, and held outside a mask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold.core.progress import PreviewMaker
from ninefold.engines.autoencoders import autoencoder, decoded, encoded
from ninefold.engines.devices import choose_device
from ninefold.engines.diffusers_call import DiffusersCall
from ninefold.engines.diffusion import Generated, ImageToImage, Inpaint, TextToImage
from ninefold.engines.latent_start import LatentStart, denoising_pipe
from ninefold.engines.loading import LoadedModel, load_model
from ninefold.engines.model_info import describe
from ninefold.engines.models import resolve
from ninefold.engines.prepared_request import PreparedRequest
from ninefold.engines.settings import EngineSettings
from ninefold.imaging.types import Mask, Pixels

from ..engines.conftest import from_image, inpaint, text

Models = Callable[[str], Path]
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.slow,
]

SETTINGS = EngineSettings(device="cpu")
WIDTH, HEIGHT = 256, 128  # of which every family can do multiples
#: Families without a pipeline for it, or with none that takes a strength or a mask.
WITHOUT = {
    "pixart-512": True,
    "pixart-sigma": False,
    "sana": True,
    "lumina2": False,
    "hidream": False,
    "auraflow": False,
    "cogview4": False,
    "chroma": False,
    "kandinsky-2.2": True,
    "kandinsky-3": False,
    "flux2": True,
    "flux2-klein": False,
    "instruct-pix2pix": True,
    "lcm": False,
    "cascade": False,
}
#: Further families without one, each of latents laid out in a way of its own.
LAYOUTS = {
    "bria-fibo": False,
    "bria-fibo-2": False,
    "dreamlite": False,
    "ernie-image": False,
    "hunyuan-dit": False,
    "hunyuan-image": False,
    "ideogram-4": False,
    "kandinsky-5": False,
    "kandinsky-5-edit": False,
    "krea-2": False,
    "latent-diffusion": True,
    "longcat-image": False,
    "longcat-image-edit": False,
    "nucleus-image": False,
    "prx": False,
    "qwen-image-2.1": False,
    "wuerstchen": False,
    "z-image-omni": False,
}
#: Steps that run where more do: PNDM makes its second one twice.
EXTRA = {"instruct-pix2pix": 1}
#: Families with one, to which ours is compared.
WITH = {"sdxl": True, "sd3": False, "flux": True, "qwen-image": False, "z-image": False}


def names(of: dict[str, bool]) -> list[Any]:
    """The quick ones, and the others behind their mark."""
    return [
        pytest.param(name, marks=() if quick else [pytest.mark.families])
        for name, quick in of.items()
    ]


@pytest.fixture(scope="module")
def picture() -> Pixels:
    down, across = np.mgrid[0:HEIGHT, 0:WIDTH] / (WIDTH - 1)
    pixels: Pixels = np.rint(np.stack([down, across, 1 - across], 2) * 255).astype(np.uint8)
    return pixels


@pytest.fixture(scope="module")
def right_half() -> Mask:
    mask = np.zeros((HEIGHT, WIDTH), np.float32)
    mask[:, WIDTH // 2 :] = 1
    return mask


class Model:
    """A tiny model, loaded once for the tests of its name."""

    def __init__(self, folder: Path) -> None:
        files = resolve(str(folder), SETTINGS)
        self.device = choose_device(SETTINGS)
        self.info = describe(files)
        self.loaded: LoadedModel = load_model(files, self.device, SETTINGS)
        self.steps: list[tuple[int, int]] = []
        self.previews: list[Pixels] = []

    def run(self, *requests: TextToImage) -> list[Generated]:
        """What one call makes of them."""
        self.steps, self.previews = [], []
        prepared = [PreparedRequest(item, self.info, ()) for item in requests]
        return DiffusersCall(prepared, self.loaded, self._report, self.device).run()

    def _report(self, done: int, total: int, previews: Sequence[PreviewMaker | None]) -> None:
        self.steps.append((done, total))
        self.previews += [make() for make in previews if make is not None]

    def of_image(self, image: Pixels, strength: float, **more: Any) -> ImageToImage:
        """A request that starts from an image."""
        return from_image(image, **self._usual(strength), **more)

    def of_mask(self, image: Pixels, mask: Mask, strength: float, **more: Any) -> Inpaint:
        """A request with a mask, too."""
        return inpaint(image, mask, **self._usual(strength), **more)

    def _usual(self, strength: float) -> dict[str, Any]:
        scale = self.info.guidance_scale
        return {
            "width": WIDTH,
            "height": HEIGHT,
            "steps": 4,
            "strength": strength,
            "guidance_scale": scale,
        }


@pytest.fixture(scope="module")
def model_of(tiny_models: Models) -> Callable[[str], Model]:
    """A model by its name; the last one is kept."""
    kept: dict[str, Model] = {}

    def model(name: str) -> Model:
        if name not in kept:
            kept.clear()
            kept[name] = Model(tiny_models(name))
        return kept[name]

    return model


def difference(one: Pixels, other: Pixels) -> float:
    """The mean difference in levels of 255."""
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


@pytest.mark.parametrize("name", names({**WITHOUT, **LAYOUTS}))
def test_strength_says_how_far_it_goes(
    model_of: Callable[[str], Model], picture: Pixels, name: str
) -> None:
    model = model_of(name)
    pipe = denoising_pipe(model.loaded.base)
    # What is lost by the autoencoder alone, which has random weights here, too.
    kept = decoded(pipe, encoded(pipe, [picture]))
    extra = EXTRA.get(name, 0)
    (little,) = model.run(model.of_image(picture, 0.02))
    assert (little.record.steps, little.record.steps_run) == (50, 1 + extra)
    (much,) = model.run(model.of_image(picture, 1.0))
    assert much.record.steps_run == 4 + extra
    assert model.steps == [(done + 1, 4 + extra) for done in range(4 + extra)]
    assert difference(little.image, kept) < difference(much.image, kept)
    assert difference(little.image, much.image) > 1


@pytest.mark.parametrize("name", names({**WITHOUT, "sana-sprint": False}))
def test_what_lies_outside_the_mask_is_the_source(
    model_of: Callable[[str], Model], picture: Pixels, right_half: Mask, name: str
) -> None:
    model = model_of(name)
    (made,) = model.run(model.of_mask(picture, right_half, 0.75))
    half = WIDTH // 2
    assert np.array_equal(made.image[:, :half], picture[:, :half])
    assert difference(made.image[:, half:], picture[:, half:]) > 1
    assert made.record.steps_run == 3 + EXTRA.get(name, 0)
    assert [text for text in made.record.warnings if "mask" in text] == []


@pytest.mark.parametrize("name", names({**WITHOUT, **WITH}))
def test_the_autoencoders_latents_are_those_that_it_decodes(
    model_of: Callable[[str], Model], picture: Pixels, name: str
) -> None:
    """To the scale: what is encoded and decoded by itself is what comes back."""
    import torch

    pipe = denoising_pipe(model_of(name).loaded.base)
    latents = encoded(pipe, [picture])
    assert latents.dtype == torch.float32
    once = decoded(pipe, latents)
    network: Any = autoencoder(pipe)
    low, high = (0, 1) if name == "cascade" else (-1, 1)
    unit = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
    pixels = low + unit * (high - low)
    with torch.no_grad():
        framed = pixels[:, :, None] if name == "qwen-image" else pixels
        out = network.encode(framed)
        mode = out.latent_dist.mode() if hasattr(out, "latent_dist") else next(iter(out.values()))
        options = {"force_not_quantize": True} if name.startswith("kandinsky") else {}
        back = network.decode(mode, return_dict=False, **options)[0].reshape(3, HEIGHT, WIDTH)
    expected = (((back - low) / (high - low)).clamp(0, 1) * 255).round().permute(1, 2, 0).numpy()
    assert np.abs(once.astype(float) - expected).max() <= 1


@pytest.mark.parametrize("strength", [0.5, 1.0])
@pytest.mark.parametrize("name", names(WITH))
def test_it_is_what_diffusers_own_image_to_image_gives(
    model_of: Callable[[str], Model],
    picture: Pixels,
    name: str,
    strength: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the mean of the source's latents, of which diffusers draws a sample."""
    import torch
    from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
    from PIL import Image

    monkeypatch.setattr(
        DiagonalGaussianDistribution, "sample", lambda self, generator=None: self.mode()
    )
    loaded = model_of(name).loaded
    shared: dict[str, Any] = {
        "guidance_scale": 3.0,
        "num_inference_steps": 4,
        "output_type": "np",
        "prompt": "a red house",
    }

    def call(pipe: Any, **more: Any) -> Any:
        generator = torch.Generator("cpu").manual_seed(7)
        return pipe(**shared, **more, generator=generator).images[0]

    pipe: Any = loaded.form("text")
    pipe.scheduler = type(loaded.scheduler).from_config(loaded.scheduler.config)
    request = from_image(
        picture, strength=strength, steps=4, width=WIDTH, height=HEIGHT, guidance_scale=1.0
    )
    with LatentStart(pipe, [request], 4).applied():
        ours = call(pipe, width=WIDTH, height=HEIGHT)
    own: Any = loaded.form("image")
    own.scheduler = type(loaded.scheduler).from_config(loaded.scheduler.config)
    sized = {} if name == "sdxl" else {"width": WIDTH, "height": HEIGHT}
    theirs = call(own, image=Image.fromarray(picture), strength=strength, **sized)
    assert np.abs(ours - theirs).max() < 2 / 255
    assert ours.std() > 0.01


@pytest.mark.parametrize("name", names({**WITHOUT, **WITH, **LAYOUTS}))
def test_the_last_preview_is_the_image(model_of: Callable[[str], Model], name: str) -> None:
    """At a size that is decoded whole; what a step leaves is scaled back as the pipeline does."""
    model = model_of(name)
    if "text" not in model.info.family.tasks:
        pytest.skip("paints from references alone")
    given = {"width": 128, "height": 128, "steps": 2, "guidance_scale": model.info.guidance_scale}
    (made,) = model.run(text(**given))
    assert len(model.previews) == 2
    if name == "lcm":  # which decodes what its last step foresees
        assert model.previews[-1].shape == made.image.shape
    else:
        assert difference(model.previews[-1], made.image) < 0.5
