"""What a record says of a stage, as far as it is read here: records may come from anybody."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from ninefold.core.errors import InputError
from ninefold.core.problems import problems_of
from ninefold.core.values import Json


class Facts(BaseModel):
    """Entries of a stage's metadata; what others it has is not looked at."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class NamedModel(Facts):
    """A model with the hash that it had, where it was known."""

    name: str
    hash: str | None = None


class ControlModel(Facts):
    """A control model, named by the stage's parameters."""

    hash: str


class DiffusionFacts(Facts):
    """The models of a stage that paints."""

    model_hash: str | None = None
    refiner_hash: str | None = None
    loras: list[NamedModel] = []
    embeddings: list[NamedModel] = []
    control: list[ControlModel] = []


class HelperFacts(Facts):
    """The models of all other stages."""

    detector: str = ""
    detector_hash: str | None = None
    upscalers: list[str] = []
    upscaler_hashes: list[str] = []
    matting: str = ""
    matting_hash: str | None = None


class PromptFacts(Facts):
    """What the prompt stage resolved."""

    prompt: str
    negative_prompt: str = ""
    seed: int
    loras: list[Json] = []


class OwnPromptFacts(Facts):
    """The choices that were made in a stage's own prompts."""

    own_prompts: dict[str, str] = {}


F = TypeVar("F", bound=Facts)


def read_facts(kind: type[F], entry: Json, step: str) -> F:
    """What `entry`, the record's of `step`, says; raises `InputError` for what none says."""
    try:
        return kind.model_validate(entry)
    except ValidationError as error:
        problems = "; ".join(problems_of(error, f"record.stages.{step}"))
        raise InputError(f"{problems} The record was not written by ninefold.") from None
