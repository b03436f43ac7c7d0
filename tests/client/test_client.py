"""Both clients do the same against a real server process, and take up what breaks."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import AsyncIterator, Coroutine, Iterator
from pathlib import Path
from typing import Any, get_type_hints

import httpx2
import pytest

from ninefold import AsyncClient, Client, PipelineConfig
from ninefold.client import Event, Group, Job, errors, flows
from ninefold.client.errors import (
    BusyError,
    ConflictError,
    NotFoundError,
    RefusedError,
    ServiceError,
    UnauthorizedError,
    UnreachableError,
)
from tests.cli.test_light import loaded
from tests.client.clients import Scripted, problem
from tests.server.conftest import png
from tests.server.process import ServerProcess, server

CONFIG = PipelineConfig.parse({"stages": [{"stage": "prompt"}, {"stage": "text_to_image"}]})


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server over the fake engines, whose calls take a while."""
    folder = tmp_path_factory.mktemp("client")
    with server(folder / "data", engines={"steps_delay": 0.01}) as found:
        yield found


# -- everything that there is ---------------------------------------------------------------------


def test_a_job_from_prompt_to_files(client: Client, tmp_path: Path) -> None:
    job = client.submit("a red house", preset="draft", seed=7)
    assert job.status in ("queued", "running")
    done = client.wait(job, timeout=120)
    assert (done.id, done.status, done.seed) == (job.id, "succeeded", 7)
    assert done.outputs
    paths = client.download(done, tmp_path / "new")
    assert [f"outputs/{path.name}" for path in paths] == [output.name for output in done.outputs]
    assert client.read(done, done.outputs[0].name) == paths[0].read_bytes()
    assert [path.name for path in (tmp_path / "new").iterdir()] == [p.name for p in paths]
    (page,) = (client.list(limit=1),)
    assert page.jobs
    assert page.next_cursor is None or client.list(cursor=page.next_cursor).jobs


def test_events_are_reported_once_each_to_the_end(client: Client) -> None:
    job = client.submit("a red house", config=CONFIG)
    events = list(client.events(job))
    numbers = [event.sequence for event in events]
    assert numbers == sorted(set(numbers))
    assert events[0].event == "job_started"
    assert events[-1].event == "job_ended"
    assert events[-1].data["status"] == "succeeded"
    again = list(client.events(job.id, events[2].sequence))
    assert [event.sequence for event in again] == numbers[3:]
    assert list(client.events(job, numbers[-1])) == []


def test_a_rerun_takes_over_and_cancel_and_delete_change(client: Client) -> None:
    job = client.wait(client.submit("a blue house", preset="draft", seed=1))
    child = client.wait(client.rerun(job, from_stage="publisher"))
    assert child.parent == job.id
    assert "text_to_image" in child.reused
    slow = client.submit("a tent", preset="draft", overrides={"text_to_image.steps": 150})
    assert client.cancel(slow).status == "cancelled"
    assert client.wait(slow).ended
    client.delete(job)
    with pytest.raises(NotFoundError):
        client.get(job)


def test_groups_and_uploads(client: Client) -> None:
    upload = client.upload(png())
    assert client.upload(png()) == upload
    given = {"prompt": "a red house", "image": upload}
    group = client.submit_group([given, "a tent"], count=2, preset="draft")
    assert len(group.jobs) == 4
    whole = client.wait_group(group, timeout=240)
    assert whole.counts == {"succeeded": 4}
    assert client.cancel_group(whole.id).status == "succeeded"
    assert client.list(group=group.id).jobs
    mask = client.upload(png(), mask=True)
    assert mask.kind == "mask"


def test_the_same_key_is_the_same_job(client: Client) -> None:
    first = client.submit("a house", preset="draft", seed=3, idempotency_key="of-monday")
    again = client.submit("a house", preset="draft", seed=3, idempotency_key="of-monday")
    assert first.id == again.id
    with pytest.raises(ConflictError) as caught:
        client.submit("another", preset="draft", idempotency_key="of-monday")
    assert caught.value.status == 409


def test_every_problem_is_reported_at_once(client: Client) -> None:
    with pytest.raises(RefusedError) as caught:
        client.submit("a house", preset="draft", seed=-1, priority=0)
    assert caught.value.status == 422
    assert len(caught.value.errors) == 2
    assert "seed" in str(caught.value)
    assert "priority" in str(caught.value)


def test_waiting_ends_when_it_should(client: Client) -> None:
    slow = client.submit("a tent", preset="draft", overrides={"text_to_image.steps": 150})
    with pytest.raises(TimeoutError, match=slow.id):
        client.wait(slow, timeout=0.2)
    client.cancel(slow)


# -- what breaks ----------------------------------------------------------------------------------


def test_a_restart_in_the_middle_loses_no_event(tmp_path: Path) -> None:
    """`kill -9` under an open stream; the next server on the same port goes on."""
    engines = {"steps_delay": 0.02}
    with server(tmp_path / "data", engines=engines) as first:
        client = Client(first.url)
        job = client.submit("a house", preset="draft", overrides={"text_to_image.steps": 100})
        port = first.url.rpartition(":")[2]
        seen: list[Event] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(flows, "TRIES", 1000)
            for event in client.events(job):
                seen.append(event)
                if len(seen) == 4:
                    first.kill()
                    second = ServerProcess(tmp_path / "data", "--port", port, engines=engines)
                    assert second.ready(), second.errors()
    second.close()
    client.close()
    numbers = [event.sequence for event in seen]
    assert numbers == sorted(set(numbers))
    assert seen[-1].event == "job_ended"
    assert seen[-1].data["status"] == "succeeded"


JOB = {"id": "j1", "status": "queued", "priority": 100, "created_at": "2025-01-01T00:00:00+00:00"}


def test_passing_trouble_is_met_by_sending_the_same_again(scripted: Scripted) -> None:
    client, script = scripted(
        httpx2.ConnectError("refused"),
        problem(503),
        httpx2.ReadError("cut"),
        httpx2.Response(202, json=JOB),
    )
    assert client.submit("a house").id == "j1"
    assert len({request.headers["idempotency-key"] for request in script.requests}) == 1
    assert len({request.content for request in script.requests}) == 1
    assert {request.headers["authorization"] for request in script.requests} == {"Bearer nf_x"}


def test_two_submits_are_two_jobs(scripted: Scripted) -> None:
    client, script = scripted(httpx2.Response(202, json=JOB), httpx2.Response(202, json=JOB))
    client.submit("a house")
    client.submit("a house")
    assert len({request.headers["idempotency-key"] for request in script.requests}) == 2


def test_tries_end(scripted: Scripted) -> None:
    client, script = scripted(*[httpx2.ConnectError("refused")] * flows.TRIES)
    with pytest.raises(UnreachableError, match="refused") as caught:
        client.get("j1")
    assert caught.value.status is None
    assert len(script.requests) == flows.TRIES


def test_a_service_that_asks_for_much_time_is_believed(scripted: Scripted) -> None:
    client, script = scripted(problem(429, **{"Retry-After": "3600"}))
    with pytest.raises(BusyError) as caught:
        client.get("j1")
    assert caught.value.retry_after == 3600
    assert len(script.requests) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RefusedError),
        (401, UnauthorizedError),
        (403, UnauthorizedError),
        (404, NotFoundError),
        (409, ConflictError),
        (413, RefusedError),
        (422, RefusedError),
        (500, ServiceError),
    ],
)
def test_other_errors_are_reported_at_once(
    scripted: Scripted, status: int, kind: type[ServiceError]
) -> None:
    client, script = scripted(problem(status))
    with pytest.raises(kind, match="Not now") as caught:
        client.get("j1")
    assert caught.value.status == status
    assert len(script.requests) == 1


def test_an_answer_that_is_no_problem_document_is_reported_all_the_same() -> None:
    for body in (b"", b"<html>", b"[1]", b'{"detail": 3, "errors": 3}', b'{"errors": [1]}'):
        found = errors.error_of(httpx2.Response(502, content=body))
        assert isinstance(found, BusyError)
        assert "status 502" in str(found)


def test_a_stream_that_breaks_is_taken_up_where_it_broke(scripted: Scripted) -> None:
    client, script = scripted(
        stream((1, "job_started"), (5, "stage_started")),
        httpx2.ConnectError("refused"),
        stream((5, "stage_started"), (9, "job_ended")),
    )
    assert [event.sequence for event in client.events("j1")] == [1, 5, 9]
    assert [request.headers.get("last-event-id") for request in script.requests] == [
        None,
        "5",
        "5",
    ]


def test_a_file_that_is_not_what_the_job_made_is_not_kept(
    scripted: Scripted, tmp_path: Path
) -> None:
    output = {"name": "a.png", "format": "png", "media_type": "image/png", "width": 1, "height": 1}
    job = {**JOB, "status": "succeeded", "outputs": [{**output, "sha256": "0" * 64}]}
    client, _ = scripted(httpx2.Response(200, json=job), httpx2.Response(200, content=b"other"))
    with pytest.raises(ServiceError, match="not what the job made"):
        client.download("j1", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../../a.png", "/etc/a.png", "sub/a.png", ".."])
def test_no_name_leads_out_of_the_folder(scripted: Scripted, tmp_path: Path, name: str) -> None:
    file = {"name": name, "media_type": "image/png", "sha256": hashlib.sha256(b"x").hexdigest()}
    job = {**JOB, "status": "succeeded", "artifacts": [file]}
    client, _ = scripted(httpx2.Response(200, json=job), httpx2.Response(200, content=b"x"))
    folder = tmp_path / "one" / "two"
    if name == "..":
        with pytest.raises(ServiceError, match="no name of a file"):
            client.download("j1", folder, [name])
    else:
        assert client.download("j1", folder, [name]) == (folder / "a.png",)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == (
        [] if name == ".." else [folder / "a.png"]
    )


def stream(*events: tuple[int, str]) -> httpx2.Response:
    lines = [
        f"id: {number}\nevent: {name}\ndata: {json.dumps({'sequence': number, 'event': name})}\n\n"
        for number, name in events
    ]
    text = ": hello\n\n" + "".join(lines)
    return httpx2.Response(200, text=text, headers={"content-type": "text/event-stream"})


# -- the two clients ------------------------------------------------------------------------------


def test_both_have_the_same_methods_with_the_same_signatures() -> None:
    def public(kind: type[object]) -> dict[str, inspect.Signature]:
        return {
            name: inspect.signature(value)
            for name, value in vars(kind).items()
            if inspect.isfunction(value) and not name.startswith("_")
        }

    blocking, awaiting = public(Client), public(AsyncClient)
    assert blocking.pop("close") == awaiting.pop("aclose")
    assert str(blocking.pop("events").parameters) == str(awaiting.pop("events").parameters)
    assert blocking == awaiting
    assert {"submit", "wait", "get", "list", "cancel", "rerun", "upload", "download"} <= set(
        blocking
    )
    assert all(name == "self" for name, *_ in (s.parameters for s in blocking.values()))
    for name in blocking:
        assert getattr(Client, name).__doc__


def test_types_are_those_of_results() -> None:
    def typed(client: Client, other: AsyncClient) -> None:
        job: Job = client.submit("a house")
        group: Group = client.wait_group("g")
        later: Coroutine[Any, Any, Job] = other.submit("a house")
        events: AsyncIterator[Event] = other.events(job)
        _ = group, later, events

    assert get_type_hints(typed)["return"] is type(None)  # mypy reads the rest


def test_importing_a_client_is_light() -> None:
    heavy = ("torch", "numpy", "PIL", "dbos", "sqlalchemy", "fastapi", "onnxruntime")
    assert loaded("from ninefold import AsyncClient, Client", heavy) == ""
