"""What an extras request becomes: upscaling by a factor or to a size."""

from __future__ import annotations

from typing import Any

import pytest

from ninefold.core.errors import ConfigError
from ninefold.server.blocking_requests import ImageOrder
from ninefold.server.sdapi.extras import extras
from ninefold.server.sdapi.schemas import ExtrasRequest
from tests.server.sdapi.orders import LIMITS, SHELF, b64, names, params, plain


def enlarged(**asked: Any) -> ImageOrder:
    request = ExtrasRequest(image=b64(plain(200, 150)), **asked)
    return extras(request, request.image, "image", SHELF, LIMITS)


def test_extras_enlarge() -> None:
    order = enlarged(upscaler_1="4x", upscaling_resize=3)
    assert names(order) == ["upscaler", "publisher"]
    assert params(order, "upscaler") == {"upscale_factor": 3.0, "upscaler": "4x"}
    assert names(enlarged(upscaling_resize=3)) == ["publisher"]


def test_extras_to_a_size() -> None:
    order = enlarged(upscaler_1="4x", resize_mode=1, upscaling_resize_w=400, upscaling_resize_h=400)
    assert params(order, "upscaler") == {"width": 400, "height": 400, "upscaler": "4x"}
    whole = enlarged(
        upscaler_1="4x", resize_mode=1, upscaling_resize_w=400, upscaling_resize_h=400,
        upscaling_crop=False,
    )  # fmt: skip
    assert params(whole, "upscaler") == {"width": 400, "height": 300, "upscaler": "4x"}
    assert "became 400x300" in whole.warnings[0]


@pytest.mark.parametrize(("name", "ours"), [("Lanczos", "lanczos"), ("Nearest", "nearest")])
def test_extras_by_a_filter(name: str, ours: str) -> None:
    assert params(enlarged(upscaler_1=name), "upscaler")["upscaler"] == ours


@pytest.mark.parametrize(
    "asked",
    [
        {"upscaler_1": "LDSR"},
        {"gfpgan_visibility": 0.5},
        {"upscaler_2": "2x", "extras_upscaler_2_visibility": 0.5},
        {"upscaler_1": "2x", "resize_mode": 1, "upscaling_resize_w": 1700},
    ],
)
def test_extras_refuse_what_they_cannot_do(asked: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        enlarged(**asked)
