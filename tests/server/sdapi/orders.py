"""What a request became, and pictures to send with one."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ninefold.config import PipelineConfig
from ninefold.core.errors import ConfigError
from ninefold.engines.control import CONTROL
from ninefold.files.opening import ImageLimits
from ninefold.server.blocking_requests import ImageOrder
from ninefold.server.sdapi.model_catalog import ModelCatalog
from ninefold.server.sdapi.schemas import Txt2ImgRequest
from ninefold.server.sdapi.translate import txt2img
from ninefold.testing import fake_engines

ENGINES = fake_engines()
SHELF = ModelCatalog(
    ["poster", "other.safetensors"],
    ["detector"],
    ["2x", "4x", "lanczos", "nearest"],
    lambda name: ENGINES.diffusion.describe("poster"),
    labels=ENGINES.detection.labels,
    controls=ENGINES[CONTROL].models(),
    modes=lambda name: ENGINES[CONTROL].info(name).modes,
)
LIMITS = ImageLimits(2**20, 2**20, 4096)


def drawn(**asked: Any) -> ImageOrder:
    """What a txt2img request becomes."""
    return txt2img(Txt2ImgRequest(**{"prompt": "a house", **asked}), SHELF, LIMITS)


def problems(**asked: Any) -> str:
    """What a txt2img request is refused for."""
    with pytest.raises(ConfigError) as reported:
        drawn(**asked)
    return str(reported.value)


def stages(order: ImageOrder) -> list[tuple[str, dict[str, Any]]]:
    """Names and parameters; the config holds."""
    PipelineConfig.parse({"stages": list(order.stages)})
    return [(item["stage"], item.get("params", {})) for item in order.stages]


def names(order: ImageOrder) -> list[str]:
    return [name for name, _ in stages(order)]


def params(order: ImageOrder, stage: str) -> dict[str, Any]:
    return dict(stages(order))[stage]


def plain(width: int, height: int, colour: tuple[int, ...] = (80, 120, 60)) -> Image.Image:
    return Image.new("RGB", (width, height), colour)


def b64(image: Image.Image, data_url: bool = False) -> str:
    out = BytesIO()
    text_chunks = PngInfo()
    for name, value in image.info.items():
        text_chunks.add_text(str(name), str(value))
    image.save(out, "PNG", pnginfo=text_chunks)
    text = base64.b64encode(out.getvalue()).decode()
    return f"data:image/png;base64,{text}" if data_url else text
