"""`/v1/events`: what happens to all jobs, as one stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

from fastapi import Header, Response

from ninefold.server import sse
from ninefold.server.callers import Caller
from ninefold.server.dependencies import Reader, ServiceDep
from ninefold.server.problems import responses
from ninefold.server.router import Router
from ninefold.server.routes.examples import ACTIVITY
from ninefold.server.service import Service
from ninefold.server.waiting import with_heartbeat

router = Router(prefix="/v1", tags=["events"])


@router.get("/events", response_class=Response, responses={200: ACTIVITY, **responses()})
async def follow_all(
    caller: Reader,
    service: ServiceDep,
    last_event_id: Annotated[
        str | None,
        Header(
            alias="Last-Event-ID",
            pattern=r"^[0-9]{1,18}$",
            description="Number of the last event that was seen; those after it follow.",
        ),
    ] = None,
) -> Response:
    """What happens to the caller's jobs and to the queue, as server-sent events, without an end.

    The first is `ready`: fetch lists after it. `reset` in its place says that events since
    `Last-Event-ID` are not known any more: fetch them again. A client that is too slow is sent
    away, and comes back with the number of the last event that it has.
    """
    after = None if last_event_id is None else int(last_event_id)
    return sse.stream(_texts(service, caller, after))


async def _texts(service: Service, caller: Caller, after: int | None) -> AsyncGenerator[str, None]:
    follow = service.activity.follow(caller.may_see, after)
    async with aclosing(with_heartbeat(follow, until=service.closing)) as events:
        async for event in events:
            if event is not None:
                yield sse.event_text(event.name, event.data, event.number)
