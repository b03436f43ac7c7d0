"""Which requests can only have been sent by whoever sits at this machine.

A server without keys serves those alone: they come from this machine, to an address that no other
can reach, through no proxy, and not by the order of a page of another site.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address

from starlette.datastructures import Headers
from starlette.types import Scope

from ninefold.server.origins import foreign_origin
from ninefold.server.problems import ForbiddenError, UnauthorizedError

#: What proxies add to requests that they pass on.
_FORWARDING = (
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-forwarded-server",
    "x-real-ip",
)
#: A `Host` header: a name, or an address, in brackets where it is one of IPv6; and a port.
_HOST = re.compile(r"(?P<name>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_REMEDY = "Send a key. One is made with: ninefold keys create"


def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine's own, for itself."""
    if host.lower().removesuffix(".") == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


def refuse_others(scope: Scope, headers: Headers) -> None:
    """Raise `UnauthorizedError` for a request that may come from another machine.

    A socket in the file system has no addresses: who is behind it is not known either.
    """
    for who in ("client", "server"):
        found = scope.get(who)
        if found is None or not is_loopback(str(found[0])):
            raise UnauthorizedError(f"Without a key, only this machine itself is served. {_REMEDY}")
    if passed_on := [name for name in _FORWARDING if name in headers]:
        raise UnauthorizedError(
            f"{passed_on[0]}: requests that a proxy passed on are not served without a key. "
            f"{_REMEDY}"
        )


def refuse_other_sites(headers: Headers, *, loopback: bool) -> None:
    """Raise `ForbiddenError` for what a page of another site made a browser send.

    Without keys, the browser of whoever sits at this machine could be used by any page: directly,
    or by a name that was made to point here (DNS rebinding). With `loopback`, only names of this
    machine are taken.
    """
    given = headers.getlist("host")
    host = given[0] if len(given) == 1 else ""
    match = _HOST.fullmatch(host)
    if loopback and (match is None or not is_loopback(match["name"].strip("[]"))):
        raise ForbiddenError(
            "Host: expected a name of this machine such as localhost, got "
            f"{', '.join(given)[:100]!r}. Behind a proxy, use keys: ninefold keys create"
        )
    if (origin := foreign_origin(headers)) is not None:
        raise ForbiddenError(
            f"Origin: expected none or this server's own, got {origin[:100]!r}. To serve pages "
            "of other sites, use keys: ninefold keys create"
        )
