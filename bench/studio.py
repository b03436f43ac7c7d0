"""The studio in Chromium: first paint, scrolling through a library, memory, what ten tabs cost, and
large pictures.

Needs a build of the studio. `--part canvas` makes its pictures; `--part library` needs a library:
`python -m bench.job_search --jobs 10000 --keep DATA`, then `python -m bench.studio --data DATA`,
which runs both. In the library's part a server over the fake engines serves it; while the page
is opened, a slow job runs. Frames are the differences of `requestAnimationFrame` while a wheel
turns.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2 as httpx
from playwright.sync_api import Browser, Page, sync_playwright

from bench import studio_canvas
from tests.server.process import server

_WHEELS, _PIXELS, _PAUSE = 150, 400, 16
_TABS = 10
_ROUNDS = 5
_FRAMES = """() => {
  window.frames_ = []; let last = performance.now();
  const frame = (now) => {
    window.frames_.push(now - last); last = now; requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}"""
_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=("library", "canvas"), help="else both")
    parser.add_argument("--data", type=Path, help="with a library in it")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--jobs", type=int, default=500, help="that end while the tab is open")
    options = parser.parse_args()
    if options.part != "canvas":
        if options.data is None:
            parser.error("--data: expected a folder with a library, got none.")
        _library(options.data, options.chromium, options.jobs)
    if options.part != "library":
        with _chromium(options.chromium) as browser:
            studio_canvas.measure(browser)
    return 0


@contextmanager
def _chromium(path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def _library(data: Path, chromium: str, jobs: int) -> None:
    with (
        server(data, engines={"steps_delay": 1.0}) as process,
        process.client() as client,
        _chromium(chromium) as browser,
    ):
        client.post("/v1/jobs", json={"preset": "full", "input": {"prompt": "runs meanwhile"}})
        _opening(browser, process.url)
        _scrolling(browser, process.url)
        _answers(browser, process.url, client)
    with server(data) as process, process.client() as client, _chromium(chromium) as browser:
        _memory(browser, process.url, client, jobs)


def _opening(browser: Browser, url: str) -> None:
    paints, ready = [], []
    for _ in range(5):
        page = browser.new_context().new_page()
        began = time.perf_counter()
        page.goto(f"{url}/studio/")
        page.get_by_role("button", name="Paint").wait_for()
        ready.append(time.perf_counter() - began)
        paints.append(page.evaluate(_PAINT) / 1000)
        page.context.close()
    print(
        f"first paint {statistics.median(paints):.2f} s, interactive "
        f"{statistics.median(ready):.2f} s (medians of 5, while a job runs)"
    )


def _scrolling(browser: Browser, url: str) -> None:
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.goto(f"{url}/studio/library")
    page.locator(".tile img").first.wait_for()
    total = page.get_by_text(" jobs").first.inner_text()
    page.mouse.move(640, 500)
    for pixels in (_PIXELS, 10 * _PIXELS):
        page.evaluate("window.scrollTo(0, 0)")
        page.evaluate(_FRAMES)
        for _ in range(_WHEELS):
            page.mouse.wheel(0, pixels)
            page.wait_for_timeout(_PAUSE)
        frames = sorted(page.evaluate("window.frames_"))
        late = sum(frame > 20 for frame in frames) / len(frames)
        print(
            f"{total}, {pixels} pixels a wheel event: {len(frames)} frames, median "
            f"{statistics.median(frames):.1f} ms, p95 {frames[int(0.95 * len(frames))]:.1f} ms, "
            f"over 20 ms: {late:.1%}"
        )
        page.reload()
        page.locator(".tile img").first.wait_for()
    page.context.close()


def _answers(browser: Browser, url: str, client: httpx.Client) -> None:
    """Rounds without and with open studios in turn, since a machine drifts between them."""
    job = client.get("/v1/jobs", params={"limit": 1, "offset": 5}).json()["jobs"][0]["id"]
    without, beside = [], []
    for _ in range(_ROUNDS):
        without.append(_p99(client, job))
        context = browser.new_context()
        for _ in range(_TABS):
            page = context.new_page()
            page.goto(f"{url}/studio/queue")
            page.get_by_role("heading", name="Queue").wait_for()
        beside.append(_p99(client, job))
        context.close()
    print(
        f"GET /v1/jobs/ID: p99 {statistics.median(without):.1f} ms without, "
        f"{statistics.median(beside):.1f} ms with {_TABS} studios open (medians of {_ROUNDS} "
        "rounds in turn; without: "
        + ", ".join(f"{p99:.1f}" for p99 in without)
        + "; with: "
        + ", ".join(f"{p99:.1f}" for p99 in beside)
        + ")"
    )


def _p99(client: httpx.Client, job: str) -> float:
    times = []
    for _ in range(300):
        began = time.perf_counter()
        client.get(f"/v1/jobs/{job}")
        times.append(1000 * (time.perf_counter() - began))
    return sorted(times)[int(0.99 * len(times))]


def _memory(browser: Browser, url: str, client: httpx.Client, jobs: int) -> None:
    page = browser.new_context().new_page()
    page.goto(f"{url}/studio/queue")
    page.get_by_role("heading", name="Queue").wait_for()
    config = {"stages": [{"stage": "prompt"}, {"stage": "text_to_image"}]}
    sizes = []
    for part in range(5):
        asked = {"config": config, "inputs": [{"prompt": f"memory {part}"}] * (jobs // 5)}
        group = client.post("/v1/groups", json=asked).json()
        for job in group["jobs"]:
            client.get(f"/v1/jobs/{job['id']}", params={"wait": 50})
        sizes.append(_heap(page))
    print(
        f"memory of a tab after each {jobs // 5} jobs: "
        + ", ".join(f"{size:.1f}" for size in sizes)
        + " MB"
    )


def _heap(page: Page) -> float:
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    found = session.send("Performance.getMetrics")["metrics"]
    session.detach()
    return float(next(item["value"] for item in found if item["name"] == "JSHeapUsedSize") / 1e6)


if __name__ == "__main__":
    raise SystemExit(main())
