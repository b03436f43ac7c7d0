"""Which requests come from a page of this server, by what browsers say of them."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers

from ninefold.server.problems import ForbiddenError

#: What browsers send as `Sec-Fetch-Site` for pages of this server, and for what a person typed.
_OWN_SITE = frozenset({"same-origin", "none"})


def refuse_foreign_pages(headers: Headers, public_url: str | None) -> None:
    """Raise `ForbiddenError` for what a page of another origin made a browser send."""
    for site in headers.getlist("sec-fetch-site"):
        if site not in _OWN_SITE:
            raise ForbiddenError(
                f"Sec-Fetch-Site: expected same-origin, got {site[:100]!r}. Sessions are for pages "
                "of this server; elsewhere, send a key."
            )
    if (origin := foreign_origin(headers, public_url)) is not None:
        raise ForbiddenError(
            f"Origin: expected this server's own, got {origin[:100]!r}. Sessions are for pages of "
            "this server; elsewhere, send a key. Behind a proxy, let it pass on `Host`, or set "
            "public_url."
        )


def foreign_origin(headers: Headers, public_url: str | None = None) -> str | None:
    """The `Origin` of a request where it is not this server's own.

    Its own is `public_url`, or what the request calls it: `Host`, which says no scheme.
    """
    public = _parts(public_url or "")
    hosts = headers.getlist("host")
    host = hosts[0].lower() if len(hosts) == 1 else ""
    for origin in headers.getlist("origin"):
        parts = _parts(origin)
        if parts is not None and parts == public:
            continue
        if parts is None or parts[1] != host or (public is not None and parts[1] == public[1]):
            return origin
    return None


def _parts(url: str) -> tuple[str, str] | None:
    """Scheme and authority; None for what has none, such as `null`."""
    try:
        parts = urlsplit(url.lower())
    except ValueError:
        return None
    return (parts.scheme, parts.netloc) if parts.netloc else None
