"""Requests and answers of OpenAI's images API, as its client library types them.

Source: `openai.types`, the modules image_generate_params, image_edit_params and images_response.
Fields of ours: `seed` and `negative_prompt`; in answers `seed`, `job_id` and `warnings`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from fastapi import UploadFile
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ninefold.server.json_values import check_json
from ninefold.slots import MAX_PROMPT, MAX_SEED

Quality = Literal["low", "medium", "high"]
OutputFormat = Literal["png", "jpeg", "webp"]

Background = Literal["opaque", "transparent"]

#: What `quality` may say, by what it means here.
QUALITIES: dict[str, Quality] = {
    "low": "low",
    "auto": "medium",
    "standard": "medium",
    "medium": "medium",
    "high": "high",
    "hd": "high",
    "xhigh": "high",
    "max": "high",
}
#: What is taken and not done, with the remedy that the answer's warning names.
NOT_HONOURED = {"style": "say it in the prompt.", "complexity": "quality chooses the effort."}
#: What OpenAI offers and ninefold does not, with why it is refused.
NOT_OFFERED = {
    "frame_count": "expected none, for images are still, but got one. Leave it out.",
    "frame_duration_ms": "expected none, for images are still, but got one. Leave it out.",
    "svg": "expected none, for images are made of pixels, but got one. Leave it out.",
    "markup": "expected none, but got one. Say where to edit with mask.",
}
MAX_IMAGES = 10
MAX_PARTIAL_IMAGES = 3


_SIZE = re.compile(r"auto|[1-9]\d{1,4}x[1-9]\d{1,4}")


def _size(value: str | None) -> str | None:
    if value is not None and not _SIZE.fullmatch(value):
        raise ValueError(
            f"expected WIDTHxHEIGHT in pixels, such as 1024x1024, or auto, got {value[:40]!r}"
        )
    return value


class ImageRequest(BaseModel):
    """What generations and edits have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str = Field(min_length=1, max_length=MAX_PROMPT, description="What to show.")
    model: str | None = Field(
        None, max_length=200, description="One of `GET /v1/models`; by default the service's own."
    )
    n: int | None = Field(None, ge=1, le=MAX_IMAGES, description="How many images; 1 by default.")
    size: Annotated[str | None, AfterValidator(_size)] = Field(
        None,
        description="WIDTHxHEIGHT in pixels, or auto.",
        json_schema_extra={"pattern": f"^({_SIZE.pattern})$"},
    )
    quality: Literal["auto", "low", "medium", "high", "standard", "hd", "xhigh", "max"] | None = (
        Field(None, description="low: draft; medium, auto, standard: standard; the others: full.")
    )
    background: Literal["auto", "opaque", "transparent"] | None = Field(
        None,
        description="transparent cuts the subject out, in png and webp; the others are opaque.",
    )
    response_format: Literal["b64_json", "url"] | None = Field(
        None,
        description="The image itself, or a signed link that expires; by default the link for "
        "models that are asked for as dall-e-2 and dall-e-3, as their clients expect.",
    )
    output_format: OutputFormat | None = Field(None, description="png by default.")
    output_compression: int | None = Field(
        None, ge=0, le=100, description="Quality of jpeg and webp; 100 is the best."
    )
    stream: bool | None = Field(None, description="Answer with server-sent events.")
    partial_images: int | None = Field(
        None, ge=0, le=MAX_PARTIAL_IMAGES, description="Most previews in a stream."
    )
    complexity: Literal["low", "medium", "high"] | None = Field(
        None, description="Not honoured; say it by `quality`."
    )
    user: str | None = Field(None, description="Not used.")
    safety_identifier: str | None = Field(None, description="Not used.")
    seed: int | None = Field(
        None, ge=0, lt=MAX_SEED, description="Fixes the noise; images after the first count on."
    )
    negative_prompt: str | None = Field(
        None, max_length=MAX_PROMPT, description="What not to show."
    )

    @model_validator(mode="after")
    def _can_be_streamed(self) -> Self:
        if self.stream and (self.n or 1) > 1:
            raise ValueError(
                f"n: expected 1 with stream, got {self.n}. Send one request for each image."
            )
        if self.stream and self.response_format == "url":
            raise ValueError("response_format: expected b64_json with stream, got url.")
        if self.partial_images and not self.stream:
            raise ValueError("partial_images: got it without stream. Add stream: true.")
        if self.is_transparent and self.output_format == "jpeg":
            raise ValueError(
                "background: expected output_format png or webp with transparent, got jpeg, which "
                "holds no transparency."
            )
        if (self.output_format or "png") == "png" and self.output_compression not in (None, 100):
            raise ValueError(
                "output_compression: expected with jpeg or webp, got png, which loses nothing."
            )
        return self

    @model_validator(mode="before")
    @classmethod
    def _is_offered(cls, given: Any) -> Any:
        """Refuse what OpenAI knows and ninefold does not, with the reason; null says nothing."""
        if not isinstance(given, Mapping):
            return given
        check_json(dict(given))
        if found := [name for name in NOT_OFFERED if given.get(name) not in (None, "")]:
            raise ValueError(f"{found[0]}: {NOT_OFFERED[found[0]]}")
        return {name: value for name, value in given.items() if name not in NOT_OFFERED}

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is asked for and will not be done."""
        asked = {name: getattr(self, name, None) for name in NOT_HONOURED}
        return tuple(
            f"{name}: is not honoured; {NOT_HONOURED[name]}"
            for name, value in asked.items()
            if value is not None
        )

    @property
    def wants_urls(self) -> bool:
        """Whether the answer is links; otherwise it is the images themselves."""
        if self.response_format is None:
            return (self.model or "").startswith("dall-e-")
        return self.response_format == "url"

    @property
    def is_transparent(self) -> bool:
        """Whether the subject is to be cut out."""
        return self.background == "transparent"

    @property
    def final_format(self) -> OutputFormat:
        """The format that was asked for."""
        return self.output_format or "png"

    @property
    def final_quality(self) -> Quality:
        """The quality that was asked for."""
        return QUALITIES[self.quality or "auto"]

    @property
    def final_size(self) -> tuple[int, int] | None:
        """Width and height that were asked for, in pixels; None leaves them to the service."""
        if self.size in (None, "auto"):
            return None
        width, _, height = str(self.size).partition("x")
        return int(width), int(height)


class GenerationRequest(ImageRequest):
    """Images from a prompt."""

    model_config = ConfigDict(
        strict=True,
        json_schema_extra={
            "examples": [{"prompt": "a red house in snowy mountains", "size": "512x512", "seed": 7}]
        },
    )

    moderation: Literal["auto", "low"] | None = Field(
        None, description="Not used: the service does not moderate."
    )
    style: Literal["vivid", "natural"] | None = Field(
        None, description="Not honoured; say it in the prompt."
    )


class EditRequest(ImageRequest):
    """An image changed by a prompt, as a multipart form, which says nothing by an empty field."""

    image: list[UploadFile] = Field([], description="The image; PNG, JPEG, WebP or AVIF.")
    images: list[UploadFile] = Field(
        [], alias="image[]", description="The same, as clients send a list of one."
    )
    mask: UploadFile | None = Field(
        None, description="Transparent where to edit; of the image's size."
    )
    input_fidelity: Literal["high", "low"] | None = Field(
        None, description="high keeps more of the source image."
    )


class VariationRequest(ImageRequest):
    """Another image like one that is sent, as a multipart form."""

    prompt: str = Field("", max_length=MAX_PROMPT, description="Not needed; what to show.")
    image: list[UploadFile] = Field([], description="The image; PNG, JPEG, WebP or AVIF.")
    images: list[UploadFile] = Field([], alias="image[]", description="The same.")
    stream: Literal[False] | None = Field(None, description="Variations are not streamed.")

    @property
    def wants_urls(self) -> bool:
        """As the API has it: links, unless images are asked for."""
        return self.response_format != "b64_json"


class ImageDocument(BaseModel):
    """One image."""

    b64_json: str | None = None
    url: str | None = None
    seed: int | None = Field(description="What makes this very image again.")
    job_id: str = Field(description="Its job, for `GET /v1/jobs/{id}`.")


class TokensDocument(BaseModel):
    """Tokens of images and text."""

    image_tokens: int = 0
    text_tokens: int = 0


class UsageDocument(BaseModel):
    """Nothing is counted in tokens here; clients expect the fields."""

    input_tokens: int = 0
    input_tokens_details: TokensDocument = TokensDocument()
    output_tokens: int = 0
    output_tokens_details: TokensDocument = TokensDocument()
    total_tokens: int = 0


class ImagesDocument(BaseModel):
    """The images that were asked for."""

    created: int
    data: list[ImageDocument]
    background: Background
    output_format: OutputFormat
    quality: Quality
    size: str = Field(description="Of every image, in pixels.")
    usage: UsageDocument = UsageDocument()
    warnings: list[str] = Field(description="What was asked for and not done, or went wrong.")


class OpenAIError(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class OpenAIErrorDocument(BaseModel):
    """An error in OpenAI's form."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "error": {
                        "message": "size: poster cannot make 1000x701. The nearest is 1040x728.",
                        "type": "invalid_request_error",
                        "param": "size",
                        "code": None,
                    }
                }
            ]
        }
    )

    error: OpenAIError
