"""The settings: keys are made and revoked, and what else the server tells."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx2 as httpx
import sqlalchemy as sa
from playwright.sync_api import Route, expect

from ninefold.jobs.database import connect, database_url
from ninefold.jobs.leases import Lease, WorkerProcess, locks_for
from ninefold.jobs.tables import WORKERS
from tests.server.process import ServerProcess, server
from tests.studio.axe import violations
from tests.studio.conftest import Studio
from tests.studio.test_display import ADOPT, BEYOND, SPACES


def test_the_first_key_signs_its_maker_in_and_another_is_revoked(
    studio: Studio, served: ServerProcess
) -> None:
    context = studio.context()
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = studio.open(context, "/settings?tab=keys")
    page.get_by_role("textbox", name="Name").fill("<b>operator</b>")
    page.get_by_role("button", name="Make the first key and sign in").click()
    new = page.get_by_role("region", name="The new key")
    expect(new).to_contain_text("shown this once")
    new.get_by_role("button", name="Copy the key").click()
    expect(new.get_by_role("status")).to_have_text("Copied")
    key = page.evaluate("navigator.clipboard.readText()")
    expect(new).to_contain_text(key)
    assert violations(page) == []
    new.get_by_role("button", name="I have kept it").click()
    keys = page.get_by_role("region", name="Keys")
    # It may go on, others need a key from now on, and what was shown once is nowhere any more.
    expect(keys.get_by_role("row", name="<b>operator</b> (yours)")).to_be_visible()
    expect(page.get_by_text(key)).to_have_count(0)
    assert httpx.get(f"{served.url}/v1/jobs").status_code == 401

    page.get_by_role("textbox", name="Name").fill("printer")
    page.get_by_role("textbox", name="Jobs that may wait").fill("5")
    page.get_by_role("button", name="Make a key").click()
    printer = str(new.locator(".secret").text_content())
    new.get_by_role("button", name="I have kept it").click()
    expect(keys.get_by_role("row", name="printer")).to_contain_text("5 jobs")
    headers = {"Authorization": f"Bearer {printer}"}
    assert httpx.get(f"{served.url}/v1/jobs", headers=headers).status_code == 200

    revoke = keys.get_by_role("button", name="Revoke printer")
    revoke.click()
    question = page.get_by_role("alertdialog", name="Revoke the key of printer?")
    expect(question).to_be_visible()
    page.keyboard.press("Escape")
    expect(revoke).to_be_focused()
    revoke.click()
    assert violations(page) == []
    question.get_by_role("button", name="Revoke", exact=True).click()
    expect(keys.get_by_role("row", name="printer")).to_contain_text("revoked")
    expect(keys.get_by_role("heading", name="Keys")).to_be_focused()
    assert httpx.get(f"{served.url}/v1/jobs", headers=headers).status_code == 401

    page.get_by_role("tab", name="You").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.get_by_role("navigation")).to_have_count(0)


def test_tabs_are_addresses_and_without_a_scope_say_which_one(
    studio: Studio, served: ServerProcess
) -> None:
    page = studio.page("/settings?tab=server")
    for name, text in (
        ("Server", "ready: it answers"),
        ("Webhooks", "There are none."),
        ("Limits", "Jobs of a group"),
        ("Models", "poster"),
    ):
        page.get_by_role("tab", name=name).click()
        expect(page.get_by_role("tabpanel")).to_contain_text(text)
        assert violations(page) == []
    with served.client() as client:
        key = client.post("/v1/keys", json={"name": "operator", "scopes": ["admin"]}).json()["key"]
        headers = {"Authorization": f"Bearer {key}"}
        reader = {"name": "reader", "scopes": ["read"]}
        key = client.post("/v1/keys", json=reader, headers=headers).json()["key"]
    studio.expected.append("status of 401")
    page.goto(f"{studio.url}/studio/settings?tab=keys")
    page.get_by_label("Key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("tabpanel")).to_contain_text("the scope admin. Yours has read.")
    page.get_by_role("tab", name="Webhooks").click()
    expect(page.get_by_role("tabpanel")).to_contain_text("of your key")


@contextmanager
def workers_beside(data: Path) -> Iterator[None]:
    """Workers that run beside the server's: of another version, and of one that does not tell."""
    engine = connect(database_url(data, None), create=False)
    leases = [Lease(engine, locks_for(engine, data), name, kind="worker") for name in ("b", "c")]
    told, untold = replace(WorkerProcess.own("worker"), version="0.0.1"), WorkerProcess()
    try:
        for lease, process in zip(leases, (told, untold), strict=True):
            lease.beat()
            with engine.begin() as connection:
                own = sa.update(WORKERS).where(WORKERS.c.id == lease.name)
                connection.execute(own.values(**vars(process)))
        yield
    finally:
        for lease in leases:
            lease.release()
        engine.dispose()


def test_workers_tell_where_they_run(studio: Studio, tmp_path: Path, served: ServerProcess) -> None:
    with workers_beside(tmp_path / "data"):
        page = studio.page("/settings?tab=server")
        rows = page.get_by_role("list", name="Workers").get_by_role("listitem")
        expect(rows).to_have_count(3)
        own = rows.filter(has_text="in this server")
        expect(own).to_contain_text(f"process {served.process.pid} on {socket.gethostname()}")
        expect(own).to_contain_text("since ")
        other = rows.filter(has_text=f"ninefold worker · process {os.getpid()}")
        expect(other).to_contain_text("Runs version 0.0.1")
        expect(rows.filter(has_text="of an earlier version")).to_have_count(1)
        expect(page.get_by_text("Runs version")).to_have_count(1)
        assert violations(page) == []


def test_checks_say_what_is_missing_and_are_made_again(
    studio_of: Callable[[str], Studio], tmp_path: Path
) -> None:
    wildcards = tmp_path / "wildcards"
    folders = {"NINEFOLD_MODEL_FOLDERS": f"{tmp_path / 'one'},{tmp_path / 'two'}"}
    environment = {"NINEFOLD_WILDCARDS": str(wildcards), **folders}
    with server(tmp_path / "data", environment=environment) as served:
        studio = studio_of(served.url)
        page = studio.page("/settings?tab=server")
        checks = page.get_by_role("region", name="Checks")
        expect(checks.get_by_role("status")).to_contain_text("1 missing")
        rows = checks.get_by_role("list", name="What could be mended").get_by_role("listitem")
        expect(rows.first).to_contain_text("missing wildcards")
        expect(rows.first).to_contain_text("make the wildcards folder")
        expect(rows.filter(has_text="model folder")).to_have_count(2)
        assert str(tmp_path) not in str(checks.text_content())
        section = checks.get_by_role("button", name="Folders and database")
        section.click()
        expect(checks).to_contain_text("the database: up to date")
        assert violations(page) == []
        wildcards.mkdir()
        checks.get_by_role("button", name="Check again").click()
        expect(checks.get_by_role("status")).to_contain_text("All that is needed is there")
        expect(rows.filter(has_text="wildcards")).to_have_count(0)
        expect(section).to_have_attribute("aria-expanded", "true")
        studio.close()


def test_checks_fit_into_a_narrow_window_with_wide_letters(studio: Studio) -> None:
    page = studio.page("/settings?tab=server", viewport={"width": 320, "height": 256})
    checks = page.get_by_role("region", name="Checks")
    for section in ("Libraries", "Models", "Folders and database"):
        checks.get_by_role("button", name=section).click()
    expect(checks).to_contain_text("poster/unet/diffusion_pytorch_model.safetensors")
    page.evaluate(ADOPT, SPACES)
    assert page.evaluate(BEYOND) == [320]


def test_checks_that_are_awaited_fail_or_find_nothing(studio: Studio) -> None:
    studio.expected.append("status of 500")
    context = studio.context()
    held: list[Route] = []
    context.route("**/v1/system/checks*", lambda route: held.append(route))
    page = studio.open(context, "/settings?tab=server")

    def request() -> Route:
        while not held:
            page.wait_for_timeout(20)
        return held.pop()

    checks = page.get_by_role("region", name="Checks")
    expect(checks.get_by_role("status")).to_have_text("The server looks at what it has…")
    assert violations(page) == []
    problem = {"title": "A bug in the service", "status": 500, "detail": "It has been logged."}
    request().fulfill(status=500, content_type="application/problem+json", body=json.dumps(problem))
    expect(checks.get_by_role("alert")).to_contain_text("The checks were not made")
    expect(checks.get_by_role("alert")).to_contain_text("It has been logged.")
    assert violations(page) == []
    checks.get_by_role("button", name="Check again").click()
    nothing = {"ok": True, "checked_at": "2026-01-01T10:00:00Z", "seconds": 0.1, "checks": []}
    asked = request()
    assert asked.request.url.endswith("/v1/system/checks?max_age=0")
    asked.fulfill(json=nothing)
    expect(checks.get_by_role("status")).to_contain_text("All that is needed is there")
    expect(checks.get_by_role("alert")).to_have_count(0)
