"""`/v1/content_provenance_checks`: OpenAI's client, limits, and who learns what."""

from __future__ import annotations

import asyncio
import io
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import openai
import pytest
from fastapi import UploadFile

from ninefold.core.errors import ConfigError
from ninefold.provenance.verification import Verifier, verifier_for
from ninefold.server.openai.provenance import ProvenanceChecks
from ninefold.server.problems import BusyError
from ninefold.settings import Settings
from ninefold.testing import fake_engines
from tests.provenance.signing import plain, signed, usual_signer
from tests.server.doors import Served, served

PATH = "/v1/content_provenance_checks"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("provenance")
    anchors = folder / "anchors.pem"
    anchors.write_text(usual_signer().anchor)
    environment = {"NINEFOLD_TRUST_ANCHORS": str(anchors), "NINEFOLD_MAX_IMAGE_BYTES": "100000"}
    with served(folder / "data", environment=environment) as found:
        yield found


def checked(place: Served, data: bytes, name: str = "house.png") -> Any:
    """What OpenAI's client gets."""
    with openai.OpenAI(base_url=f"{place.url}/v1", api_key=place.key, max_retries=0) as client:
        return client.content_provenance_checks.create(file=(name, data))


def test_openais_client_reads_the_answer(here: Served) -> None:
    """Its own fields, typed; ours beside them."""
    found = checked(here, signed())
    assert found.object == "content_provenance_check"
    assert abs(found.created_at - time.time()) < 3600
    [result] = found.results
    assert (result.type, result.outcome, result.validation_state) == ("c2pa", "detected", "trusted")
    assert (result.issuer, result.model) == ("test signer", "poster")
    assert result.generated_at == "2026-11-28T05:00:00Z"
    assert found.verdict == "intact"
    assert found.c2pa["trusted"] is True
    assert found.reasons


@pytest.mark.parametrize(
    ("data", "verdict", "state"),
    [
        (signed(form="JPEG") + b"more", "altered", "invalid"),
        (signed(generator="Photo Editor"), "foreign", "trusted"),
        (plain("WEBP"), "unproven", "not_present"),
    ],
)
def test_what_is_not_ninefolds_is_not_detected(
    here: Served, data: bytes, verdict: str, state: str
) -> None:
    """And the state of the manifest is said all the same."""
    found = checked(here, data)
    assert (found.verdict, found.results[0].validation_state) == (verdict, state)
    assert found.results[0].outcome == "not_detected"


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"", "got an empty file"), (b"GIF89a" + bytes(40), "got GIF"), (b"hello", "expected PNG")],
)
def test_what_cannot_be_read_is_a_400(here: Served, data: bytes, expected: str) -> None:
    """In OpenAI's form of errors."""
    with pytest.raises(openai.BadRequestError, match=expected):
        checked(here, data)


def test_bad_requests(here: Served) -> None:
    """Too large, no file, two files, another form, no key."""
    headers = here.headers()
    url = f"{here.url}{PATH}"
    files = {"file": ("a.png", bytes(100_001))}
    assert httpx.post(url, headers=headers, files=files).status_code == 413
    missing = httpx.post(url, headers=headers, files={"image": ("a.png", plain())})
    assert missing.status_code == 400
    assert missing.json()["error"]["param"] == "file"
    twice = [("file", ("a.png", plain())), ("file", ("b.png", plain()))]
    assert "got it 2 times" in httpx.post(url, headers=headers, files=twice).text
    assert httpx.post(url, headers=headers, json={"file": "x"}).status_code == 400
    assert httpx.post(url, files={"file": ("a.png", plain())}).status_code == 401


def test_anchors_that_cannot_be_used_stop_the_start(tmp_path: Path) -> None:
    """Said once, and not with each request."""
    with pytest.raises(ConfigError, match="trust anchors: expected a PEM file"):
        verifier_for(Settings(trust_anchors=tmp_path / "none.pem"), fake_engines())


class SlowVerifier(Verifier):
    """Waits until it is let go; notes how many wait, and what it was told to leave."""

    def __init__(self) -> None:
        super().__init__()
        self.__dict__ |= {"go": threading.Semaphore(0), "running": [], "stopped": []}

    def verify(self, source: bytes | Path, stop: threading.Event | None = None) -> Any:
        """The report, once `go` is released."""
        noted: Any = self.__dict__
        noted["running"].append(source)
        assert noted["go"].acquire(timeout=60)
        noted["running"].remove(source)
        noted["stopped"].append(stop is not None and stop.is_set())
        return super().verify(source, stop)


def upload(number: int = 0) -> UploadFile:
    """A file as a form holds it."""
    return UploadFile(io.BytesIO(plain(seed=number)), filename="a.png")


async def until(true: Callable[[], bool]) -> None:
    """Returns once it is true."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def test_two_are_checked_at_once_and_the_rest_waits_or_is_sent_away() -> None:
    """In the order of arrival."""

    async def check() -> None:
        verifier = SlowVerifier()
        noted: Any = verifier.__dict__
        checks = ProvenanceChecks(verifier, asyncio.Event())
        tasks = [asyncio.create_task(checks.check(upload(n))) for n in range(34)]
        await until(lambda: len(noted["running"]) == 2)
        with pytest.raises(BusyError):
            await checks.check(upload(99))
        noted["go"].release(34)
        reports = await asyncio.gather(*tasks)
        assert [report.verdict for report in reports] == ["unproven"] * 34

    asyncio.run(check())


def test_what_a_client_that_left_had_begun_ends_before_the_next_begins() -> None:
    """Its turn is held until its thread is done, which is told to stop."""

    async def check() -> None:
        verifier = SlowVerifier()
        noted: Any = verifier.__dict__
        checks = ProvenanceChecks(verifier, asyncio.Event())
        first, second, third = [asyncio.create_task(checks.check(upload(n))) for n in range(3)]
        await until(lambda: len(noted["running"]) == 2)
        first.cancel()
        second.cancel()
        third.cancel()
        await asyncio.sleep(0.1)
        assert len(noted["running"]) == 2
        assert not first.done()
        noted["go"].release(2)
        for task in (first, second, third):
            with pytest.raises(asyncio.CancelledError):
                await task
        assert noted["stopped"] == [True, True]

    asyncio.run(check())
