"""The built-in model from the studio: no fake between the prompt and the picture."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.server.process import server
from tests.studio.conftest import PATIENCE, Studio

pytestmark = pytest.mark.slow

NINE = 9


def test_a_prompt_is_painted_by_the_built_in_model(
    studio_of: Callable[[str], Studio], tmp_path: Path
) -> None:
    with server(tmp_path / "data", builtin=True) as process:
        studio = studio_of(process.url)
        page = studio.page()
        page.get_by_label("Prompt", exact=True).fill("a red house by the sea")
        page.get_by_text("All nine stages.").click()
        page.get_by_role("button", name="Paint").click()
        page.wait_for_url("**/studio/jobs/*")
        expect(page.locator('[data-state="finished"]')).to_have_count(NINE, timeout=5 * PATIENCE)
        picture = page.get_by_role("img", name="Published: a red house by the sea")
        expect(picture).to_be_visible()
        with process.client() as client:
            job = client.get(f"/v1/jobs/{page.url.rpartition('/')[2]}").json()
            assert job["metadata"]["text_to_image"]["model"] == "poster"
            data = client.get(job["outputs"][0]["url"]).content
        size = picture.evaluate("async image => (await image.decode(), image.naturalWidth)")
        published = Image.open(BytesIO(data)).convert("L")
        assert size == published.width
        levels = published.tobytes()
        assert max(levels) - min(levels) > 100  # something is in it
        studio.close()
