"""Every page by axe, light and dark."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.studio.axe import violations
from tests.studio.conftest import Studio

#: Pages, and what is there once they are whole.
PAGES = {
    "/": "Paint",
    "/queue": "Queue",
    "/library": "Library",
    "/batch": "Batch",
    "/settings": "Settings",
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(studio: Studio, scheme: Any) -> None:
    page = studio.context(color_scheme=scheme).new_page()
    for path, text in PAGES.items():
        page.goto(f"{studio.url}/studio{path}")
        expect(page.get_by_role("main").get_by_text(text).first).to_be_attached()
        studio.settled(page)
        assert violations(page) == [], path
