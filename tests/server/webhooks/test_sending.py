"""One POST: verified by the public library, over verified TLS, to the address that was checked."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import ssl
import time
from typing import Any

import httpcore2
import pytest
import trustme
from standardwebhooks import Webhook, WebhookVerificationError

from ninefold.core.errors import InputError
from ninefold.server.webhooks import sending, signing
from ninefold.server.webhooks.sending import DeliveryError, Sender, Target
from tests.server.webhooks.receiver import receiver
from tests.support import run

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
SECRET = signing.derive(b"m" * 32, "key")
BODY = json.dumps({"type": "job.succeeded", "data": {"prompt": "ein Häuschen"}}).encode()


def headers() -> dict[str, str]:
    return signing.headers([SECRET], "msg_1", int(time.time()), BODY)


# -- signing --------------------------------------------------------------------------------------


def test_the_public_library_verifies_what_is_signed() -> None:
    assert Webhook(SECRET).verify(BODY, headers()) == json.loads(BODY)
    for changed in (BODY + b" ", BODY.replace(b"job", b"jab")):
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(changed, headers())


def test_old_and_new_secrets_both_verify_while_they_change() -> None:
    old = signing.derive(b"o" * 32, "key")
    both = signing.headers([SECRET, old], "msg_1", int(time.time()), BODY)
    assert Webhook(SECRET).verify(BODY, both) == Webhook(old).verify(BODY, both)


def test_every_owner_has_a_secret_of_its_own() -> None:
    owners = [None, "", "a", "b", "ab"]
    found = {signing.derive(master, owner) for master in (b"m" * 32, b"n" * 32) for owner in owners}
    assert len(found) == 10


# -- sending --------------------------------------------------------------------------------------


def test_a_message_arrives_whole_and_verifies() -> None:
    with receiver() as there:
        answer = run(Sender(LOOPBACK).post(Target.parse(there.url), headers(), BODY))
        got, body = there.wait(1)[0]
    assert answer.accepted
    assert body == BODY
    assert got["host"] == f"localhost:{there.port}"
    assert got["content-type"] == "application/json"
    Webhook(SECRET).verify(body, got)


@pytest.mark.parametrize(
    ("status", "accepted"), [(200, True), (202, True), (301, False), (307, False), (500, False)]
)
def test_only_2xx_is_a_delivery_and_no_redirect_is_followed(status: int, accepted: bool) -> None:
    with (
        receiver() as elsewhere,
        receiver(answers=[(status, {"Location": elsewhere.url})]) as there,
    ):
        answer = run(Sender(LOOPBACK).post(Target.parse(there.url), headers(), BODY))
        assert (answer.status, answer.accepted) == (status, accepted)
        assert len(there.requests) == 1
        assert elsewhere.requests == []


def test_a_receiver_may_ask_for_time() -> None:
    with receiver(answers=[(503, {"Retry-After": "120"}), (503, {"Retry-After": "soon"})]) as there:
        sender = Sender(LOOPBACK)
        first = run(sender.post(Target.parse(there.url), headers(), BODY))
        second = run(sender.post(Target.parse(there.url), headers(), BODY))
    assert (first.retry_after, second.retry_after) == (120.0, None)


def test_loopback_is_refused_unless_it_is_allowed() -> None:
    with receiver() as there:
        with pytest.raises(DeliveryError, match="not public"):
            run(Sender().post(Target.parse(there.url), headers(), BODY))
        with pytest.raises(InputError, match="not public"):
            run(Sender().check(Target.parse(there.url)))
        assert there.requests == []


def test_a_name_that_changes_its_address_after_the_check_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """DNS rebinding: public when the job is submitted, the metadata service when it is sent."""
    answers = ["1.1.1.1", "169.254.169.254"]
    connected: list[str] = []

    async def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        return [(0, 0, 0, "", (answers.pop(0), 443))]

    async def connect(self: Any, host: str, *_: Any) -> Any:
        connected.append(host)
        raise AssertionError("connected")

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(httpcore2.AnyIOBackend, "connect_tcp", connect)
    target = Target.parse("https://rebind.example/hook")
    run(Sender().check(target))
    with pytest.raises(DeliveryError, match="not public"):
        run(Sender().post(target, headers(), BODY))
    assert connected == []


def test_what_is_connected_to_is_the_address_that_was_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    async def getaddrinfo(_: Any, host: str, *__: Any, **___: Any) -> list[Any]:
        asked.append(host)
        return [(0, 0, 0, "", ("127.0.0.1", 443))]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    with receiver() as there:
        url = there.url.replace("localhost", "receiver.example")
        assert run(Sender(LOOPBACK).post(Target.parse(url), headers(), BODY)).accepted
    assert asked == ["receiver.example"]  # once, by the check; connecting asks for no name


def test_tls_verifies_the_name_of_the_url_and_not_the_address() -> None:
    authority = trustme.CA()
    with receiver(server_tls(authority, "localhost")) as there:
        sender = Sender(LOOPBACK, client_tls(authority))
        assert run(sender.post(Target.parse(there.url), headers(), BODY)).accepted
        by_address = Target.parse(there.url.replace("localhost", "127.0.0.1"))
        with pytest.raises(DeliveryError, match="TLS failed"):
            run(sender.post(by_address, headers(), BODY))
        with pytest.raises(DeliveryError, match="TLS failed"):  # of an authority nobody knows
            run(Sender(LOOPBACK).post(Target.parse(there.url), headers(), BODY))
        assert len(there.requests) == 1


def test_a_slow_receiver_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "TIMEOUT", 0.3)
    with receiver(pause=1.5) as there, pytest.raises(DeliveryError, match=r"within 0\.3 s"):
        run(Sender(LOOPBACK).post(Target.parse(there.url), headers(), BODY))


def test_nobody_there_is_reported() -> None:
    with receiver() as there:
        target = Target.parse(there.url)
    with pytest.raises(DeliveryError, match="nothing answers"):
        run(Sender(LOOPBACK).post(target, headers(), BODY))


def test_an_endless_answer_is_not_read() -> None:
    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def scenario() -> int:
        server = await asyncio.start_server(endless, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            target = Target.parse(f"http://127.0.0.1:{port}/")
            return (await Sender(LOOPBACK).post(target, headers(), BODY)).status

    assert run(scenario()) == 200


@pytest.mark.parametrize(
    "answer", [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: " + b"x" * 2_000_000, b""]
)
def test_an_answer_that_is_none_is_reported(answer: bytes) -> None:
    async def scenario() -> None:
        async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(answer)
            writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            target = Target.parse(f"http://127.0.0.1:{port}/")
            with pytest.raises(DeliveryError, match="connection broke"):
                await Sender(LOOPBACK).post(target, headers(), BODY)

    run(scenario())


# -- URLs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        *("", "hook", "ftp://a.example/", "file:///etc/passwd", "https://", "https:///hook"),
        *("https://user:secret@a.example/", "https://a.example/#part", "https://a.example:0/"),
        *("https://a.example:99999/", "https://a\n.example/", "https://a.example/" + "x" * 2048),
        *("javascript:alert(1)", "gopher://a.example/", "https://[::1", "https://ex ample/"),
    ],
)
def test_a_url_that_no_webhook_can_have_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="expected"):
        Target.parse(url)


@pytest.mark.parametrize(
    ("url", "authority", "port"),
    [
        ("https://a.example/x?y=1", "a.example", 443),
        ("HTTPS://A.Example:8443", "a.example:8443", 8443),
        ("http://[::1]:80/", "[::1]", 80),
        ("https://bücher.example/", "xn--bcher-kva.example", 443),
    ],
)
def test_a_url_is_read_in_its_parts(url: str, authority: str, port: int) -> None:
    target = Target.parse(url)
    assert (target.authority, target.port) == (authority, port)
    assert target.path.startswith("/")


def server_tls(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context
