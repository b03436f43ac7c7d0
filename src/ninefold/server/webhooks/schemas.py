"""What requests say of webhooks, and what answers say of their messages."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ninefold.server.webhooks.sending import MAX_URL, Target


def _usable(url: str) -> str:
    Target.parse(url)
    return url


class WebhookRequest(BaseModel):
    """Where to announce that a job or a group has ended."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Annotated[str, AfterValidator(_usable)] = Field(
        max_length=MAX_URL,
        pattern=r"^[Hh][Tt][Tt][Pp][Ss]?://",
        description="An https:// URL at a public address.",
        examples=["https://example.com/hooks/ninefold"],
    )

    @property
    def target(self) -> Target:
        """The URL in its parts."""
        return Target.parse(self.url)


class WebhookMessage(BaseModel):
    """The message of a job's or group's webhook, and how its delivery stands."""

    id: str = Field(description="The `webhook-id` of every try.")
    job: str | None = None
    group: str | None = None
    host: str = Field(description="Where it goes; the rest of the URL may be secret.")
    state: Literal["waiting", "due", "delivered", "failed"] = Field(
        description="`waiting` until the job has ended, `due` until a receiver accepts it, "
        "`failed` after the last try."
    )
    tries: int
    status: int | None = Field(None, description="The receiver's last answer.")
    error: str | None = Field(None, description="Why the last try brought no answer.")
    next_at: str | None = Field(None, description="When the next try is due.")
    delivered_at: str | None = None


class WebhookList(BaseModel):
    """Messages of webhooks."""

    webhooks: list[WebhookMessage]


class WebhookSecret(BaseModel):
    """What a receiver verifies signatures with."""

    secret: str = Field(description="`whsec_` and Base64, as Standard Webhooks has it.")
