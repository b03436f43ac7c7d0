"""A service's clients: `Client` blocks, `AsyncClient` awaits; they differ in nothing else."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, ExitStack, closing
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar

import httpx2

from ninefold._version import __version__
from ninefold.client import calls, flows, library, plans
from ninefold.client.call import Call
from ninefold.client.errors import UnreachableError
from ninefold.client.flows import Flow, Next, Open, Save, Send, Step
from ninefold.client.values import Event, Job

P = ParamSpec("P")
T = TypeVar("T")

#: Where `ninefold serve` listens.
LOCAL = "http://127.0.0.1:8000"
#: Seconds that an answer may take.
TIMEOUT = 60.0


@dataclass
class _Walk(Generic[T]):
    """A flow under way, and what came of its last step."""

    flow: Flow[T] | Any
    outcome: Any = None
    error: Exception | None = None
    result: T | None = None
    #: Events of the open answer.
    items: Any = None

    def next(self) -> Step | Event | None:
        """What to do next; None at the end."""
        outcome, error = self.outcome, self.error
        self.outcome = self.error = None
        try:
            found: Step | Event = (
                self.flow.send(outcome) if error is None else self.flow.throw(error)
            )
        except StopIteration as end:
            self.result = end.value
            return None
        return found

    def broke(self, error: httpx2.TransportError) -> None:
        """Take note that no answer came."""
        text = str(error) or "no answer came"
        self.error = UnreachableError(f"{text} ({type(error).__name__})")


def _method(method: Callable[..., Any], build: Callable[..., Any]) -> None:
    """Have a method look like `build` with a `self` before it."""
    wraps(build)(method)
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    known = inspect.signature(build)
    method.__signature__ = known.replace(  # type: ignore[attr-defined]
        parameters=[own, *known.parameters.values()]
    )


def _flow(build: Callable[P, Call[T]]) -> Callable[P, Flow[T]]:
    """A single request as a flow."""

    @wraps(build)
    def start(*args: P.args, **kwargs: P.kwargs) -> Flow[T]:
        return flows.request(build(*args, **kwargs))

    return start


def _blocking(start: Callable[P, Flow[T]]) -> Callable[Concatenate[Client, P], T]:
    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._run(start(*args, **kwargs))

    _method(method, start)
    return method


def _awaiting(
    start: Callable[P, Flow[T]],
) -> Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]:
    async def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._run(start(*args, **kwargs))

    _method(method, start)
    return method


_submit = _flow(calls.submit)
_submit_group = _flow(calls.submit_group)
_rerun = _flow(calls.rerun)
_get = _flow(calls.get)
_list = _flow(calls.list_jobs)
_cancel = _flow(calls.cancel)
_delete = _flow(calls.delete)
_group = _flow(calls.group)
_cancel_group = _flow(calls.cancel_group)
_upload = _flow(calls.upload)
_read = _flow(calls.read)
_estimate = _flow(plans.estimate)
_estimate_grid = _flow(plans.estimate_grid)
_plan_rerun = _flow(plans.plan_rerun)
_submit_grid = _flow(plans.submit_grid)
_grid = _flow(plans.grid)
_delete_upload = _flow(calls.delete_upload)
_change = _flow(library.change)
_move = _flow(library.move)
_delete_many = _flow(library.delete_many)
_lineage = _flow(library.lineage)
_thumbnail = _flow(library.thumbnail)
_sheet = _flow(library.sheet)
_queue = _flow(library.queue)
_pause_queue = _flow(library.pause_queue)
_resume_queue = _flow(library.resume_queue)
_system = _flow(library.system)
_checks = _flow(library.checks)
_models = _flow(library.models)
_presets = _flow(library.presets)
_stages = _flow(library.stages)


class Client:
    """A service's jobs from a program, as `AsyncClient` has them for one that awaits.

        with Client("http://127.0.0.1:8000", key="nf_...") as client:
            job = client.wait(client.submit("a red house", preset="draft"))
            client.download(job, "pictures")

    Whatever goes wrong raises `ServiceError`, whose kinds are in `ninefold.client.errors`. Trouble
    that may pass is met by sending again, which never makes a second job. Safe to share by threads.
    """

    submit = _blocking(_submit)
    submit_group = _blocking(_submit_group)
    rerun = _blocking(_rerun)
    get = _blocking(_get)
    list = _blocking(_list)
    cancel = _blocking(_cancel)
    delete = _blocking(_delete)
    wait = _blocking(flows.wait)
    group = _blocking(_group)
    cancel_group = _blocking(_cancel_group)
    wait_group = _blocking(flows.wait_group)
    upload = _blocking(_upload)
    read = _blocking(_read)
    download = _blocking(flows.download)
    archive = _blocking(flows.archive)
    estimate = _blocking(_estimate)
    estimate_grid = _blocking(_estimate_grid)
    plan_rerun = _blocking(_plan_rerun)
    submit_grid = _blocking(_submit_grid)
    grid = _blocking(_grid)
    delete_upload = _blocking(_delete_upload)
    change = _blocking(_change)
    move = _blocking(_move)
    delete_many = _blocking(_delete_many)
    lineage = _blocking(_lineage)
    thumbnail = _blocking(_thumbnail)
    sheet = _blocking(_sheet)
    queue = _blocking(_queue)
    pause_queue = _blocking(_pause_queue)
    resume_queue = _blocking(_resume_queue)
    system = _blocking(_system)
    checks = _blocking(_checks)
    models = _blocking(_models)
    presets = _blocking(_presets)
    stages = _blocking(_stages)

    def __init__(
        self,
        url: str = LOCAL,
        key: str | None = None,
        *,
        timeout: float = TIMEOUT,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        """`key` is an API key, which the service's own machine may not need."""
        self._http = httpx2.Client(
            base_url=url, headers=_headers(key), timeout=timeout, transport=transport
        )

    def events(self, job: Job | str, after: int = 0) -> Iterator[Event]:
        """What happened to a job after event `after`, each once, until it ends."""
        return self._walk(_Walk(flows.events(job, after)))

    def close(self) -> None:
        """Let go of all connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, flow: Flow[T]) -> T:
        walk: _Walk[T] = _Walk(flow)
        for _ in self._walk(walk):
            pass
        return walk.result  # type: ignore[return-value]

    def _walk(self, walk: _Walk[Any]) -> Iterator[Event]:
        with ExitStack() as opened:
            while (step := walk.next()) is not None:
                if isinstance(step, Event):
                    yield step
                    continue
                try:
                    walk.outcome = self._do(step, walk, opened)
                except httpx2.TransportError as error:
                    walk.broke(error)

    def _do(self, step: Step, walk: _Walk[Any], opened: ExitStack) -> Any:
        if isinstance(step, Send):
            return self._http.send(_request(self._http, step.call))
        if isinstance(step, Open):
            opened.close()
            request = _request(self._http, step.call, silence=step.silence)
            response = self._http.send(request, stream=True)
            opened.callback(response.close)
            if not response.is_success:
                response.read()
            walk.items = iter(httpx2.EventSource(response))
            return response
        if isinstance(step, Next):
            return next(walk.items, None)
        if isinstance(step, Save):
            response = self._http.send(_request(self._http, step.call), stream=True)
            with closing(response), step.path.open("wb") as file:
                if not response.is_success:
                    response.read()
                else:
                    for data in response.iter_bytes():
                        file.write(data)
            return response
        return time.sleep(step.seconds)


class AsyncClient:
    """`Client` for programs that await: every method but `events`, which is an async iterator."""

    submit = _awaiting(_submit)
    submit_group = _awaiting(_submit_group)
    rerun = _awaiting(_rerun)
    get = _awaiting(_get)
    list = _awaiting(_list)
    cancel = _awaiting(_cancel)
    delete = _awaiting(_delete)
    wait = _awaiting(flows.wait)
    group = _awaiting(_group)
    cancel_group = _awaiting(_cancel_group)
    wait_group = _awaiting(flows.wait_group)
    upload = _awaiting(_upload)
    read = _awaiting(_read)
    download = _awaiting(flows.download)
    archive = _awaiting(flows.archive)
    estimate = _awaiting(_estimate)
    estimate_grid = _awaiting(_estimate_grid)
    plan_rerun = _awaiting(_plan_rerun)
    submit_grid = _awaiting(_submit_grid)
    grid = _awaiting(_grid)
    delete_upload = _awaiting(_delete_upload)
    change = _awaiting(_change)
    move = _awaiting(_move)
    delete_many = _awaiting(_delete_many)
    lineage = _awaiting(_lineage)
    thumbnail = _awaiting(_thumbnail)
    sheet = _awaiting(_sheet)
    queue = _awaiting(_queue)
    pause_queue = _awaiting(_pause_queue)
    resume_queue = _awaiting(_resume_queue)
    system = _awaiting(_system)
    checks = _awaiting(_checks)
    models = _awaiting(_models)
    presets = _awaiting(_presets)
    stages = _awaiting(_stages)

    def __init__(
        self,
        url: str = LOCAL,
        key: str | None = None,
        *,
        timeout: float = TIMEOUT,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """`key` is an API key, which the service's own machine may not need."""
        self._http = httpx2.AsyncClient(
            base_url=url, headers=_headers(key), timeout=timeout, transport=transport
        )

    def events(self, job: Job | str, after: int = 0) -> AsyncIterator[Event]:
        """What happened to a job after event `after`, each once, until it ends."""
        return self._walk(_Walk(flows.events(job, after)))

    async def aclose(self) -> None:
        """Let go of all connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _run(self, flow: Flow[T]) -> T:
        walk: _Walk[T] = _Walk(flow)
        async for _ in self._walk(walk):
            pass
        return walk.result  # type: ignore[return-value]

    async def _walk(self, walk: _Walk[Any]) -> AsyncIterator[Event]:
        async with AsyncExitStack() as opened:
            while (step := walk.next()) is not None:
                if isinstance(step, Event):
                    yield step
                    continue
                try:
                    walk.outcome = await self._do(step, walk, opened)
                except httpx2.TransportError as error:
                    walk.broke(error)

    async def _do(self, step: Step, walk: _Walk[Any], opened: AsyncExitStack) -> Any:
        if isinstance(step, Send):
            return await self._http.send(_request(self._http, step.call))
        if isinstance(step, Open):
            await opened.aclose()
            request = _request(self._http, step.call, silence=step.silence)
            response = await self._http.send(request, stream=True)
            opened.push_async_callback(response.aclose)
            if not response.is_success:
                await response.aread()
            walk.items = aiter(httpx2.EventSource(response))
            return response
        if isinstance(step, Next):
            return await anext(walk.items, None)
        if isinstance(step, Save):
            response = await self._http.send(_request(self._http, step.call), stream=True)
            try:
                with step.path.open("wb") as file:
                    if not response.is_success:
                        await response.aread()
                    else:
                        async for data in response.aiter_bytes():
                            await asyncio.to_thread(file.write, data)
            finally:
                await response.aclose()
            return response
        return await asyncio.sleep(step.seconds)


def _headers(key: str | None) -> dict[str, str]:
    known = {"user-agent": f"ninefold-python/{__version__}"}
    return known if key is None else {**known, "authorization": f"Bearer {key}"}


def _request(
    http: httpx2.Client | httpx2.AsyncClient, call: Call[Any], silence: float | None = None
) -> httpx2.Request:
    request = http.build_request(
        call.method,
        call.path,
        params=call.params or None,
        json=call.json,
        data=call.data,
        files=call.files,
        headers=call.headers,
    )
    usual = request.extensions["timeout"]
    if silence is None and call.patience and usual["read"] is not None:
        silence = usual["read"] + call.patience
    if silence is not None:
        request.extensions["timeout"] = {**usual, "read": silence}
    return request
