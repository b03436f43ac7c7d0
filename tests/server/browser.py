"""A browser that is signed in."""

from __future__ import annotations

from http.cookies import Morsel, SimpleCookie

import httpx2 as httpx

from tests.server.conftest import JOB


class Browser:
    """A client with cookies, signed in with a key."""

    def __init__(self, client: httpx.Client, key: str) -> None:
        self.client, self.key = client, key
        self.answer = client.post("/v1/session", json={"key": key})
        assert self.answer.status_code == 201, self.answer.text
        self.document = self.answer.json()
        self.csrf = {"X-CSRF-Token": self.document["csrf_token"]}

    @property
    def cookie(self) -> Morsel[str]:
        """The cookie as it was set."""
        return cookie_of(self.answer)

    def submit(self) -> httpx.Response:
        """Submit a job."""
        return self.client.post("/v1/jobs", json=JOB, headers=self.csrf)

    def status(self) -> int:
        """Whether it is served."""
        return self.client.get("/v1/jobs").status_code


def cookie_of(answer: httpx.Response) -> Morsel[str]:
    """The session's cookie that an answer sets."""
    return SimpleCookie(answer.headers["Set-Cookie"])["ninefold_session"]
