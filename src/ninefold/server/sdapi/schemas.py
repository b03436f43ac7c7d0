"""Requests of AUTOMATIC1111's API, with its names and defaults.

Source: `modules/api/models.py` and `modules/processing.py` of stable-diffusion-webui. Clients send
more than a server knows; what is not a field here is reported as a warning.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from ninefold.server.json_values import check_json
from ninefold.slots import MAX_PROMPT, MAX_SEED

_Text = Annotated[str, Field(max_length=MAX_PROMPT)]
_Name = Annotated[str, Field(max_length=200)]
_Name_ = _Name | None
_Side = Annotated[int, Field(ge=0, le=8192)]
#: An image in base64, alone or as a data URL.
_Image = Annotated[str, Field(max_length=2**28)]

_EXAMPLE: dict[str, Any] = {
    "prompt": "a red house in snowy mountains",
    "steps": 8,
    "seed": 7,
    "width": 256,
}


_NULL = {"type": "null"}
#: What a JSON schema says of a value beside which it may be.
_ANNOTATIONS = ("default", "description", "title")


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _nulls_left_out(cls, data: Any) -> Any:
        """Clients send null for what they leave to the server. What is no field is repeated in
        the answer, so it must be what JSON can hold."""
        if not isinstance(data, dict):
            return data
        check_json(data, finite=False)
        return {name: value for name, value in data.items() if value is not None}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Null may stand wherever a value may be left out."""
        schema = handler(core_schema)
        resolved = handler.resolve_ref_schema(schema)
        for name, field in resolved["properties"].items():
            kinds = field.get("anyOf") or [
                {key: field.pop(key) for key in tuple(field) if key not in _ANNOTATIONS}
            ]
            if name not in resolved.get("required", ()) and _NULL not in kinds:
                kinds = [*kinds, _NULL]
            field |= {"anyOf": kinds} if len(kinds) > 1 else kinds[0]
        return schema

    @property
    def unknown(self) -> tuple[str, ...]:
        """Names that are no fields."""
        return tuple(self.model_extra or ())


class Processing(_Request):
    """What txt2img and img2img have in common."""

    prompt: _Text = Field("", description="What to show.")
    negative_prompt: _Text = ""
    styles: list[_Name] | None = Field(None, description="None are at hand: must be empty.")
    seed: int | None = Field(-1, lt=MAX_SEED, description="Below 0: a random one.")
    subseed: int | None = -1
    subseed_strength: float | None = 0
    seed_resize_from_h: int | None = -1
    seed_resize_from_w: int | None = -1
    sampler_name: _Name_ = Field(None, description="One of `samplers`.")
    sampler_index: _Name_ = Field(None, description="The same, by its old name.")
    scheduler: _Name_ = Field(None, description="One of `schedulers`.")
    batch_size: int = Field(1, ge=1, le=100)
    n_iter: int = Field(1, ge=1, le=100)
    steps: int | None = Field(None, ge=1, le=200, description="By default the model's own number.")
    cfg_scale: float | None = Field(None, ge=0, le=30)
    width: _Side | None = None
    height: _Side | None = None
    restore_faces: bool | None = Field(None, description="Paint faces again, by a detailer.")
    tiling: bool | None = None
    do_not_save_samples: bool = False
    do_not_save_grid: bool = False
    eta: float | None = None
    denoising_strength: float | None = Field(None, ge=0, le=1)
    s_churn: float | None = None
    s_tmax: float | None = None
    s_tmin: float | None = None
    s_noise: float | None = None
    s_min_uncond: float | None = None
    seed_enable_extras: bool | None = None
    disable_extra_networks: bool | None = None
    comments: dict[str, Any] | None = None
    override_settings: dict[str, Any] | None = None
    override_settings_restore_afterwards: bool = True
    refiner_checkpoint: _Name_ = None
    refiner_switch_at: float | None = Field(None, ge=0, le=1)
    infotext: str | None = Field(
        None,
        max_length=20_000,
        description="Settings as `png-info` gives them, for what the request leaves out.",
    )
    script_name: _Name_ = None
    script_args: list[Any] | None = None
    send_images: bool = True
    save_images: bool = False
    alwayson_scripts: dict[str, Any] | None = None
    force_task_id: _Name_ = Field(
        None, description="Names the request for progress, interrupt and skip."
    )

    @property
    def count(self) -> int:
        """How many images."""
        return self.batch_size * self.n_iter


class Txt2ImgRequest(Processing):
    """Images from text."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    enable_hr: bool = False
    firstphase_width: _Side = 0
    firstphase_height: _Side = 0
    hr_scale: float = Field(2.0, ge=1, le=8)
    hr_upscaler: _Name_ = None
    hr_second_pass_steps: int = Field(0, ge=0, le=200)
    hr_resize_x: _Side = 0
    hr_resize_y: _Side = 0
    hr_checkpoint_name: _Name_ = None
    hr_sampler_name: _Name_ = None
    hr_scheduler: _Name_ = None
    hr_prompt: _Text = ""
    hr_negative_prompt: _Text = ""


class Img2ImgRequest(Processing):
    """Images from an image, or a place in it painted again."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**_EXAMPLE, "init_images": ["iVBORw0KGgo..."]}]}
    )

    init_images: list[_Image] = Field(
        [], max_length=16, description="Images in base64; each makes one of a batch."
    )
    resize_mode: int = Field(
        0, ge=0, le=3, description="0 stretches, 1 crops, 2 fills, 3 is taken for 0."
    )
    mask: _Image | None = Field(None, description="White where to paint.")
    mask_blur: float | None = Field(None, ge=0, le=128, description="Sigma in pixels; 4.")
    mask_blur_x: float | None = Field(None, ge=0, le=128, description="Where mask_blur is not.")
    mask_blur_y: float | None = Field(None, ge=0, le=128)
    mask_round: bool | None = None
    inpainting_fill: int = Field(
        0, ge=0, le=3, description="0 starts from the colours around, 1 from the image itself."
    )
    inpaint_full_res: bool | int = Field(True, description="Paint the masked place alone.")
    inpaint_full_res_padding: int = Field(0, ge=0, le=4096, description="Pixels around it.")
    inpainting_mask_invert: int = Field(0, ge=0, le=1)
    initial_noise_multiplier: float | None = None
    image_cfg_scale: float | None = Field(None, description="For models that edit by instruction.")
    include_init_images: bool = False


class _Extras(_Request):
    resize_mode: int = Field(
        0, ge=0, le=1, description="0 by upscaling_resize, 1 to upscaling_resize_w and _h."
    )
    show_extras_results: bool = True
    gfpgan_visibility: float = Field(0, ge=0, le=1)
    codeformer_visibility: float = Field(0, ge=0, le=1)
    codeformer_weight: float = Field(0, ge=0, le=1)
    upscaling_resize: float = Field(2.0, ge=1, le=8)
    upscaling_resize_w: int = Field(512, ge=1, le=16384)
    upscaling_resize_h: int = Field(512, ge=1, le=16384)
    upscaling_crop: bool = True
    upscaler_1: _Name = Field("None", description="One of `upscalers`.")
    upscaler_2: _Name = "None"
    extras_upscaler_2_visibility: float = Field(0, ge=0, le=1)
    upscale_first: bool = False


class ExtrasRequest(_Extras):
    """An image to be enlarged."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"image": "iVBORw0KGgo...", "upscaler_1": "2x"}]}
    )

    image: _Image


class ListedImage(BaseModel):
    """One image of several."""

    data: _Image
    name: _Name = ""


class ExtrasBatchRequest(_Extras):
    """Images to be enlarged."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"imageList": [{"data": "iVBORw0KGgo..."}], "upscaler_1": "2x"}]
        }
    )

    imageList: list[ListedImage] = Field(min_length=1, max_length=100)  # noqa: N815 - their name


class InterrogateRequest(_Request):
    """An image to be described."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"image": "iVBORw0KGgo..."}]})

    image: _Image
    model: _Name = "clip"


class PngInfoRequest(BaseModel):
    """An image whose text is to be read."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"image": "iVBORw0KGgo..."}]})

    image: _Image


class OptionsRequest(BaseModel):
    """Options to set: the model; all else must stay as it is."""

    model_config = ConfigDict(
        extra="allow", json_schema_extra={"examples": [{"sd_model_checkpoint": "poster"}]}
    )

    sd_model_checkpoint: _Name_ = None
