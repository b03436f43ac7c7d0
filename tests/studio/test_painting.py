"""From a typed prompt to the picture."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.studio.conftest import Studio, draft_in

NINE = 9


def test_a_prompt_is_typed_and_nine_stages_finish(studio: Studio) -> None:
    page = studio.page()
    page.get_by_label("Prompt", exact=True).fill("a red house")
    page.get_by_text("All nine stages.").click()
    page.get_by_role("button", name="Paint").click()
    page.wait_for_url("**/studio/jobs/*")
    steps = page.get_by_role("list", name="Stages").get_by_role("listitem")
    expect(steps).to_have_count(NINE)
    expect(page.locator('[data-state="finished"]')).to_have_count(NINE)
    picture = page.get_by_role("img", name="a red house")
    expect(picture).to_be_visible()
    assert picture.evaluate("async image => (await image.decode(), image.naturalWidth)") > 0


def test_what_was_typed_is_in_the_address(studio: Studio) -> None:
    context = studio.context()
    page = studio.open(context)
    page.get_by_label("Prompt", exact=True).fill("a red house 🏠")
    page.wait_for_url(lambda url: "a red house" in draft_in(url))
    address = page.url
    page.close()
    elsewhere = studio.context().new_page()
    elsewhere.goto(address)
    expect(elsewhere.get_by_label("Prompt", exact=True)).to_have_value("a red house 🏠")
