"""Requests of many callers run together where they agree. Nothing of torch, and no timers.

While a model is busy its requests wait. When it is free the most urgent one is taken, among equals
that of the job accepted first, and with it all that can share its run, in the same order, up to a
limit. A request that finds the model idle runs at once and alone, but for jobs of one group, which
gather first (`core/turns.py`).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor, wait
from contextlib import suppress
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Generic, Protocol, TypeVar

from ninefold.core.control_flow import Cancelled
from ninefold.core.progress import PreviewMaker, Progress
from ninefold.core.timing import current_clock
from ninefold.core.turns import Turn, current_turn
from ninefold.engines.memory import is_out_of_memory

Q = TypeVar("Q")
R = TypeVar("R")
Q_contra = TypeVar("Q_contra", contravariant=True)

#: Seconds between two looks at whether a waiting caller should stop.
_PATIENCE = 0.1
#: Seconds after which a request that waits for others is reported: longer than jobs gather.
_WORTH_SAYING = 1.5


class Limits(Protocol[Q_contra]):
    """How many requests one run may take."""

    def limit(self, request: Q_contra, /) -> int:
        """For requests that can share a run with this one; at least 1."""

    def exceeded(self, request: Q_contra, count: int, /) -> None:
        """So many were too much for the device's memory."""


@dataclass(eq=False)
class _Ticket(Generic[Q]):
    """A request in the queue or in a run; `outcome` is cancelled where its caller has left."""

    request: Q
    progress: Progress
    #: Tickets of equal keys may share a run.
    key: object
    #: The number in the order of asking.
    number: int
    #: The job's that asks.
    turn: Turn
    #: The caller's, so that what its progress calls finds the caller's context variables.
    context: Context = field(default_factory=copy_context)
    outcome: Future[Any] = field(default_factory=Future)
    running: bool = False
    #: Seconds of the runs that it was in, and that the model took to be ready for them.
    ran: float = 0.0
    loaded: float = 0.0

    @property
    def rank(self) -> tuple[tuple[int, int], int]:
        """Priority, then the job's age, then its own."""
        return self.turn.rank, self.number

    @property
    def settled(self) -> bool:
        return self.outcome.done()

    def succeed(self, result: object) -> None:
        with suppress(InvalidStateError):
            self.outcome.set_result(result)

    def fail(self, error: BaseException) -> None:
        with suppress(InvalidStateError):
            self.outcome.set_exception(error)


class Batch(Generic[Q]):
    """Requests that may share one run, and the way to their callers."""

    def __init__(
        self,
        tickets: Sequence[_Ticket[Q]],
        limits: Limits[Q],
        put_back: Callable[[Sequence[_Ticket[Q]]], None],
    ) -> None:
        self.tickets = list(tickets)
        self.taken = False
        self._began = time.perf_counter()
        self._limits = limits
        self._put_back = put_back

    def take(self, key: Callable[[Q], object] = lambda _: None) -> tuple[Q, ...]:
        """The requests to run, in the order in which results are expected; at least one.

        They agree with the most urgent one in `key` too, and are no more than the limit; the
        others wait on. To be called once, when the model is ready, since keys may need it.
        """
        self.check()
        live, ready = self._live(), time.perf_counter()
        if len(live) > 1:
            first = key(live[0].request)
            live = [live[0], *(t for t in live[1:] if key(t.request) == first)]
        if len(live) > 1:
            live = live[: self._limits.limit(live[0].request)]
        others = [ticket for ticket in self.tickets if ticket not in live]
        self.tickets, self.taken = live, True
        for ticket in live:
            ticket.running = True
            ticket.loaded += ready - self._began
        self._began = ready
        self._put_back(others)
        return tuple(ticket.request for ticket in live)

    def check(self) -> None:
        """Raise `Cancelled` when nobody waits for a result any more."""
        self._notify(lambda progress, _: progress.check())

    def step(self, done: int, total: int, previews: Sequence[PreviewMaker | None]) -> None:
        """Report to everyone, with a preview each; raises `Cancelled` when nobody waits on.

        Whoever's progress raises is given that error, and its result will be thrown away.
        """
        self._notify(lambda progress, index: progress.step(done, total, previews[index]))

    def end(self) -> None:
        """The run is over: note how long it was."""
        spent = time.perf_counter() - self._began
        for ticket in self.tickets:
            if self.taken:
                ticket.ran += spent
            else:  # the model did not become ready
                ticket.loaded += spent

    def _notify(self, report: Callable[[Progress, int], None]) -> None:
        for index, ticket in enumerate(self.tickets):
            if ticket.settled:
                continue
            try:
                ticket.context.run(report, ticket.progress, index)
            except Exception as error:
                # A preview that finds no memory is no fault of its caller. And a caller hears of it
                # only when its work has ended, so the last one's error ends the run first.
                if is_out_of_memory(error) or self._live() == [ticket]:
                    raise
                ticket.fail(error)
        if not self._live():
            raise Cancelled

    def _live(self) -> list[_Ticket[Q]]:
        return [ticket for ticket in self.tickets if not ticket.settled]


def model_thread() -> ThreadPoolExecutor:
    """One thread, for whoever works off the queues of models."""
    return ThreadPoolExecutor(1, thread_name_prefix="ninefold-model")


class Batcher(Generic[Q, R]):
    """The queue of one model, which one thread works off, one run at a time.

    `key` says what requests that share a run have in common; `run` takes requests from a batch
    and returns their results. A request run alone gets whatever `run` raises. A batch that fills
    the memory is run in smaller ones; one that fails otherwise is run one by one, so that only
    the guilty one fails.
    """

    def __init__(
        self,
        run: Callable[[Batch[Q]], Sequence[R]],
        key: Callable[[Q], object],
        limits: Limits[Q],
        worker: ThreadPoolExecutor | None = None,
    ) -> None:
        """`worker` is one thread, which models may share; without it the model has its own."""
        self._run = run
        self._key = key
        self._limits = limits
        self._waiting: list[_Ticket[Q]] = []
        self._lock = Lock()
        self._numbers = itertools.count()
        self._worker = worker or model_thread()

    def run(self, request: Q, progress: Progress) -> R:
        """Wait for the result; raises what the run or `progress` raised.

        A request is as urgent as `current_turn` says. While it waits for its turn, `progress`
        is asked several times a second whether to go on; then at every step of the run. What was
        no part of a run is reported to `current_clock`.
        """
        began, turn = time.perf_counter(), current_turn.get()
        turn.ask(progress.check)
        ticket = _Ticket(request, progress, self._key(request), next(self._numbers), turn)
        self._put_back([ticket])
        turn.asked()
        self._worker.submit(self._serve)
        try:
            while not wait([ticket.outcome], _PATIENCE).done:
                if not ticket.running:
                    progress.check()
                    if time.perf_counter() - began > _WORTH_SAYING and self._has(ticket):
                        current_clock.get().waiting()
        except BaseException:
            ticket.outcome.cancel()
            raise
        finally:
            turn.answered()
            waited = time.perf_counter() - began - ticket.ran - ticket.loaded
            current_clock.get().add(waited=waited, loaded=ticket.loaded)
        result: R = ticket.outcome.result()
        return result

    def _has(self, ticket: _Ticket[Q]) -> bool:
        """Whether a request waits and is in no batch yet."""
        with self._lock:
            return ticket in self._waiting

    def _serve(self) -> None:
        """Work off the queue; finds it empty where another call has done so."""
        while (batch := self._next()) is not None:
            self._attempt(batch)

    def _next(self) -> Batch[Q] | None:
        with self._lock:
            waiting = self._in_order()
        if waiting:
            waiting[0].turn.gather()
        with self._lock:
            waiting = self._in_order()
            alike = [ticket for ticket in waiting if ticket.key == waiting[0].key]
            self._waiting = [ticket for ticket in waiting if ticket not in alike]
        if not alike:
            return None
        # The others may still leave while the model loads, say; this one's work has begun.
        alike[0].running = True
        return Batch(alike, self._limits, self._put_back)

    def _in_order(self) -> list[_Ticket[Q]]:
        """The requests that wait, the most urgent first."""
        waiting = [ticket for ticket in self._waiting if not ticket.settled]
        return sorted(waiting, key=lambda ticket: ticket.rank)

    def _put_back(self, tickets: Sequence[_Ticket[Q]]) -> None:
        with self._lock:
            for ticket in tickets:
                ticket.running = False
            self._waiting += tickets

    def _attempt(self, batch: Batch[Q]) -> None:
        try:
            batch.check()
            try:
                results = self._run(batch)
            finally:
                batch.end()
            for ticket in batch.tickets:  # before any of their jobs goes on
                ticket.turn.answered()
            for ticket, result in zip(batch.tickets, results, strict=True):
                ticket.succeed(result)
            return
        except Exception as error:
            if len(batch.tickets) == 1 or isinstance(error, Cancelled):
                for ticket in batch.tickets:
                    ticket.fail(error)
                return
            full = batch.taken and is_out_of_memory(error)
        # Outside the handler, so that the traceback no longer holds the failed run's tensors.
        if full:
            self._limits.exceeded(batch.tickets[0].request, len(batch.tickets))
        else:
            for ticket in batch.tickets:
                ticket.key = object()
        self._put_back(batch.tickets)
