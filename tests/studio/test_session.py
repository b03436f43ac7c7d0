"""Signing in with a key, on a server that has keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from ninefold.jobs.database import connect, database_url
from ninefold.server.keys import Keys
from tests.server.process import ServerProcess, server
from tests.studio.axe import violations
from tests.studio.conftest import Studio


@pytest.fixture
def keyed(tmp_path: Path) -> Iterator[tuple[ServerProcess, str, str]]:
    """A server, and two keys for it."""
    data = tmp_path / "data"
    data.mkdir()
    engine = connect(database_url(data, None), create=True)
    keys = Keys(engine)
    first, other = (keys.create(name, ["read", "submit"])[1] for name in ("one", "other"))
    engine.dispose()
    with server(data) as process:
        yield process, first, other


def sign_in(page: Page, key: str) -> None:
    page.get_by_label("Key").fill(key)
    page.get_by_role("button", name="Sign in").click()


def test_a_key_opens_the_studio_and_another_sees_nothing_of_it(
    keyed: tuple[ServerProcess, str, str], studio_of: Callable[[str], Studio]
) -> None:
    process, key, other = keyed
    studio = studio_of(process.url)
    studio.expected += ["status of 401", "status of 404"]
    page = studio.page()
    expect(page.get_by_label("Key")).to_be_visible()
    assert violations(page) == []
    sign_in(page, "nf_wrong")
    expect(page.get_by_role("alert")).to_contain_text("wrong or was revoked")
    sign_in(page, key)
    page.get_by_label("Prompt", exact=True).fill("a red house")
    page.get_by_role("button", name="Paint").click()
    page.wait_for_url("**/studio/jobs/*")
    expect(page.get_by_text("succeeded")).to_be_visible()
    page.reload()  # the session is the browser's, not the page's
    expect(page.get_by_text("succeeded")).to_be_visible()
    (cookie,) = page.context.cookies()
    assert (cookie.get("httpOnly"), cookie.get("sameSite")) == (True, "Strict")
    assert key not in page.evaluate("JSON.stringify([{...localStorage}, document.cookie])")

    elsewhere = studio.page(page.url.removeprefix(f"{process.url}/studio"))
    sign_in(elsewhere, other)
    expect(elsewhere.get_by_text("This job cannot be shown")).to_be_visible()
    studio.close()


def test_a_session_that_ends_takes_nothing_typed_along(
    keyed: tuple[ServerProcess, str, str], studio_of: Callable[[str], Studio]
) -> None:
    process, key, _ = keyed
    studio = studio_of(process.url)
    studio.expected += ["status of 401"]
    page = studio.page()
    sign_in(page, key)
    page.get_by_label("Prompt", exact=True).fill("a red house")
    # Nothing more is asked before the button is pressed.
    expect(page.get_by_text("time unknown")).to_be_visible()
    page.context.clear_cookies()
    page.get_by_role("button", name="Paint").click()
    expect(page.get_by_text("Your session has ended")).to_be_visible()
    sign_in(page, key)
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("a red house")
    page.get_by_role("button", name="Paint").click()
    page.wait_for_url("**/studio/jobs/*")
    studio.close()


def test_who_signs_in_with_another_key_under_an_open_page_sees_nothing_of_it(
    keyed: tuple[ServerProcess, str, str], studio_of: Callable[[str], Studio]
) -> None:
    process, key, other = keyed
    studio = studio_of(process.url)
    studio.expected += ["status of 401", "status of 403"]
    page = studio.page()
    sign_in(page, key)
    prompt = page.get_by_role("textbox", name="Prompt", exact=True)
    prompt.fill("a secret house")
    page.get_by_role("button", name="Paint").click()
    page.wait_for_url("**/studio/jobs/*")
    expect(page.get_by_text("succeeded")).to_be_visible()
    beside = studio.open(page.context)
    expect(beside.get_by_label("Prompt", exact=True)).to_have_value("a secret house")
    page.context.clear_cookies()
    # Whatever asks the server next finds the session ended: both pages stand behind the question.
    page.get_by_role("tab", name="Versions").click()
    beside.get_by_label("Prompt", exact=True).press("End")
    beside.keyboard.type("!")
    for open_page in (page, beside):
        expect(open_page.get_by_text("Your session has ended")).to_be_visible()
    sign_in(page, other)
    expect(prompt).to_have_value("")
    page.reload()
    expect(prompt).to_have_value("")
    # The other page learns of it by itself.
    expect(beside.get_by_role("textbox", name="Prompt", exact=True)).to_have_value("")
    expect(beside.get_by_text("secret")).to_have_count(0)
    studio.close()


def test_signing_in_in_one_tab_lets_the_others_go_on_and_signing_out_ends_them(
    keyed: tuple[ServerProcess, str, str], studio_of: Callable[[str], Studio]
) -> None:
    process, key, _ = keyed
    studio = studio_of(process.url)
    studio.expected += ["status of 401"]
    page = studio.page()
    sign_in(page, key)
    page.get_by_label("Prompt", exact=True).fill("a red house")
    expect(page.get_by_text("time unknown")).to_be_visible()
    beside = studio.open(page.context)
    expect(beside.get_by_label("Prompt", exact=True)).to_have_value("a red house")
    page.context.clear_cookies()
    # Whatever is typed is checked by the server.
    for open_page in (page, beside):
        open_page.get_by_label("Prompt", exact=True).press("End")
        open_page.keyboard.press("Backspace")
        expect(open_page.get_by_text("Your session has ended")).to_be_visible()
    sign_in(page, key)
    expect(beside.get_by_text("Your session has ended")).to_have_count(0)
    beside.get_by_label("Prompt", exact=True).fill("a red house")
    expect(beside.get_by_text("time unknown")).to_be_visible()
    beside.get_by_role("button", name="Paint").click()
    beside.wait_for_url("**/studio/jobs/*")
    beside.get_by_role("link", name="Settings").click()
    beside.get_by_role("tab", name="You").click()
    beside.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("Your session has ended")).to_be_visible()
    studio.close()


def test_a_draft_waits_for_the_key_that_it_was_typed_with(
    keyed: tuple[ServerProcess, str, str], studio_of: Callable[[str], Studio]
) -> None:
    process, key, other = keyed
    studio = studio_of(process.url)
    studio.expected.append("status of 401")  # what is under way when the session ends
    page = studio.page()
    sign_in(page, key)
    prompt = page.get_by_label("Prompt", exact=True)
    prompt.fill("a secret house")
    for again, kept in ((key, "a secret house"), (other, "")):
        page.context.clear_cookies()
        page.goto("about:blank")
        page.goto(f"{process.url}/studio/")
        sign_in(page, again)
        expect(prompt).to_have_value(kept)
    studio.close()


def test_the_next_at_this_browser_finds_nothing_of_the_one_before(
    keyed: tuple[ServerProcess, str, str], studio_of: Callable[[str], Studio]
) -> None:
    process, key, other = keyed
    studio = studio_of(process.url)
    studio.expected.append("status of 401")  # what is under way when the session ends
    page = studio.page()
    sign_in(page, key)
    page.get_by_label("Prompt", exact=True).fill("a secret house")
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("tab", name="You").click()
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, other)
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("")
    studio.close()
