"""No webhook reaches inside a network, however the address is written, unless it is allowed."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.server.webhooks.addresses import (
    RefusedAddressError,
    UnresolvedError,
    is_allowed,
    is_public,
    permitted,
)
from tests.support import run

INSIDE = (
    *("127.0.0.1", "127.255.0.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1"),
    *("169.254.169.254", "100.64.0.1", "192.0.0.192", "198.18.0.1", "224.0.0.1", "240.0.0.1"),
    *("255.255.255.255", "192.0.2.1", "100.100.100.200"),
    *("::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "::127.0.0.1"),
    *("64:ff9b::169.254.169.254", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "::ffff:0:127.0.0.1"),
    *("2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:0:7f00:1::", "100::1", "5f00::1", "4000::1"),
)
PUBLIC = (
    *("1.1.1.1", "8.8.8.8", "93.184.215.14", "2606:4700:4700::1111", "2a00:1450:4001::1"),
    *("::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "2002:101:101::1"),
)


@pytest.mark.parametrize("text", INSIDE)
def test_what_is_not_public_is_reported(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_what_is_public_is_reported(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_the_same_in_every_ipv6_form(address: ipaddress.IPv4Address) -> None:
    for prefix in ("::ffff:", "64:ff9b::", "::ffff:0:"):
        assert is_public(ipaddress.IPv6Address(f"{prefix}{address}")) == is_public(address)


@given(st.ip_addresses())
def test_what_python_calls_private_is_never_public(address: Any) -> None:
    if address.is_private or address.is_link_local or address.is_loopback or address.is_multicast:
        assert address == ipaddress.ip_address(str(address))
        assert not is_public(address) or getattr(address, "ipv4_mapped", None) is not None


def test_an_allowed_network_holds_its_mapped_forms_too() -> None:
    allowed = [ipaddress.ip_network("10.1.0.0/16")]
    for text, good in [("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("10.2.0.1", False)]:
        assert is_allowed(ipaddress.ip_address(text), allowed) is good


@pytest.mark.parametrize("host", ["localhost", "127.1", "0x7f000001", "2130706433", "::1", "0"])
def test_a_name_is_judged_by_what_it_resolves_to(host: str) -> None:
    with pytest.raises(RefusedAddressError, match="not public"):
        run(permitted(host, 443, ()))


def test_of_several_addresses_only_the_good_ones_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    resolves(monkeypatch, "10.0.0.1", "1.1.1.1", "::1", "1.1.1.1")
    assert [str(item) for item in run(permitted("both.example", 443, ()))] == ["1.1.1.1"]


def test_without_tls_only_allowed_networks_are_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    resolves(monkeypatch, "1.1.1.1")
    with pytest.raises(RefusedAddressError, match="expected https"):
        run(permitted("open.example", 80, (), plain=True))
    allowed = [ipaddress.ip_network("1.1.1.0/24")]
    assert run(permitted("open.example", 80, allowed, plain=True))


def test_a_name_that_does_not_resolve_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    for code, passing in [(socket.EAI_NONAME, False), (socket.EAI_AGAIN, True)]:
        fails(monkeypatch, socket.gaierror(code, "no"))
        with pytest.raises(UnresolvedError) as caught:
            run(permitted("no.example", 443, ()))
        assert caught.value.passing is passing
    with pytest.raises(UnresolvedError):
        run(permitted("a" * 70 + ".example", 443, ()))


def resolves(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    async def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        return [(0, 0, 0, "", (address, 443)) for address in addresses]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)


def fails(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    async def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        raise error

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
