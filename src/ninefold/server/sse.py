"""Server-sent events.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import anyio
from starlette.responses import StreamingResponse

from ninefold.jobs import JobEvent
from ninefold.server.documents import event_document

#: Seconds of silence after which a comment is sent, so that nothing on the way hangs up.
PAUSE = 15.0
MEDIA_TYPE = "text/event-stream"
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def event_text(name: str, data: Any, number: int | None = None) -> str:
    """One event; `number` is what `Last-Event-ID` brings back."""
    head = "" if number is None else f"id: {number}\n"
    return f"{head}event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"


def stream(events: AsyncIterator[str], *, retry: bool = True) -> StreamingResponse:
    """The events as a response, with a sign of life in every pause.

    With `retry`, clients are told how soon to come back; some break on a block without data.
    """
    told = _with_comments(events, retry)
    return StreamingResponse(told, headers=_HEADERS, media_type=MEDIA_TYPE)


async def job_events(events: AsyncIterator[JobEvent]) -> AsyncIterator[str]:
    """A job's events as text, each with its number."""
    async with aclosing(events) as found:  # type: ignore[type-var]
        async for event in found:
            document = event_document(event)
            yield event_text(document["event"], document, event.sequence)


async def _with_comments(events: AsyncIterator[str], retry: bool) -> AsyncIterator[str]:
    if retry:
        yield "retry: 1000\n\n"
    async with aclosing(events) as found:  # type: ignore[type-var]
        following: asyncio.Future[str | None] | None = None
        try:
            while True:
                if following is None:
                    following = asyncio.ensure_future(anext(found, None))
                done, _ = await asyncio.wait({following}, timeout=PAUSE)
                if not done:
                    yield ": still here\n\n"
                    continue
                text, following = following.result(), None
                if text is None:
                    return
                yield text
        finally:
            if following is not None:
                following.cancel()
                # Shielded, for a client that left cancels every wait; `found` must not be running
                # when it is closed.
                with anyio.CancelScope(shield=True):
                    await asyncio.wait({following})
