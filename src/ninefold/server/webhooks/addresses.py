"""Which addresses a webhook may reach: public ones, and those that the settings allow.

The check stands between name resolution and connecting, and what was checked is what is connected
to: a name that resolves otherwise a moment later (DNS rebinding) changes nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterator, Sequence

from ninefold.core.errors import InputError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Seconds that a name may take to resolve.
RESOLVE_TIMEOUT = 5.0

#: Where the unicast addresses of the internet lie (RFC 4291, section 2.4).
_UNICAST = ipaddress.IPv6Network("2000::/3")
#: Of the special-purpose registries of IANA, what Python 3.11 takes for global.
_SPECIAL = tuple(
    ipaddress.ip_network(text)
    for text in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2001:db8::/32", "3fff::/20")
)
#: Prefixes whose last 32 bits are an IPv4 address: mapped (RFC 4291), translated (RFC 7915),
#: NAT64 (RFC 6052), and compatible, which is deprecated.
_CARRIERS = tuple(
    ipaddress.IPv6Network(text)
    for text in ("::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "::/96")
)


class RefusedAddressError(InputError):
    """A webhook that leads where none may go."""


class UnresolvedError(InputError):
    """A name without an address; `passing` where the next time may bring one."""

    def __init__(self, host: str, passing: bool) -> None:
        super().__init__(f"the host name {host!r} does not resolve.")
        self.passing = passing


def is_public(address: Address) -> bool:
    """Whether an address, and each that it carries inside, is one of the public internet."""
    return all(map(_is_public_itself, forms(address)))


def forms(address: Address) -> Iterator[Address]:
    """The address as it reaches a host: an IPv4 that an IPv6 address carries, else itself.

    Both for 6to4 (RFC 3056), whose relays are on the internet too.
    """
    if isinstance(address, ipaddress.IPv6Address):
        if any(address in network for network in _CARRIERS) and int(address) > 1:
            yield ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
            return
        if address.sixtofour is not None:
            yield address.sixtofour
    yield address


def is_allowed(address: Address, allowed: Sequence[Network]) -> bool:
    """Whether the settings name a network that holds it, in whatever form it is written."""
    found = (address, *forms(address))
    return any(
        form.version == network.version and form in network for form in found for network in allowed
    )


async def permitted(
    host: str, port: int, allowed: Sequence[Network], *, plain: bool = False
) -> tuple[Address, ...]:
    """The addresses of `host` that may be connected to, in the resolver's order.

    With `plain` (no TLS) only those in `allowed`. Raises `RefusedAddressError` where none is, and
    `UnresolvedError`.
    """
    found = await _resolve(host, port)
    good = tuple(
        address
        for address in found
        if is_allowed(address, allowed) or (not plain and is_public(address))
    )
    if good:
        return good
    if plain and any(map(is_public, found)):
        raise RefusedAddressError(
            "expected https://. Without TLS only networks in the setting webhook_allow are reached."
        )
    raise RefusedAddressError(
        f"the address of {host!r} is not public. Use a public host, or have its network added to "
        "the setting webhook_allow."
    )


async def _resolve(host: str, port: int) -> tuple[Address, ...]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(RESOLVE_TIMEOUT):
            rows = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise UnresolvedError(host, passing=True) from None
    except socket.gaierror as error:
        raise UnresolvedError(host, passing=error.errno == socket.EAI_AGAIN) from None
    except (OSError, UnicodeError):  # a label that is too long, say
        raise UnresolvedError(host, passing=False) from None
    addresses = (ipaddress.ip_address(str(row[4][0]).partition("%")[0]) for row in rows)
    return tuple(dict.fromkeys(addresses))


def _is_public_itself(address: Address) -> bool:
    if address.is_multicast or address.is_reserved or not address.is_global:
        return False
    if any(address.version == network.version and address in network for network in _SPECIAL):
        return False
    return isinstance(address, ipaddress.IPv4Address) or address in _UNICAST
