"""Time stamps by an authority on this machine, and by one that gives none."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import c2pa
import pytest

from ninefold.core.errors import ConfigError, SigningError
from ninefold.core.settings import read_settings
from ninefold.core.signing import SigningSettings
from ninefold.files.signing.keys import CallbackKey
from ninefold.files.signing.self_made import SelfMadeKey
from ninefold.files.signing.sign import FileSigner, Signed
from ninefold.files.signing.time_stamps import TimeStamper
from tests.certificates import Authority, issue, time_stamp_authority, validation
from tests.files.claims import UNTRUSTED, claim, image_file


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    with time_stamp_authority(tmp_path / "tsa") as found:
        yield found


def sign(stamper: TimeStamper) -> Signed:
    return FileSigner(SelfMadeKey(None), stamper).sign(image_file(), claim())


def signed_at(signed: Signed) -> str | None:
    document = json.loads(c2pa.Reader("image/png", BytesIO(signed.data)).json())
    manifest = document["manifests"][document["active_manifest"]]
    found: str | None = manifest["signature_info"].get("time")
    return found


def test_a_time_stamp_is_in_the_file(authority: Authority) -> None:
    key = SelfMadeKey(None)
    signed = sign(TimeStamper(authority.url))
    assert signed.warning is None
    assert len(authority.requests) == 1
    assert signed_at(signed) is not None
    root = key.chain.pem.partition("-----END CERTIFICATE-----\n")[2]
    assert validation(signed.data, "image/png", root, authority.anchor) == ("Trusted", [])
    assert signed_at(FileSigner(key).sign(image_file(), claim())) is None


@pytest.mark.parametrize("proxy", ["http_proxy", "ALL_PROXY"])
def test_a_proxy_is_not_asked_for_addresses_of_this_process(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv(proxy, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "images.example")
    assert sign(TimeStamper(authority.url, policy="require")).warning is None


@pytest.mark.parametrize(
    ("instead", "message"),
    [
        ((503, b"later"), "answered with status 503"),
        ((200, b"no time stamp at all"), "answer is no time stamp"),
        ((200, b""), "answer is no time stamp"),
        ((200, b"x" * ((1 << 20) + 1)), "sent more than 1,048,576 bytes"),
    ],
)
def test_an_authority_that_gives_none(
    authority: Authority, instead: tuple[int, bytes], message: str
) -> None:
    authority.instead = instead
    signed = sign(TimeStamper(authority.url))
    assert signed.warning is not None
    assert signed.warning.startswith("no time stamp: the time stamp authority")
    assert message in signed.warning
    assert signed_at(signed) is None
    assert validation(signed.data, "image/png") == ("Valid", UNTRUSTED)
    with pytest.raises(SigningError, match=message):
        sign(TimeStamper(authority.url, policy="require"))


def test_an_authority_can_be_asked_whether_it_gives_any(authority: Authority) -> None:
    assert TimeStamper(authority.url).problem() is None
    assert len(authority.requests) == 1
    rejected = bytes.fromhex("30053003020102")
    for instead, message in (
        ((503, b"later"), "answered with status 503"),
        ((200, rejected), "answers without a time stamp"),
        ((200, b"hello"), "answers without a time stamp"),
    ):
        authority.instead = instead
        problem = TimeStamper(authority.url).problem()
        assert problem is not None
        assert message in problem
        assert "NINEFOLD_TIMESTAMP_URL" in problem
    assert "cannot be reached" in (TimeStamper("http://127.0.0.1:9/tsa", 5).problem() or "")


def test_a_silent_authority_is_waited_for_no_longer_than_said(authority: Authority) -> None:
    authority.delay = 60
    began = time.monotonic()
    with pytest.raises(SigningError, match=r"gave no time stamp within 0\.3 s"):
        sign(TimeStamper(authority.url, 0.3, "require"))
    assert time.monotonic() - began < 30


def test_an_authority_that_is_not_there() -> None:
    stamper = TimeStamper("http://127.0.0.1:9/tsa", 5, "require")
    with pytest.raises(SigningError, match=r"authority 127\.0\.0\.1:9 cannot be reached"):
        sign(stamper)
    assert sign(replace(stamper, policy="prefer")).warning is not None


def test_a_key_that_fails_is_no_matter_of_time(authority: Authority) -> None:
    key = CallbackKey(issue().chain, lambda data: b"no signature")
    with pytest.raises(SigningError, match="the signature does not fit"):
        FileSigner(key, TimeStamper(authority.url)).sign(image_file(), claim())
    assert authority.requests == []


def test_settings() -> None:
    environ = {
        "NINEFOLD_TIMESTAMP_URL": "https://tsa.example/x",
        "NINEFOLD_TIMESTAMP_POLICY": "require",
        "NINEFOLD_TIMESTAMP_SECONDS": "3",
    }
    settings = read_settings(SigningSettings, environ)
    stamper = FileSigner.from_settings(settings, None).stamper
    assert stamper == TimeStamper("https://tsa.example/x", 3.0, "require")
    addresses = ("tsa.example", "file:///x", "http://user:secret@tsa.example")
    impossible = ("http://[::1", "http://[x]/", "http://:80/", "http://a:b/", "http://a:70000/")
    for url in (*addresses, *impossible):
        with pytest.raises(ConfigError, match="NINEFOLD_TIMESTAMP_URL"):
            read_settings(SigningSettings, {"NINEFOLD_TIMESTAMP_URL": url})
