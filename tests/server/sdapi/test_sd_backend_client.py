"""The `sd-backend-client` package against a server process over the fake engines."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image
from sd_backend_client import A1111Webservice
from sd_backend_client.api.detect import connect_to_backend
from sd_backend_client.api.shared_data.generation_handle import GenerationError, GenerationStatus
from sd_backend_client.api.webui.diffusion_request_body import DiffusionRequestBody
from sd_backend_client.errors import AuthError, ServerError

from tests.server.doors import PATIENCE, Served, opened, picture_file, served


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("sdbackend"), engines={"steps_delay": 0.05}) as found:
        yield found


@pytest.fixture
def backend(here: Served) -> Iterator[Any]:
    """A client that finds out by itself what the server is, and that it wants Basic."""
    found = connect_to_backend(here.url, credentials_provider=lambda: ("any", here.key))
    assert isinstance(found, A1111Webservice)
    yield found
    found.disconnect()


def body(**given: Any) -> Any:
    return DiffusionRequestBody(prompt="a red house", steps=4, width=128, height=96, **given)


def test_a_wrong_key_is_told_apart(here: Served) -> None:
    with pytest.raises(AuthError):
        connect_to_backend(here.url, credentials_provider=lambda: ("any", "nf_wrong"))


def test_images_are_made(backend: Any) -> None:
    result = backend.submit_txt2img(body(seed=7, batch_size=2)).wait(PATIENCE)
    assert [image.size for image in result.images] == [(128, 96)] * 2
    assert result.seeds == [7, 8]
    assert result.raw_info.sampler_name == "Euler a"
    assert result.raw_info.sd_model_name == "poster"


def test_an_image_is_changed_and_inpainted(backend: Any) -> None:
    source = opened(picture_file(128, 96))
    mask = Image.new("L", source.size, 0)
    mask.paste(255, (40, 30, 80, 60))
    given = body(init_images=[source], denoising_strength=0.5)
    assert backend.submit_img2img(given).wait(PATIENCE).images[0].size == (128, 96)
    given = body(init_images=[source], mask=mask, inpaint_full_res=True, mask_blur_x=2)
    (image,) = backend.submit_inpaint(given).wait(PATIENCE).images
    assert image.convert("RGB").getpixel((5, 5)) == source.getpixel((5, 5))


def test_an_image_is_enlarged(backend: Any) -> None:
    source = opened(picture_file(64, 48))
    result = backend.submit_upscale(source, 200, 150).wait(PATIENCE)
    assert result.images[0].size == (200, 150)


def test_one_that_waits_here_can_be_cancelled(backend: Any) -> None:
    first, second = (backend.submit_txt2img(body()) for _ in range(2))
    assert second.cancel()
    with pytest.raises(GenerationError) as reported:
        second.wait(PATIENCE)
    assert reported.value.status is GenerationStatus.CANCELLED
    assert len(first.wait(PATIENCE).images) == 1


def test_one_that_runs_can_be_cancelled(here: Served, backend: Any) -> None:
    handle = backend.submit_txt2img(body(n_iter=40))
    end = time.monotonic() + PATIENCE
    while handle.poll().status is not GenerationStatus.ACTIVE:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert handle.cancel()
    with pytest.raises(GenerationError) as reported:
        handle.wait(PATIENCE)
    assert reported.value.status is GenerationStatus.CANCELLED
    assert "cancelled" in {job["status"] for job in here.jobs()}
    assert backend.progress_check().state.job_count == 0
    assert len(backend.submit_txt2img(body()).wait(PATIENCE).images) == 1


def test_what_it_looks_up(backend: Any) -> None:
    able = backend.get_capabilities()
    assert able.scheduler
    assert not able.ultimate_upscale
    assert not able.soft_inpainting
    assert [item.name for item in backend.list_checkpoints()] == ["poster"]
    assert [item.name for item in backend.list_loras()] == ["sketch"]
    assert {"Lanczos", "2x"} <= {item.name for item in backend.list_upscalers()}
    assert "euler_ancestral" in {item.name for item in backend.list_samplers()}
    assert backend.list_schedulers()
    for empty in (
        backend.list_vaes, backend.list_hypernetworks,
        backend.get_styles, backend.get_latent_upscale_modes,
        backend.get_soft_inpainting_parameters,
    ):  # fmt: skip
        assert empty() == []
    assert isinstance(backend.get_controlnet_version(), int)
    assert backend.get_controlnet_settings() == {"control_net_unit_count": 8}
    assert len(backend.list_controlnet_models()) == 3
    assert len(backend.get_controlnet_preprocessors()) > 2
    assert backend.get_controlnet_type_categories() is not None
    assert {item.name for item in backend.get_script_info()} == {
        "adetailer",
        "controlnet",
        "sd upscale",
    }
    backend.refresh_checkpoints()
    backend.refresh_vae()
    backend.refresh_loras()
    assert backend.set_config({"send_seed": False}) is None
    assert backend.get_config()["send_seed"] is False


def test_a_picture_that_tells_its_prompt_is_described(backend: Any) -> None:
    (made,) = backend.submit_txt2img(body()).wait(PATIENCE).images
    with pytest.raises(ServerError, match="no model at hand describes images"):
        backend.interrogate(Image.new("RGB", (8, 8)))
    assert made.info["parameters"].startswith("a red house")
