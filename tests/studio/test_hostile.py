"""Prompts and names with HTML in them are text, wherever they are shown."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.server.process import ServerProcess
from tests.studio.conftest import Studio

HOSTILE = (
    "<img src=x onerror=\"window.hurt='img'\"><script>window.hurt='script'</script>"
    "\"><svg onload=window.hurt='svg'> javascript:window.hurt='url' {{7*7}} ${7*7} \u202e\u0007"
)
#: Pages that show the prompt, and pages that may.
SHOWN = ("/jobs/{job}", "/jobs/{job}?panel=again", "/groups/{group}")
PAGES = (*SHOWN, "/jobs/{job}/inpaint", "/library", "/queue", "/")


@pytest.fixture
def group(served: ServerProcess) -> dict[str, Any]:
    """Jobs of a hostile prompt, done."""
    with served.client() as client:
        escaped = HOSTILE.replace("{", "\\{").replace("}", "\\}").replace("\x07", "")
        inputs = [{"prompt": escaped, "negative_prompt": escaped, "seed": 7}]
        made = client.post("/v1/groups", json={"preset": "full", "inputs": inputs})
        assert made.status_code == 202, made.text
        found: dict[str, Any] = made.json()
        job = client.get(f"/v1/jobs/{found['jobs'][0]['id']}", params={"wait": 50}).json()
        assert job["status"] == "succeeded", job
    return found


def test_no_text_of_a_job_is_run(studio: Studio, group: dict[str, Any]) -> None:
    context = studio.context()
    page = context.new_page()
    job = group["jobs"][0]["id"]
    for path in PAGES:
        page.goto(f"{studio.url}/studio{path.format(job=job, group=group['id'])}")
        main = page.get_by_role("main")
        expect(main.get_by_role("heading").first).to_be_attached()
        if path in SHOWN:
            expect(main.get_by_role("heading").first).to_contain_text("<img src=x onerror=")
        assert page.evaluate("window.hurt") is None, path
        assert page.locator("main script, main svg[onload], main img[src=x]").count() == 0, path


def test_an_address_can_hold_nothing_that_is_run(studio: Studio) -> None:
    page = studio.context().new_page()
    draft = {"prompt": HOSTILE, "stages": [{"stage": HOSTILE, "params": {HOSTILE: HOSTILE}}]}
    encoded = quote(json.dumps(draft))
    page.goto(f"{studio.url}/studio/")
    page.evaluate(
        "text => { location.hash = 'draft=' + btoa(unescape(encodeURIComponent("
        "decodeURIComponent(text)))); location.reload(); }",
        encoded,
    )
    expect(page.get_by_label("Prompt", exact=True)).to_have_value(HOSTILE)
    assert page.evaluate("window.hurt") is None
