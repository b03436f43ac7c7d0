from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from ninefold.config import PipelineConfig
from ninefold.core.errors import InputError
from ninefold.files.decode import decode, decode_rgba
from ninefold.files.opening import ImageLimits
from ninefold.server.openai.schemas import (
    NOT_OFFERED,
    EditRequest,
    GenerationRequest,
    VariationRequest,
)
from ninefold.server.openai.sizes import plan_source
from ninefold.server.openai.translate import Ordered, edit, generation, variation
from ninefold.testing import fake_engines

INFO = fake_engines().diffusion.describe("poster")
LIMITS = ImageLimits(2**20, 2**20, 4096)


def generated(**asked: Any) -> Ordered:
    return generation(GenerationRequest(prompt="a house", **asked), None, INFO)


def edited(image: bytes, mask: bytes | None = None, **asked: Any) -> Ordered:
    return edit(EditRequest(prompt="a tree", **asked), None, INFO, image, mask, LIMITS)


def stages(ordered: Ordered) -> dict[str, dict[str, Any]]:
    """Parameters by stage; the config holds."""
    PipelineConfig.parse({"stages": list(ordered.order.stages)})
    return {item["stage"]: item.get("params", {}) for item in ordered.order.stages}


def png(width: int, height: int, hole: tuple[int, int, int, int] | None = None) -> bytes:
    """An opaque image, or one that is transparent in the hole."""
    image = Image.new("RGBA", (width, height), (90, 120, 150, 255))
    if hole is not None:
        image.paste((0, 0, 0, 0), hole)
    out = BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def test_a_transparent_source_is_laid_on_white() -> None:
    """As until now; opaque ones are sent on as they came."""
    source = png(64, 64, (0, 0, 20, 64))
    asked = VariationRequest()
    for ordered in (edited(source), variation(asked, None, INFO, source, LIMITS)):
        assert ordered.order.image is not None
        flat = decode_rgba(ordered.order.image.data)
        assert (flat[:, :20] == 255).all()
        assert (flat[:, 20:] == (90, 120, 150, 255)).all()
    opaque = png(64, 64)
    kept = edited(opaque).order.image
    assert kept is not None
    assert kept.data is opaque


@pytest.mark.parametrize("quality", ["low", "medium", "high"])
def test_a_transparent_background_cuts_the_subject_out_last(quality: str) -> None:
    for output_format in ("png", "webp", None):
        asked = {"quality": quality, "background": "transparent", "output_format": output_format}
        ordered = generated(**asked)
        assert list(stages(ordered))[-2:] == ["matte", "publisher"]
        assert ordered.background == "transparent"
    for background in ("auto", "opaque", None):
        ordered = generated(quality=quality, background=background)
        assert "matte" not in stages(ordered)
        assert ordered.background == "opaque"


def test_a_transparent_source_stays_so_where_that_is_asked_for() -> None:
    source = png(64, 64, (0, 0, 20, 64))
    asked = VariationRequest(background="transparent")
    for ordered in (
        edited(source, background="transparent"),
        variation(asked, None, INFO, source, LIMITS),
    ):
        assert list(stages(ordered))[-2:] == ["matte", "publisher"]
        assert ordered.order.image is not None
        assert ordered.order.image.data == source


# -- generations -----------------------------------------------------------------------------------


def test_what_is_given_goes_into_the_order() -> None:
    order = generated(n=3, seed=7, negative_prompt="rain").order
    assert (order.prompt, order.negative_prompt) == ("a house", "rain")
    assert (order.seed, order.count, order.warnings) == (7, 3, ())


@pytest.mark.parametrize(
    ("quality", "has", "lacks"),
    [
        ("low", [], ["refiner", "upscaler"]),
        (None, ["refiner", "upscaler"], ["restorer"]),
        ("standard", ["refiner", "upscaler"], ["restorer"]),
        ("high", ["refiner", "detailer", "upscaler", "restorer"], []),
        ("hd", ["refiner", "detailer", "upscaler", "restorer"], []),
    ],
)
def test_quality_chooses_the_preset(quality: str | None, has: list[str], lacks: list[str]) -> None:
    found = stages(generated(quality=quality))
    assert set(has) <= set(found)
    assert not set(lacks) & set(found)


@pytest.mark.parametrize("quality", ["low", "medium", "high"])
@pytest.mark.parametrize("side", [128, 512, 1024])
def test_size_is_kept_at_every_quality(quality: str, side: int) -> None:
    ordered = generated(quality=quality, size=f"{side}x{side}")
    found = stages(ordered)
    factor = found.get("upscaler", {}).get("upscale_factor", 1)
    assert found["text_to_image"]["width"] * factor == side
    assert ordered.size == (side, side)
    assert list(found)[-1] == "publisher"


def test_auto_leaves_the_size_to_the_preset() -> None:
    assert generated(size="auto", quality="low").size == INFO.native_size
    assert generated(quality="medium").size == tuple(2 * side for side in INFO.native_size)


def test_format_and_compression_go_to_the_publisher() -> None:
    params = stages(generated(output_format="webp", output_compression=0))["publisher"]
    assert (params["formats"], params["quality"]) == (["webp"], 1)
    assert "quality" not in stages(generated(output_compression=100))["publisher"]


def test_files_are_signed_where_the_preset_of_the_quality_signs() -> None:
    found = {
        quality: stages(generated(quality=quality))["publisher"]["sign"]
        for quality in ("low", "medium", "high", "auto")
    }
    assert found == {"low": False, "medium": True, "high": True, "auto": True}


def test_what_is_not_honoured_is_reported() -> None:
    style, complexity = generated(style="vivid", complexity="high").order.warnings
    assert style.startswith("style: ")
    assert complexity.startswith("complexity: ")
    assert edited(png(64, 64), complexity="low").order.warnings == (complexity,)


def test_null_says_nothing() -> None:
    fields = {*GenerationRequest.model_fields, *NOT_OFFERED} - {"prompt"}
    assert generated(**dict.fromkeys(fields)) == generated()


@pytest.mark.parametrize(
    ("asked", "links"),
    [
        ({}, False),
        ({"model": "poster"}, False),
        ({"model": "gpt-image-1"}, False),
        ({"model": "dall-e-2"}, True),
        ({"model": "dall-e-3"}, True),
        ({"model": "dall-e-3", "response_format": "b64_json"}, False),
        ({"model": "gpt-image-1", "response_format": "url"}, True),
    ],
)
def test_links_are_for_who_asks_and_for_dall_e(asked: dict[str, Any], links: bool) -> None:
    assert GenerationRequest(prompt="a house", **asked).wants_urls == links


@pytest.mark.parametrize(
    "asked",
    [
        {"prompt": ""},
        {"n": 0},
        {"n": 11},
        {"n": "2"},
        {"size": "big"},
        {"size": "0x512"},
        {"background": "clear"},
        {"background": "transparent", "output_format": "jpeg"},
        {"output_format": "gif"},
        {"output_compression": 50},
        {"partial_images": 2},
        {"stream": True, "n": 2},
        {"stream": True, "response_format": "url"},
        {"seed": -1},
        {"unheard_of": 1},
        *({name: 1} for name in NOT_OFFERED),
    ],
)
def test_what_cannot_be_done_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GenerationRequest(**{"prompt": "a house", **asked})


# -- edits -----------------------------------------------------------------------------------------


def test_a_masked_edit_paints_the_place_alone() -> None:
    ordered = edited(png(600, 401), png(600, 401, (100, 100, 200, 180)))
    assert ordered.size == (600, 401)
    assert list(stages(ordered)) == ["prompt", "detailer", "publisher"]
    assert ordered.order.mask is not None
    painted = decode(ordered.order.mask.data)
    expected = np.zeros((401, 600, 3), np.uint8)
    expected[100:180, 100:200] = 255
    assert np.array_equal(painted, expected)


def test_a_masked_edit_at_another_size_paints_the_whole() -> None:
    mask = png(600, 400, (100, 100, 200, 180))
    ordered = edited(png(600, 400), mask, size="512x512")
    found = stages(ordered)
    assert ordered.size == (512, 512)
    assert found["text_to_image"]["strength"] == 1.0
    assert found["upscaler"] == {"upscale_factor": 4.0}


@pytest.mark.parametrize(
    ("size", "painted"),
    [
        ((600, 400), (160, 112)),
        ((601, 399), (160, 112)),
        ((60, 40), (160, 112)),
        ((128, 128), (128, 128)),
        ((1000, 63), (512, 32)),  # the longest and the shortest side that the model can do
        ((1000, 1000), (128, 128)),
        ((1020, 1020), (128, 128)),
        ((1020, 1028), (128, 144)),  # never enlarged more than 8 times
    ],
)
@pytest.mark.parametrize("asked", [None, "auto"])
def test_an_edit_without_a_mask_keeps_the_size(
    size: tuple[int, int], painted: tuple[int, int], asked: str | None
) -> None:
    ordered = edited(png(*size), size=asked)
    found = stages(ordered)
    assert ordered.size == size
    assert ordered.order.mask is None
    params = found["text_to_image"]
    assert (params["width"], params["height"]) == painted
    last = found.get("upscaler", {"width": painted[0], "height": painted[1]})
    assert (last["width"], last["height"]) == size
    assert ("upscaler" in found) == (size != painted)


@pytest.mark.parametrize("size", [(8, 4096), (4090, 8), (2000, 8), (1, 1024)])
def test_a_source_of_a_shape_that_the_model_cannot_do_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match=r"image: expected at most \d+ times as long as wide"):
        edited(png(*size))


def test_a_source_larger_than_can_be_made_is_refused() -> None:
    with pytest.raises(InputError, match=r"poster can change at most 4096x4096 .* got 4097x4097"):
        plan_source(4097, 4097, INFO)
    assert plan_source(4096, 4096, INFO).factor == 8


def test_a_variation_needs_no_prompt() -> None:
    asked = VariationRequest(n=2)
    ordered = variation(asked, None, INFO, png(100, 80), LIMITS)
    found = stages(ordered)
    assert (ordered.size, ordered.order.prompt, ordered.order.count) == ((100, 80), "", 2)
    assert found["prompt"] == {"allow_blank": True}
    assert 0 < found["text_to_image"]["strength"] < 1
    assert asked.wants_urls
    assert not VariationRequest(response_format="b64_json").wants_urls
    large = variation(VariationRequest(size="512x512"), None, INFO, png(100, 80), LIMITS)
    assert large.size == (512, 512)


def test_fidelity_and_quality_choose_strength_and_steps() -> None:
    kept, free = (
        stages(edited(png(128, 128), input_fidelity=fidelity))["text_to_image"]
        for fidelity in ("high", "low")
    )
    assert kept["strength"] < free["strength"]
    steps = [
        stages(edited(png(128, 128), quality=quality))["text_to_image"]["steps"]
        for quality in ("low", "medium", "high")
    ]
    assert steps == sorted(set(steps))


@pytest.mark.parametrize(
    ("image", "mask", "reported"),
    [
        (b"no image", None, "image: expected PNG"),
        (b"", None, "image: expected PNG"),
        (png(64, 64), png(64, 65, (0, 0, 9, 9)), "mask: expected the image's size, 64x64"),
        (png(64, 64), png(64, 64), "mask: expected transparent pixels"),
        (png(64, 64), b"GIF89a", "mask: expected PNG"),
        (png(2000, 2000), None, "image: expected at most"),
    ],
)
def test_files_that_are_of_no_use_are_refused(
    image: bytes, mask: bytes | None, reported: str
) -> None:
    with pytest.raises(InputError, match=reported):
        edited(image, mask)
