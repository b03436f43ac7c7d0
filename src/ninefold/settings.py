"""Every setting of ninefold that does not concern one image: one frozen object, read once.

    settings = read_settings(Settings, flags={"port": 8080})

See `core.settings` for where they come from, and docs/reference/settings.md for the list.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    AfterValidator,
    Field,
    IPvAnyNetwork,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    StringConstraints,
    field_validator,
)

from ninefold.core.paths import Folder
from ninefold.engines.settings import EngineSettings
from ninefold.slots import MAX_PROMPT

#: Fewest characters of a secret.
_LEAST_SECRET = 32


def _hard_to_guess(value: SecretStr) -> SecretStr:
    if (length := len(value.get_secret_value())) < _LEAST_SECRET:
        raise ValueError(f"expected at least {_LEAST_SECRET} characters, got {length}")
    return value


#: Text that no message, log or representation shows.
Secret = Annotated[SecretStr, AfterValidator(_hard_to_guess)]


#: `name=value`.
_Pair = Annotated[str, StringConstraints(pattern=r"^\s*[^=,\s][^=,]*=\s*[^=,\s][^=,]*$")]


def _split(pair: str) -> tuple[str, str]:
    name, _, value = pair.partition("=")
    return name.strip(), value.strip()


class JobSettings(EngineSettings):
    """Settings of everything that touches jobs: where they lie, and how they are run."""

    database: str | None = Field(
        None, description="URL of the PostgreSQL database of jobs; by default a file in `data`."
    )
    concurrency: PositiveInt | None = Field(
        None,
        le=1024,
        description="Jobs that each worker on the database runs at a time; 8 where nobody says.",
    )
    grace: float = Field(
        30.0, ge=0, le=3600, description="Seconds that running steps have to finish at a stop."
    )
    cache_gb: float = Field(
        10.0, ge=0, lt=1e6, description="GiB that the stage cache may hold; 0 keeps none."
    )
    trust_anchors: Folder | None = Field(
        None,
        description="A PEM file of the certificates that `verify` trusts; by default it trusts "
        "none, and says so.",
    )

    @property
    def cache_bytes(self) -> int:
        """Bytes that the stage cache may hold."""
        return int(self.cache_gb * 2**30)


class Settings(JobSettings):
    """Settings of a server or worker: engines, jobs, admission and HTTP."""

    # -- the server ------------------------------------------------------------------------------

    host: str = Field("127.0.0.1", min_length=1, description="The address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="The port; 0 takes a free one.")
    worker: bool = Field(True, description="Run jobs in the server's process, too.")
    insecure: bool = Field(
        False,
        description="Serve whoever can reach the address for as long as no key was ever made. Not "
        "for a network.",
    )
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s?#]+$",
        description="Where clients reach the server, such as https://images.example; for links "
        "in answers behind a proxy.",
    )

    session_hours: PositiveFloat = Field(
        12.0, le=8760, description="How long a browser stays signed in."
    )

    # -- admission ---------------------------------------------------------------------------

    models: tuple[str, ...] = Field(
        (),
        description="Models that requests may name beside the built-in ones, with commas between: "
        "diffusion models, detectors, upscalers; names, folders or files.",
    )
    rate: PositiveFloat = Field(
        100.0, le=1e6, description="Requests a second for each key, on all servers together."
    )
    burst: PositiveInt = Field(
        200, le=10**6, description="Requests at once before `rate` holds a key back."
    )
    max_queued: PositiveInt = Field(
        10_000, description="Jobs that may wait and run, of all keys together."
    )
    max_queued_per_key: PositiveInt = Field(
        1000, description="Jobs that may wait and run, of one key."
    )
    max_group: PositiveInt = Field(100, le=10_000, description="Jobs in one group.")
    max_stages: PositiveInt = Field(32, description="Stages in one config.")
    max_prompt: PositiveInt = Field(4000, le=MAX_PROMPT, description="Characters of a prompt.")
    max_body: PositiveInt = Field(2**20, description="Bytes of a request without images.")
    max_image_bytes: PositiveInt = Field(
        16 * 2**20, le=2**27, description="Bytes of an uploaded image file."
    )
    max_image_pixels: PositiveInt = Field(
        2**24, le=2**26, description="Pixels of an uploaded image."
    )
    max_output_pixels: PositiveInt = Field(
        2**28, description="Pixels of all final images that one request asks for."
    )
    body_seconds: PositiveFloat = Field(
        30.0, description="Time that a request's headers and body may take to arrive."
    )
    uploads_hours: PositiveFloat = Field(
        24.0, description="How long an upload is kept that nobody deletes; jobs hold copies."
    )
    links_seconds: PositiveInt = Field(
        3600, le=7 * 86_400, description="How long a signed link to a file works."
    )

    # -- compatible doors ------------------------------------------------------------------------

    openai_models: tuple[_Pair, ...] = Field(
        (),
        description="Names that OpenAI's clients ask for and the models they get, such as "
        "gpt-image-1=poster, with commas between.",
    )

    @field_validator("openai_models")
    @classmethod
    def _one_model_each(cls, pairs: tuple[str, ...]) -> tuple[str, ...]:
        names = [name for name, _ in map(_split, pairs)]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"expected one model for each name, got several for {twice[0]}")
        return pairs

    @property
    def openai_aliases(self) -> dict[str, str]:
        """Models by the names that OpenAI's clients ask for."""
        return dict(map(_split, self.openai_models))

    # -- webhooks, metrics, traces ---------------------------------------------------------------

    webhook_secret: Secret | None = Field(
        None,
        description="At least 32 random characters, from which each key's secret for signing "
        "webhooks is made; by default some that lie in the database.",
    )
    webhook_secret_old: Secret | None = Field(
        None,
        description="The secret before this one: messages are signed with both while receivers "
        "change over.",
    )
    webhook_allow: tuple[IPvAnyNetwork, ...] = Field(
        (),
        description="Networks that webhooks may reach though they are not public, such as "
        "10.1.0.0/16, with commas between; only there without TLS, too.",
    )
    metrics_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="Serve a worker's metrics on this port of `metrics_host`; 0 takes a free one.",
    )
    metrics_host: str = Field(
        "127.0.0.1", min_length=1, description="The address that a worker's metrics listen on."
    )
