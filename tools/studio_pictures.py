"""Takes the pictures of the studio in docs/images: `python -m tools.studio_pictures [DATA]`.

Serves the built-in model on a data folder, by default one of its own in which it first paints what
is to be seen; that takes some minutes. Needs a build of the studio and Chromium.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2 as httpx
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.server.process import server
from tests.studio.conftest import CHROMIUM

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
#: Seconds for all that is painted, on a slow machine.
_PATIENCE = 1800
_PROMPTS = (
    "a white lighthouse on the right by the sea at sunset",
    "a red house in snowy mountains",
    "a blue tent in the forest at night",
    "a yellow sailboat on a lake",
    "a green house under an orange sky",
    "a red tent in the desert at dawn",
)
_GRID = {
    "preset": "draft",
    "input": {"prompt": "a red house in snowy mountains"},
    "x": {"parameter": "text_to_image.guidance_scale", "values": [1, 3, 6]},
    "y": {"parameter": "seed", "values": [7, 8]},
}
_TABLE = """prompt,seed,steps
a red house in snowy mountains,7,8
a blue tent in the forest at night,8,8
a yellow sailboat on a lake,,12
"""


def main(data: Path | None) -> None:
    """Take all pictures."""
    with (
        TemporaryDirectory() as folder,
        server(data or Path(folder) / "data", builtin=True) as process,
        process.client() as client,
    ):
        shown = _painted(client)
        _take(process.url, shown, client)


@dataclass(frozen=True)
class _Shown:
    """What is looked at: a job of all nine stages, a grid, and jobs beside each other."""

    job: str
    grid: str
    compared: Sequence[str]


def _painted(client: httpx.Client) -> _Shown:
    """Have something to show."""
    found = client.get("/v1/jobs", params={"status": "succeeded", "limit": 100}).json()["jobs"]
    if len(found) < len(_PROMPTS):
        inputs = [{"prompt": prompt, "seed": 7} for prompt in _PROMPTS[1:]]
        client.post("/v1/groups", json={"preset": "draft", "inputs": inputs}).raise_for_status()
        asked = {"preset": "full", "input": {"prompt": _PROMPTS[0], "seed": 7}}
        client.post("/v1/jobs", json=asked).raise_for_status()
    grid = client.post("/v1/grids", json=_GRID, headers={"Idempotency-Key": "pictures"})
    grid.raise_for_status()
    end = time.monotonic() + _PATIENCE
    while any(
        client.get("/v1/jobs", params={"status": state}).json()["jobs"]
        for state in ("queued", "running")
    ):
        if time.monotonic() > end:
            raise TimeoutError("The pictures took too long to paint.")
        time.sleep(2)
    jobs = client.get("/v1/jobs", params={"status": "succeeded", "limit": 100}).json()["jobs"]
    nine = next(
        job["id"]
        for job in jobs
        if "detailer" in client.get(f"/v1/jobs/{job['id']}").json()["metadata"]
    )
    cells = [cell["job"]["id"] for cell in grid.json()["cells"]]
    return _Shown(nine, grid.json()["id"], (nine, *cells[:2]))


def _take(url: str, shown: _Shown, client: httpx.Client) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name, path, prepare in _views(shown, client):
            context = browser.new_context(
                viewport={"width": 1280, "height": 840}, color_scheme="dark"
            )
            page = context.new_page()
            page.goto(f"{url}/studio{path}")
            page.wait_for_load_state("load")
            prepare(page)
            page.wait_for_timeout(2000)  # thumbnails and fonts
            picture = Image.open(BytesIO(page.screenshot()))
            picture.convert("RGB").save(IMAGES / f"studio-{name}.webp", quality=82, method=6)
            context.close()
        browser.close()


def _views(shown: _Shown, client: httpx.Client) -> list[tuple[str, str, Callable[[Page], Any]]]:
    def compose(page: Page) -> None:
        page.get_by_label("Prompt", exact=True).fill("a {red|blue} house in snowy mountains")

    def batch(page: Page) -> None:
        page.get_by_role("textbox", name="Rows").fill(_TABLE)

    def mask(page: Page) -> None:
        page.get_by_role("button", name="Mark region 1").click()

    def queue(_: Page) -> None:
        client.post("/v1/queue/pause").raise_for_status()
        for prompt in _PROMPTS[:3]:
            asked = {"preset": "draft", "input": {"prompt": prompt}}
            client.post("/v1/jobs", json=asked).raise_for_status()

    def nothing(page: Page) -> None:
        return

    compared = "&".join(f"job={job}" for job in shown.compared)
    return [
        ("compose", "/", compose),
        ("job", f"/jobs/{shown.job}?with=generated.png&panel=regions", nothing),
        ("again", f"/jobs/{shown.job}?panel=again", nothing),
        ("mask", f"/jobs/{shown.job}/inpaint", mask),
        ("grid", f"/grids/{shown.grid}", nothing),
        ("library", "/library", nothing),
        ("compare", f"/compare?{compared}", nothing),
        ("batch", "/batch", batch),
        ("settings", "/settings", nothing),
        ("queue", "/queue", queue),  # the last: from here on nothing is painted
    ]


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
