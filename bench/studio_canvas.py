"""Pictures of 4096 x 4096 in the studio: frames and memory while they are moved and painted over.

A part of `bench.studio`. Frames are the differences of `requestAnimationFrame`; blocked is the
longest task of the page's one thread; memory is that of Chromium's processes for the page and for
drawing, as the system counts it. Without a graphics card all is drawn by the cores.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx
from playwright.sync_api import Browser, Locator, Page

from tests.server.process import server

_SIDE = 4096
_MOVES, _PAUSE = 150, 16
_JOBS = 4
_WATCH = """() => {
  window.frames_ = []; window.blocked_ = [0]; let last = performance.now();
  const frame = (now) => {
    window.frames_.push(now - last); last = now; window.watch_ = requestAnimationFrame(frame);
  };
  window.watch_ = requestAnimationFrame(frame);
  window.tasks_ = new PerformanceObserver((list) =>
    window.blocked_.push(...list.getEntries().map(({ duration }) => duration)));
  window.tasks_.observe({ entryTypes: ["longtask"] });
}"""
_UNWATCH = """() => {
  cancelAnimationFrame(window.watch_); window.tasks_.disconnect();
  return [window.frames_, Math.max(...window.blocked_)];
}"""
_SHOWN = (
    "async image => { await image.decode(); return [image.naturalWidth, image.naturalHeight]; }"
)


def measure(browser: Browser) -> None:
    """Paint four pictures, look at them, compare them, and paint a mask over one."""
    with tempfile.TemporaryDirectory() as data, server(Path(data)) as process:
        with process.client() as client:
            jobs = [_painted(client, seed) for seed in range(_JOBS)]
        url = f"{process.url}/studio"
        _viewer(browser, f"{url}/jobs/{jobs[0]}")
        for count in (2, _JOBS):
            _compared(browser, f"{url}/compare?{'&'.join(f'job={job}' for job in jobs[:count])}")
        _mask(browser, f"{url}/jobs/{jobs[0]}/inpaint")


def _painted(client: httpx.Client, seed: int) -> str:
    stages: list[dict[str, Any]] = [
        {"stage": "prompt"},
        {"stage": "text_to_image", "params": {"width": _SIDE // 8, "height": _SIDE // 8}},
        {"stage": "upscaler", "params": {"upscale_factor": 8}},
        # Grain, since a smooth picture is decoded sooner than a photograph.
        {"stage": "finisher", "params": {"grain": 0.1}},
        {"stage": "publisher", "params": {"formats": ["png"]}},
    ]
    body = {"config": {"stages": stages}, "input": {"prompt": "a red house", "seed": seed}}
    job: dict[str, Any] = client.post("/v1/jobs", json=body).raise_for_status().json()
    while job["status"] in ("queued", "running"):
        job = client.get(f"/v1/jobs/{job['id']}", params={"wait": 10}).json()
    assert job["status"] == "succeeded", job["error"]
    return str(job["id"])


def _viewer(browser: Browser, url: str) -> None:
    with _opened(browser, url) as page:
        frame = page.get_by_role("group", name="Picture")
        _until_shown(page.get_by_role("img", name="Published:"))
        _measured(page, "viewer, zoomed by a wheel", lambda: _zoom(page, frame))
        _measured(page, "viewer, moved by a pointer", lambda: _drag(page, frame))
        page.get_by_role("button", name="Compare").click()
        page.get_by_role("option", name="Upscaler", exact=True).click()
        _until_shown(page.get_by_role("img", name="Upscaler:"))
        page.get_by_role("button", name="Fit").click()
        line = page.get_by_role("slider", name="Line between the two")
        _measured(page, "viewer, line between two", lambda: _drag(page, line, hold=True))
        _memory(browser, "viewer with two")


def _compared(browser: Browser, url: str) -> None:
    with _opened(browser, url) as page:
        pictures = page.locator(".compared img")
        pictures.last.wait_for()
        count = url.count("job=")
        for picture in pictures.all():
            _until_shown(picture)
        frame = page.get_by_role("group", name="Picture 1")
        _measured(page, f"{count} compared, zoomed by a wheel", lambda: _zoom(page, frame))
        _measured(page, f"{count} compared, moved by a pointer", lambda: _drag(page, frame))
        _memory(browser, f"{count} compared")


def _mask(browser: Browser, url: str) -> None:
    with _opened(browser, url) as page:
        canvas = page.get_by_role("group", name="Mask")
        canvas.wait_for()
        _until_shown(canvas.get_by_role("img"))
        for _ in range(3):
            _measured(page, "mask, a stroke", lambda: _drag(page, canvas))
            _measured(page, "mask, kept after it", lambda: _kept(page))
        _memory(browser, "mask")


def _kept(page: Page) -> None:
    page.get_by_text("The mask is kept").wait_for()


def _zoom(page: Page, frame: Locator) -> None:
    x, y, _, _ = _middle(frame)
    page.mouse.move(x, y)
    for turn in range(_MOVES):
        page.mouse.wheel(0, -100 if turn % 16 < 8 else 100)
        page.wait_for_timeout(_PAUSE)
    page.mouse.wheel(0, -100)
    page.mouse.wheel(0, -100)


def _drag(page: Page, element: Locator, hold: bool = False) -> None:
    """From side to side, held down; with `hold` along a line."""
    x, y, width, height = _middle(element)
    page.mouse.move(x, y)
    page.mouse.down()
    for move in range(_MOVES):
        along = abs((move % 50) - 25) / 25 - 0.5
        across = 0.0 if hold else abs((move % 34) - 17) / 17 - 0.5
        page.mouse.move(x + along * 0.8 * width, y + across * 0.8 * height)
        page.wait_for_timeout(_PAUSE)
    page.mouse.up()


def _middle(element: Locator) -> tuple[float, float, float, float]:
    element.scroll_into_view_if_needed()
    box = element.bounding_box()
    assert box is not None
    return (
        box["x"] + box["width"] / 2,
        box["y"] + box["height"] / 2,
        box["width"],
        box["height"],
    )


def _until_shown(picture: Locator) -> None:
    assert picture.evaluate(_SHOWN) == [_SIDE, _SIDE]


def _measured(page: Page, name: str, action: Callable[[], None]) -> None:
    page.evaluate(_WATCH)
    action()
    found, blocked = page.evaluate(_UNWATCH)
    frames = sorted(found)
    late = sum(frame > 20 for frame in frames) / max(1, len(frames))
    print(
        f"{name}: {len(frames)} frames, median {statistics.median(frames):.1f} ms, p95 "
        f"{frames[int(0.95 * len(frames))]:.1f} ms, longest {frames[-1]:.0f} ms, over 20 ms: "
        f"{late:.1%}; blocked {blocked:.0f} ms"
    )


def _memory(browser: Browser, name: str) -> None:
    session = browser.new_browser_cdp_session()
    found = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    sizes = {
        kind: sum(_resident(item["id"]) for item in found if item["type"] == kind)
        for kind in ("renderer", "GPU")
    }
    print(f"{name}: " + ", ".join(f"{kind} {size:.0f} MB" for kind, size in sizes.items()))


def _resident(process: int) -> float:
    """Megabytes of a process, of what it shares with others its part."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1000


@contextmanager
def _opened(browser: Browser, url: str) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(url)
    yield page
    context.close()
