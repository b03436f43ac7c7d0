"""Who signs published files: the settings, and what signs."""

from __future__ import annotations

import re
from typing import Literal, Protocol, Self
from urllib.parse import urlsplit

from pydantic import Field, PositiveFloat, field_validator, model_validator

from ninefold.core.paths import Folder
from ninefold.core.settings import SettingsBase


class SigningKey(Protocol):
    """A private key, wherever it is kept, and the certificates that speak for it."""

    @property
    def certificates(self) -> str:
        """The chain as PEM, the key's own certificate first."""

    def sign(self, data: bytes) -> bytes:
        """The signature of `data`, in the scheme that suits the key of the first certificate:
        ECDSA (DER, or both numbers one after the other), RSA-PSS or Ed25519."""


class SigningSettings(SettingsBase):
    """The key that signs published files, and who confirms the time."""

    sign_certificate: Folder | None = Field(
        None,
        description="PEM file of the certificate that published files are signed with, followed by "
        "those that vouch for it; by default ninefold makes one, which nobody trusts.",
    )
    sign_key: Folder | None = Field(
        None, description="PEM file of the certificate's private key, without a passphrase."
    )
    sign_command: str | None = Field(
        None,
        min_length=1,
        description="In place of `sign_key`: a command that reads the bytes to be signed and "
        "writes the signature, for keys that are kept elsewhere.",
    )
    sign_seconds: PositiveFloat = Field(
        30.0, le=600, description="How long `sign_command` may take."
    )
    timestamp_url: str | None = Field(
        None,
        description="A time stamp authority (RFC 3161) that confirms when files were signed.",
    )
    timestamp_policy: Literal["prefer", "require"] = Field(
        "prefer",
        description="What happens where no time stamp can be had: `prefer` signs without one and "
        "warns, `require` leaves the file out.",
    )
    timestamp_seconds: PositiveFloat = Field(
        10.0, le=25, description="How long the time stamp authority may take."
    )

    @field_validator("timestamp_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        # A pattern of pydantic's would show what does not fit, password and all.
        if value is not None and not _is_address(value):
            raise ValueError(
                "expected an address such as https://tsa.example.com, without a user name or "
                "password, got something else"
            )
        return value

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        given = [name for name in ("sign_key", "sign_command") if getattr(self, name) is not None]
        if self.sign_certificate is None and given:
            raise ValueError(
                f"{given[0]}: expected sign_certificate beside it, got none; name its PEM file"
            )
        if self.sign_certificate is not None and len(given) != 1:
            raise ValueError(
                "sign_certificate: expected sign_key or sign_command beside it, got "
                f"{'both' if given else 'none'}; set one of them"
            )
        return self


def _is_address(text: str) -> bool:
    if not re.fullmatch(r"https?://[^\s/@?#]+([/?]\S*)?", text):
        return False
    try:
        parts = urlsplit(text)
        return bool(parts.hostname) and parts.port != 0  # asking for them raises what is wrong
    except ValueError:
        return False
