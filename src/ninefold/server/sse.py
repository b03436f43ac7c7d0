"""Server-sent events.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from starlette.responses import StreamingResponse

from ninefold.jobs import JobEvent
from ninefold.server.schemas.jobs import event_document
from ninefold.server.waiting import with_heartbeat

#: Seconds of silence after which a comment is sent, so that nothing on the way hangs up.
PAUSE = 15.0
MEDIA_TYPE = "text/event-stream"
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def event_text(name: str, data: Any, number: int | None = None) -> str:
    """One event; `number` is what `Last-Event-ID` brings back."""
    head = "" if number is None else f"id: {number}\n"
    return f"{head}event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"


def stream(events: AsyncGenerator[str, None], *, retry: bool = True) -> StreamingResponse:
    """The events as a response, with a sign of life in every pause.

    With `retry`, clients learn how soon to come back; some break on a block without data.
    """
    return StreamingResponse(_with_comments(events, retry), headers=_HEADERS, media_type=MEDIA_TYPE)


async def job_events(events: AsyncGenerator[JobEvent, None]) -> AsyncGenerator[str, None]:
    """A job's events as text, each with its number."""
    async with aclosing(events) as found:
        async for event in found:
            document = event_document(event)
            yield event_text(document["event"], document, event.sequence)


async def _with_comments(
    events: AsyncGenerator[str, None], retry: bool
) -> AsyncGenerator[str, None]:
    if retry:
        yield "retry: 1000\n\n"
    async with aclosing(with_heartbeat(events, pause=PAUSE)) as found:
        async for text in found:
            yield ": still here\n\n" if text is None else text
