"""Signatures as Standard Webhooks has them: https://www.standardwebhooks.com."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

PREFIX = "whsec_"
#: Says what a derived secret is for: another use of the same master gives others.
_PURPOSE = b"ninefold webhooks 1\0"


def derive(master: bytes, owner: str | None) -> str:
    """The secret that an API key's receivers verify with, `whsec_` and Base64 of 32 bytes.

    One master gives every key a secret of its own, and none is stored. `owner` None is whoever
    submits without a key.
    """
    who = b"" if owner is None else b"\1" + owner.encode()
    digest = hmac.digest(master, _PURPOSE + who, hashlib.sha256)
    return PREFIX + base64.b64encode(digest).decode()


def headers(secrets: Sequence[str], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of a message; `timestamp` is in seconds since the epoch.

    Several secrets give several signatures, of which a receiver needs to know one: so secrets are
    changed without a message lost.
    """
    signed = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(_signature(secret, signed) for secret in secrets),
    }


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
