"""The settings: keys are made and revoked, and what else the server tells."""

from __future__ import annotations

import httpx2 as httpx
from playwright.sync_api import expect

from tests.server.process import ServerProcess
from tests.studio.axe import violations
from tests.studio.conftest import Studio


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
