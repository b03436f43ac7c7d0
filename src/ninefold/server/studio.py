"""The studio: a browser app, a client of the public API alone, served as the files it was built to.

`studio/` builds it into the folder `studio` of the package. Without a build, a plain page says how
to get one. Every path below `/studio/` that is no file is the app's own: its state is the URL.
"""

from __future__ import annotations

import gzip
import mimetypes
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

from fastapi import FastAPI, Request, Response
from starlette.responses import RedirectResponse

from ninefold.core.errors import NotFoundError
from ninefold.health.findings import Finding
from ninefold.server.parts import ServerPart
from ninefold.server.router import Router
from ninefold.server.service import Service
from ninefold.settings import Settings

#: Where a build lies: made by `make studio`, and part of wheels.
BUILD = Path(__file__).parent.parent / "studio"
_INDEX = "index.html"
#: What a page may do: load from this server alone, and run no script or style that is written in
#: it. Pictures that the page itself makes (masks, pasted images) are `blob:`, previews in events
#: `data:`.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "worker-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "font-src 'self'",
        "manifest-src 'self'",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
#: Types that are sent compressed; pictures are so already.
_COMPRESSED = ("text/", "application/json", "image/svg")

_WITHOUT_BUILD = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>ninefold</title>
<h1>ninefold is running</h1>
<p>This installation has no studio. Wheels of ninefold bring it; in a checkout, with Node 20.19 or
newer at hand, <code>make studio</code> builds and serves it.</p>
<p>The API is there all the same: <a href="/openapi.json">its description</a>.</p>
</html>
"""

router = Router()


@dataclass(frozen=True)
class StudioFile:
    """A file of the build, ready to be sent."""

    content: bytes
    #: Compressed by gzip, where that helps.
    compressed: bytes | None
    media_type: str
    etag: str
    #: Whether its name changes with its content.
    immutable: bool


class StudioPart(ServerPart):
    """The studio's files, read once when the application is made."""

    router = router

    def __init__(self, build: Path = BUILD) -> None:
        """`build` is the folder of a build, which need not be there."""
        self._build = build

    def install(self, app: FastAPI, settings: Settings) -> None:
        """Read the build."""
        app.state.studio = MappingProxyType(dict(_files(self._build)))

    def running(self, app: FastAPI, service: Service) -> AbstractAsyncContextManager[None]:
        """Have admins told where there is no build."""
        service.checks.add("studio", partial(_check, app.state.studio))
        return nullcontext()


def _check(files: Mapping[str, StudioFile]) -> Iterator[Finding]:
    remedy = None if files else "run `make studio` in a checkout, or install a wheel"
    found = "built" if files else "not built when the server started"
    yield Finding("studio", "studio", found, remedy, needed=False)


@router.get("/", include_in_schema=False)
async def root() -> Response:
    """To the studio."""
    return RedirectResponse("/studio/")


@router.get("/studio", include_in_schema=False)
@router.get("/studio/{path:path}", include_in_schema=False)
async def studio_file(request: Request, path: str = "") -> Response:
    """A file of the studio; the page itself for every path that is a place in the app."""
    files: Mapping[str, StudioFile] = request.app.state.studio
    if not files:
        return Response(_WITHOUT_BUILD, media_type="text/html", headers=_HEADERS)
    file = files.get(path)
    if file is None:
        if path.startswith("assets/"):  # of another build: the page is to be loaded again
            raise NotFoundError(f"the studio has no file called {path[:200]!r}. Load it again.")
        file = files[_INDEX]
    return _answer(request, file)


def _answer(request: Request, file: StudioFile) -> Response:
    kept = "public, max-age=31536000, immutable" if file.immutable else "no-cache"
    headers = {"ETag": file.etag, "Cache-Control": kept, "Vary": "Accept-Encoding", **_HEADERS}
    if file.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    content = file.content
    if file.compressed is not None and _takes_gzip(request.headers.get("accept-encoding", "")):
        content, headers["Content-Encoding"] = file.compressed, "gzip"
    return Response(content, media_type=file.media_type, headers=headers)


def _takes_gzip(accepted: str) -> bool:
    for item in accepted.lower().split(","):
        name, _, quality = item.partition(";")
        if name.strip() in ("gzip", "*"):
            return quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _files(build: Path) -> Iterator[tuple[str, StudioFile]]:
    if not (build / _INDEX).is_file():
        return
    for path in sorted(build.rglob("*")):
        if path.is_file():
            name = path.relative_to(build).as_posix()
            yield name, _read(path, immutable=name.startswith("assets/"))


def _read(path: Path, *, immutable: bool) -> StudioFile:
    content = path.read_bytes()
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    compressed = None
    if media_type.startswith(_COMPRESSED) or media_type.endswith("javascript"):
        compressed = gzip.compress(content, mtime=0)
    return StudioFile(
        content,
        compressed if compressed is not None and len(compressed) < len(content) else None,
        media_type,
        f'"{sha256(content).hexdigest()[:32]}"',
        immutable,
    )
