"""One POST to a receiver: to a checked address, within limits, following nothing."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import httpcore2
import httpx2

from ninefold._version import __version__
from ninefold.core.errors import InputError
from ninefold.server.webhooks.addresses import Network, permitted

#: Seconds that a receiver has from the first packet to its answer's head.
TIMEOUT = 15.0
#: Longest URL, in characters.
MAX_URL = 2048
#: A host name in ASCII, or an address.
_HOST = re.compile(r"[a-z0-9._-]{1,253}|[0-9a-f:.]{2,45}")
#: Addresses of one host that are tried.
_MAX_TRIES = 3
#: Longest wait, in seconds, that a receiver can ask for.
_MAX_WAIT = 24 * 3600.0


@dataclass(frozen=True)
class Target:
    """A webhook's URL in its parts; `parse` makes it."""

    secure: bool
    #: ASCII: a host name as DNS has it, or an address.
    host: str
    port: int
    #: Path and query.
    path: str

    @classmethod
    def parse(cls, url: str) -> Target:
        """Read a URL; raises `InputError` for one that no webhook can have."""
        if len(url) > MAX_URL:
            raise InputError(f"expected at most {MAX_URL} characters, got {len(url)}.")
        try:
            parsed = httpx2.URL(url)
            host, port = parsed.raw_host.decode("ascii"), parsed.port
        except (httpx2.InvalidURL, UnicodeError, ValueError):
            raise InputError("expected a URL such as https://example.com/hook.") from None
        host = host.strip("[]")
        if parsed.scheme not in ("https", "http") or not _HOST.fullmatch(host):
            raise InputError("expected a URL such as https://example.com/hook.")
        if parsed.userinfo or parsed.fragment:
            raise InputError("expected no user name, password or #fragment, got a URL with one.")
        if port is not None and not 1 <= port <= 65535:
            raise InputError(f"expected a port from 1 to 65535, got {port}.")
        secure = parsed.scheme == "https"
        return cls(secure, host, port or (443 if secure else 80), parsed.raw_path.decode())

    @property
    def authority(self) -> str:
        """Host and port, without the port where it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"


@dataclass(frozen=True)
class Answer:
    """What a receiver said."""

    status: int
    #: Seconds after which it wants the next try; None where it did not say.
    retry_after: float | None = None

    @property
    def accepted(self) -> bool:
        """Whether the message is delivered: any 2xx; a redirect is no delivery."""
        return 200 <= self.status < 300


class DeliveryError(Exception):
    """No answer came; the message says why, for whoever owns the webhook."""


class Sender:
    """Posts to public addresses and to those in `allowed`; TLS is verified by the URL's name."""

    def __init__(self, allowed: Sequence[Network] = (), tls: ssl.SSLContext | None = None) -> None:
        """`tls` is for tests, whose certificate is none of the system's."""
        self._allowed = tuple(allowed)
        self._tls = tls

    async def check(self, target: Target) -> None:
        """Raise `InputError` where no address of the target may be reached."""
        await permitted(target.host, target.port, self._allowed, plain=not target.secure)

    async def post(self, target: Target, headers: Mapping[str, str], body: bytes) -> Answer:
        """Deliver a message; raises `DeliveryError`. The answer's body is not read."""
        try:
            async with asyncio.timeout(TIMEOUT):
                return await self._post(target, headers, body)
        except TimeoutError:
            raise DeliveryError(f"no answer within {TIMEOUT:g} s") from None
        except InputError as error:  # refused, or without an address
            raise DeliveryError(str(error).rstrip(".")) from None
        except (httpcore2.ConnectError, ssl.SSLError) as error:
            raise DeliveryError(_why(error)) from None
        except (httpcore2.NetworkError, httpcore2.ProtocolError, OSError) as error:
            raise DeliveryError(f"the connection broke ({type(error).__name__})") from None

    async def _post(self, target: Target, headers: Mapping[str, str], body: bytes) -> Answer:
        fields = {
            "host": target.authority,
            "content-type": "application/json",
            "content-length": str(len(body)),
            "user-agent": f"ninefold/{__version__}",
            "connection": "close",
            **headers,
        }
        url = httpcore2.URL(
            scheme="https" if target.secure else "http",
            host=target.host,
            port=target.port,
            target=target.path,
        )
        # A pool for one request: none is ever sent over a connection that was checked for another.
        async with httpcore2.AsyncConnectionPool(
            ssl_context=self._tls or _default_tls(),
            max_keepalive_connections=0,
            network_backend=_Checked(self._allowed, plain=not target.secure),
        ) as pool:
            items = [(name.encode(), value.encode()) for name, value in fields.items()]
            async with pool.stream("POST", url, headers=items, content=body) as response:
                asked = {name.lower(): value for name, value in response.headers}
                return Answer(response.status, _seconds(asked.get(b"retry-after", b"")))


class _Checked(httpcore2.AsyncNetworkBackend):
    """Connects to what `permitted` found, and to nothing else."""

    def __init__(self, allowed: Sequence[Network], plain: bool) -> None:
        self._allowed = allowed
        self._plain = plain
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """A connection to the first address that answers."""
        found = await permitted(host, port, self._allowed, plain=self._plain)
        failure: httpcore2.ConnectError | None = None
        for address in found[:_MAX_TRIES]:
            try:
                return await self._network.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
            except httpcore2.ConnectError as error:
                failure = error
        raise failure or httpcore2.ConnectError("no address")


@cache
def _default_tls() -> ssl.SSLContext:
    return httpcore2.default_ssl_context()


def _why(error: Exception) -> str:
    text = str(error)
    if isinstance(error.__cause__ or error, ssl.SSLError) or "CERTIFICATE" in text.upper():
        return f"TLS failed: {text or type(error).__name__}"[:200]
    return "nothing answers at its address"


def _seconds(text: bytes) -> float | None:
    try:
        return min(max(0.0, float(text)), _MAX_WAIT) if text else None
    except ValueError:  # a date: the own schedule does
        return None
