"""Links to a job's files that need no key: signed, and good for a while."""

from __future__ import annotations

import hashlib
import hmac
import time
from urllib.parse import quote

from ninefold.server.problems import ForbiddenError


class Links:
    """Makes and checks signed links; servers with the same secret take each other's."""

    def __init__(self, secret: bytes, seconds: int) -> None:
        self._secret, self._seconds = secret, seconds

    def make(self, job_id: str, name: str) -> str:
        """The path of a link to a file."""
        expires = int(time.time()) + self._seconds
        signature = self._signature(job_id, name, expires)
        return f"{artifact_path(job_id, name)}?expires={expires}&signature={signature}"

    def check(self, job_id: str, name: str, expires: int, signature: str) -> None:
        """Raise `ForbiddenError` for a link that was not made here, or is too old."""
        expected = self._signature(job_id, name, expires)
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise ForbiddenError("signature: not one of this service. Ask for the link again.")
        if expires < time.time():
            raise ForbiddenError("expires: the link is too old. Ask for it again.")

    def _signature(self, job_id: str, name: str, expires: int) -> str:
        text = f"{job_id}\0{name}\0{expires}"
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()


def artifact_path(job_id: str, name: str) -> str:
    """Where a job's file is served."""
    return f"/v1/jobs/{quote(job_id)}/artifacts/{quote(name)}"
