"""What the client asks beside one job after the other; and that it leaves nothing out unsaid."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ninefold import Client
from ninefold.client import Group, Job, flows
from ninefold.client.errors import ConflictError, NotFoundError, RefusedError, ServiceError
from tests.client.clients import Blocking, Scripted, problem
from tests.server.conftest import png
from tests.server.process import ServerProcess, server
from tools.openapi import document

#: Operations without a method of the client, and why.
LEFT_OUT = {
    **dict.fromkeys(
        ("healthz", "readyz"), "What runs the service asks; the client waits by trying again."
    ),
    **dict.fromkeys(("get_session", "sign_in", "sign_out"), "Of browsers; the client has a key."),
    **dict.fromkeys(("list_keys", "create_key", "revoke_key"), "`ninefold keys` does it."),
    **dict.fromkeys(
        ("follow_all", "get_preview"), "For pages that show all that happens, as it happens."
    ),
    **dict.fromkeys(
        (
            "list_webhooks",
            "retry_webhook",
            "webhook_secret",
            "job_webhook",
            "group_webhook",
            "replay_job_webhook",
            "replay_group_webhook",
        ),
        "Who receives webhooks needs no client; `ninefold webhooks` tends to them.",
    ),
    **dict.fromkeys(
        ("get_upload", "get_upload_file"), "The client sent it: `upload` answers with the same."
    ),
    **dict.fromkeys(
        ("config_schema", "manifest_schema_document", "get_model"),
        "The library has the schemas itself, and `models` lists all.",
    ),
    **dict.fromkeys(
        ("validate_config", "parse_prompt", "inspect", "check_content_provenance"),
        "The library does it without a service: `PipelineConfig.parse`, and so on.",
    ),
}
_DOCUMENT: dict[str, Any] = json.loads(document())


class Recorder(httpx2.HTTPTransport):
    """Sends requests, and notes which operations they are."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: set[str] = set()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        sent = request.url.raw_path.decode().partition("?")[0]  # with the slashes of names quoted
        self.operations |= {
            operation["operationId"]
            for path, methods in _DOCUMENT["paths"].items()
            for method, operation in methods.items()
            if method.upper() == request.method and _pattern(path).fullmatch(sent)
        }
        return super().handle_request(request)


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{[^}]*\}", "[^/]+", path))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server over the fake engines."""
    with server(tmp_path_factory.mktemp("library") / "data") as found:
        yield found


def use_everything(client: Client, folder: Path) -> None:
    """Call every method, and look at what comes of each."""
    upload = client.upload(png())
    estimate = client.estimate(["a house", {"prompt": "a tent", "image": upload}], preset="draft")
    assert (estimate.images, estimate.problems) == (2, ())
    assert estimate.steps[1].stage == "text_to_image"
    (refused,) = client.estimate("a house", preset="nothing").problems
    assert "nothing" in refused.detail
    cells = client.estimate_grid("a house", ("seed", [1, 2]), ("prompt", ["a tent", "a boat"]))
    assert (cells.images, cells.problems) == (4, ())
    paused = client.pause_queue()
    assert paused.paused
    first = client.submit("a red house", preset="draft", seed=7)
    second = client.submit("a boat", preset="draft", seed=8)
    assert client.change(first, favourite=True).favourite
    assert client.change(second, priority=first.priority).priority == first.priority
    client.move(second, "first")
    assert [job.id for job in client.queue().waiting] == [second.id, first.id]
    client.move(second, "last")
    client.move(second.id, before=first)
    assert [job.id for job in client.queue().waiting] == [second.id, first.id]
    assert not client.resume_queue().paused
    done = client.wait(first, timeout=120)
    client.wait(second, timeout=120)
    assert list(client.events(done))[-1].event == "job_ended"
    assert [job.id for job in client.list(favourite=True, q="hou", seed=7).jobs] == [done.id]
    assert client.read(done, done.outputs[0].name)
    assert client.thumbnail(done, 64)[8:12] == b"WEBP"
    plan = client.plan_rerun(done, changes={"publisher.formats": ["webp"]})
    assert (plan.from_stage, plan.runs) == ("publisher", ("publisher",))
    child = client.wait(client.rerun(done, from_stage="publisher"), timeout=120)
    family = client.lineage(child)
    assert [(one.id, one.parent) for one in family.jobs] == [(done.id, None), (child.id, done.id)]
    assert not family.truncated
    group = client.submit_group(["a tent", "a hill"], preset="draft")
    assert client.wait_group(group, timeout=240).counts == {"succeeded": 2}
    assert client.cancel_group(group).ended
    assert client.sheet(group, "webp", tile=64, columns=2)[8:12] == b"WEBP"
    assert client.sheet(group.id, "html").startswith(b"<!doctype html>")
    grid = client.submit_grid(
        "a house", ("text_to_image.steps", [1, 2]), ("seed", [7]), preset="draft"
    )
    client.wait_group(grid.id, timeout=240)
    shown = client.grid(grid)
    assert (shown.status, shown.x.labels, shown.x.values) == (
        "succeeded",
        ("steps 1", "steps 2"),
        (1, 2),
    )
    assert [(cell.x, cell.y) for cell in shown.cells] == [(0, 0), (1, 0)]
    chosen: list[Job | str] = [done, child.id]
    selections: tuple[list[Job | str] | Group | str, ...] = (chosen, group, group.id)
    for given in selections:
        path = client.archive(given, folder / "new" / "all.zip")
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            assert len(json.loads(archive.read("manifest.json"))["jobs"]) == 2
    assert [item.name for item in (folder / "new").iterdir()] == ["all.zip"]
    assert client.models()["default"] == "poster"
    assert [preset["name"] for preset in client.presets()] == ["draft", "standard", "full"]
    assert client.stages()[0]["name"] == "prompt"
    assert client.system()["queue"]["paused"] is False
    checks = client.checks()
    assert client.checks(max_age=3600) == checks
    assert "database" in {check["name"] for check in checks["checks"]}
    assert client.cancel(child).status == "succeeded"
    client.delete(child)
    gone = client.delete_many([done, second.id, "nobody"])
    assert (set(gone.deleted), set(gone.kept)) == ({done.id, second.id}, {"nobody"})
    client.delete_upload(upload)
    with pytest.raises(NotFoundError):
        client.delete_upload(upload.id)


def test_all_that_there_is_for_programs_that_await(running: ServerProcess, tmp_path: Path) -> None:
    client: Any = Blocking(running.url)
    use_everything(client, tmp_path)
    client.close()


def test_the_client_has_every_operation_but_those_that_are_left_out(
    running: ServerProcess, tmp_path: Path
) -> None:
    recorder = Recorder()
    with Client(running.url, transport=recorder) as client:
        use_everything(client, tmp_path)
    there = {
        operation["operationId"]
        for methods in _DOCUMENT["paths"].values()
        for operation in methods.values()
    }
    assert not recorder.operations & LEFT_OUT.keys()
    assert recorder.operations | LEFT_OUT.keys() == there


def test_what_is_refused(client: Client, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="got both or neither"):
        client.archive([], tmp_path / "all.zip")
    with pytest.raises(NotFoundError):
        client.archive("nobodys", tmp_path / "all.zip")
    with pytest.raises(NotFoundError):
        client.sheet("nobodys")
    with pytest.raises(NotFoundError):
        client.lineage("nobody")
    client.pause_queue()
    waiting = client.submit_group(["a tent"], preset="draft")
    with pytest.raises(ConflictError, match="1 queued"):
        client.sheet(waiting)
    client.cancel_group(waiting)
    client.resume_queue()
    assert list(tmp_path.iterdir()) == []


def test_an_archive_that_is_cut_short_is_asked_for_again(
    scripted: Scripted, tmp_path: Path
) -> None:
    whole = tmp_path / "source.zip"
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("manifest.json", "{}")
    data = whole.read_bytes()
    client, script = scripted(
        httpx2.Response(200, content=data[:20]),
        problem(503),
        httpx2.ReadError("cut"),
        httpx2.Response(200, content=data),
    )
    assert client.archive(["j1"], tmp_path / "new" / "a.zip").read_bytes() == data
    assert {str(request.url.query, "ascii") for request in script.requests} == {"job=j1"}
    client, _ = scripted(*[httpx2.Response(200, content=data[:20])] * flows.TRIES)
    with pytest.raises(ServiceError, match="ended too soon"):
        client.archive("g1", tmp_path / "new" / "b.zip")
    assert [item.name for item in (tmp_path / "new").iterdir()] == ["a.zip"]
