"""What the service carries and costs: 200 open event streams with 50 requests a second, one image.

Run `python bench/service.py`; `--help` has its options. The server is a process of its own; while
it is loaded its worker paints with fake engines, half a second a step. Each stream is of a job of
its own, of which eight run at a time and the others wait; once it has ended, its reader follows the
one that was submitted last. Latencies are counted from when a request was due. One image is painted
by the built-in model, in pairs with the library. Prints medians against the targets; exit code 1
where one is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

PROMPT = "a red house in the mountains"
#: Milliseconds, MiB while it is loaded, and ratio to the library's time.
MOST_P99, MOST_GROWTH, MOST_RATIO = 100.0, 20.0, 1.05
#: Of 20 requests: how many look at a job; the others list, submit, and ask whether it lives.
LOOKS = 17
#: Seconds of the load that are not counted as growth: caches and pools fill.
WARM = 10.0
#: Seconds from when all streams are open to the first request: each reads its job first.
SETTLE = 3.0
_PAGE = os.sysconf("SC_PAGE_SIZE")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--rate", type=float, default=50.0, help="requests a second")
    parser.add_argument("--images", type=int, default=16, help="0 leaves the built-in model out")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--grace", type=float, default=0.0, help=argparse.SUPPRESS)
    parser.add_argument("--real", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        return serve(options.serve, options.real, options.grace)
    load = asyncio.run(loaded(options.streams, options.rate, options.seconds))
    growth = load.growth
    checks = [
        (f"errors            {sum(load.errors.values()):8d}", not load.errors, "0"),
        (f"GET a job, p50    {load.p(0.5):8.1f} ms", True, "-"),
        (f"GET a job, p99    {load.p(0.99):8.1f} ms", load.p(0.99) <= MOST_P99, f"<= {MOST_P99}"),
        (f"memory, growth    {growth:8.1f} MiB", growth <= MOST_GROWTH, f"<= {MOST_GROWTH}"),
        (f"streams left      {load.left:8d}", load.left == 0, "0"),
        (f"sockets left      {load.sockets:8d}", load.sockets <= 2, "<= 2"),
    ]
    print(f"{options.streams} streams, {options.rate:g} requests/s, {options.seconds:g} s")
    print(f"requests          {len(load.looks) + load.others:8d}")
    print(f"streams opened    {load.opened:8d}   events {load.events}")
    print(f"cores of server   {load.cores:8.2f}")
    if load.errors:
        print(f"errors            {dict(load.errors)}")
    if options.images:
        ratio = image(options.images)
        checks.append((f"one image, ratio  {ratio:8.3f}", ratio <= MOST_RATIO, f"<= {MOST_RATIO}"))
    for text, good, target in checks:
        print(f"{text}   {'' if good else 'MISSED '}(target {target})")
    return 0 if all(good for _, good, _ in checks) else 1


@dataclass
class Load:
    """What was measured under load."""

    #: Milliseconds of each look at a job, from when it was due.
    looks: list[float] = field(default_factory=list)
    others: int = 0
    opened: int = 0
    events: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    #: Resident MiB of the server, once a second.
    memory: list[float] = field(default_factory=list)
    #: Streams and sockets that are open once all clients have gone, beyond those before.
    left: int = 0
    #: Cores that the server used while it was loaded.
    cores: float = 0.0
    sockets: int = 0

    def p(self, part: float) -> float:
        """A quantile of the looks."""
        ordered = sorted(self.looks) or [0.0]
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))]

    @property
    def growth(self) -> float:
        """MiB from the end of the warm-up to the end, by medians of five seconds."""
        warm = min(int(WARM), len(self.memory) // 2)
        first, last = self.memory[warm : warm + 5], self.memory[-5:]
        return statistics.median(last) - statistics.median(first) if first and last else 0.0


async def loaded(streams: int, rate: float, seconds: float) -> Load:
    """Load a server, let go of it, and see what remains."""
    load = Load()
    with running(real=False) as (url, process):
        async with httpx2.AsyncClient(
            base_url=url, timeout=30, limits=httpx2.Limits(max_connections=100)
        ) as client:
            jobs = [await _submit(client, number) for number in range(streams)]
            before = _sockets(process.pid)
            ends = asyncio.Event()
            readers = [
                asyncio.create_task(_read(url, number, jobs, load, ends))
                for number in range(streams)
            ]
            while load.opened < streams and not load.errors:
                await asyncio.sleep(0.1)
            await asyncio.sleep(SETTLE)
            watcher = asyncio.create_task(watch(process.pid, load.memory))
            begun, used = time.perf_counter(), cpu_seconds(process.pid)
            await _requests(client, jobs, rate, seconds, load)
            used = cpu_seconds(process.pid) - used
            load.cores = used / (time.perf_counter() - begun)
            watcher.cancel()
            ends.set()
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)
            left = 1.0
            for _ in range(100):  # the server learns of it with the next event or sign of life
                left = await _open_requests(client)
                if left <= 1:  # the one that asks
                    break
                await asyncio.sleep(0.2)
            load.left = int(left) - 1
        await asyncio.sleep(1)
        load.sockets = max(0, _sockets(process.pid) - before)
    return load


async def _requests(
    client: httpx2.AsyncClient, jobs: list[str], rate: float, seconds: float, load: Load
) -> None:
    """Send requests when they are due, whether or not those before were answered."""
    begun = time.perf_counter()
    under_way: set[asyncio.Task[None]] = set()
    for number in range(int(rate * seconds)):
        due = begun + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        task = asyncio.create_task(_request(client, jobs, number, due, load))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    await asyncio.gather(*under_way)


async def _request(
    client: httpx2.AsyncClient, jobs: list[str], number: int, due: float, load: Load
) -> None:
    kind = number % 20
    try:
        if kind < LOOKS:
            answer = await client.get(f"/v1/jobs/{jobs[number % len(jobs)]}")
            load.looks.append((time.perf_counter() - due) * 1000)
        else:
            load.others += 1
            path = ("/v1/jobs?limit=20", "/healthz", "")[kind - LOOKS]
            answer = await (client.get(path) if path else _post(client, number))
        if answer.status_code >= 400:
            load.errors[f"status {answer.status_code}"] += 1
        elif answer.status_code == 202:
            jobs.append(answer.json()["id"])
    except httpx2.HTTPError as error:
        load.errors[type(error).__name__] += 1


async def _read(url: str, number: int, jobs: list[str], load: Load, ends: asyncio.Event) -> None:
    """Follow a job, then the newest one, and so on."""
    address = urlsplit(url)
    while not ends.is_set():
        head = f"GET /v1/jobs/{jobs[number]}/events HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n"
        writer = None
        try:
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            writer.write(head.encode())
            status = await reader.readline()
            load.opened += 1
            if b" 200 " not in status:
                load.errors[f"stream: {status.decode().strip()}"] += 1
                return
            while (line := await reader.readline()) and line != b"0\r\n":
                load.events += line.startswith(b"id:")
            number = -1
            await asyncio.sleep(1)  # as a client that comes back does
        except OSError as error:
            load.errors[f"stream: {type(error).__name__}"] += 1
            return
        finally:
            if writer is not None:
                writer.close()


async def watch(pid: int, memory: list[float]) -> None:
    """Note a process's resident MiB once a second, until cancelled."""
    while True:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        memory.append(pages * _PAGE / 2**20)
        await asyncio.sleep(1)


async def _open_requests(client: httpx2.AsyncClient) -> float:
    name = "ninefold_http_requests_open "
    lines = (await client.get("/metrics")).text.splitlines()
    return next(float(line.removeprefix(name)) for line in lines if line.startswith(name))


async def _submit(client: httpx2.AsyncClient, number: int) -> str:
    answer = await _post(client, number)
    answer.raise_for_status()
    return str(answer.json()["id"])


async def _post(client: httpx2.AsyncClient, number: int) -> httpx2.Response:
    document = {"preset": "draft", "input": {"prompt": PROMPT, "seed": number}, "cache": False}
    return await client.post("/v1/jobs", json=document)


def image(count: int, preset: str = "standard") -> float:
    """One image of the built-in model by the service, download included, over the same by the
    library; the median ratio of pairs."""
    from ninefold import Client, PipelineConfig, PipelineContext
    from ninefold.engines.defaults import default_engines
    from ninefold.runs import Run

    config, engines, ratios = PipelineConfig.preset(preset), default_engines(), []
    with (
        tempfile.TemporaryDirectory(prefix="nf-") as folder,
        running(real=True) as (url, _),
        Client(url) as client,
    ):
        for number in range(count + 1):
            given: dict[str, Any] = {"prompt": PROMPT, "seed": number}
            begun = time.perf_counter()
            run = Run(config, PipelineContext(Path(folder) / f"run{number}", **given))
            run.start()
            asyncio.run(run.execute(engines)).raise_for_error()
            library = time.perf_counter() - begun
            begun = time.perf_counter()
            job = client.wait(client.submit(given, preset=preset, cache=False))
            client.download(job, Path(folder) / "service")
            ratios.append((time.perf_counter() - begun) / library)
    return statistics.median(ratios[1:])  # the first loads the model


@contextmanager
def running(*, real: bool, grace: float = 0.0) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server process in a folder of its own, and where it is; `grace` is in seconds."""
    with tempfile.TemporaryDirectory(prefix="nf-") as folder:
        command = [sys.executable, __file__, "--serve", folder, "--grace", str(grace)]
        command += ["--real"] if real else []
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        reader = threading.Thread(target=process.stderr.read)
        try:
            line = ""
            while "ninefold serves " not in line:
                line = process.stderr.readline()
                if not line:
                    raise SystemExit("the server did not start")
            # A pipe that nobody reads would hold the server up.
            reader.start()
            yield line.partition("ninefold serves ")[2].split()[0], process
        finally:
            process.terminate()
            process.wait()
            if reader.is_alive():
                reader.join()
            process.stderr.close()


def serve(data: Path, real: bool, grace: float) -> int:
    """What the server process does."""
    from ninefold.cli import main as ninefold
    from ninefold.testing import fake_engines

    os.environ |= {"NINEFOLD_RATE": "1e6", "NINEFOLD_BURST": "1000000"}
    os.environ["NINEFOLD_GRACE"] = str(grace)
    arguments = ["serve", "--port", "0", "--data", str(data)]
    return ninefold(arguments, engines=None if real else fake_engines(steps_delay=0.5))


def cpu_seconds(pid: int) -> float:
    """Of user and system time; proc(5) counts fields from behind the name in brackets."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _sockets(pid: int) -> int:
    """Open sockets; the database's connections are kept on purpose."""
    folder = Path(f"/proc/{pid}/fd")
    return sum(os.readlink(item).startswith("socket:") for item in folder.iterdir())


if __name__ == "__main__":
    sys.exit(main())
