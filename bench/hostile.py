"""What the service does under hostile requests: 50 a second, while jobs are looked at.

Run `python -m bench.hostile`; `--help` has its options. Each hostile request asks for as much work
as a few hundred bytes can: choices of choices, counts beyond reason, variables that name each
other, brackets thousands deep, groups of a thousand inputs with 128 variants each. Beside them jobs
are looked at, 20 times a second; latencies are counted from when a request was due. In the end the
server is told to stop while the requests go on.

Three processes share the machine's cores: the server, one that sends the hostile requests, written
out beforehand, over plain sockets that are kept open, and one that looks. What each used is
printed: on two cores, the clients' share is missing to the server. Prints figures against the
targets; exit code 1 where one is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count, islice
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import urlsplit

from bench.service import cpu_seconds, running, watch

#: Milliseconds, MiB and seconds.
MOST_P99, MOST_GROWTH, GRACE = 200.0, 20.0, 10.0
LOOKS = 20.0
#: Seconds of the load that are not counted as growth: caches and pools fill.
WARM = 10.0
#: Longest prompt that is taken, in characters.
_LONG = 4000

PROMPTS: tuple[str, ...] = (
    "{13$$a|b|c|d|e|f|g|h|i|j|k|l|l}",
    "{2-999999999$$, $$a|b|c}",
    "{999999999$$a|b}",
    "{1e308::a|1e308::b|0.0000001::c}",
    "{a|b}" * 600,
    "{a|b|c|d|e|f|g|h}" * 200,
    "{" * _LONG,
    "}" * _LONG,
    "{a|" * 1000 + "b" + "}" * 900,
    "{" * 1000 + "a" + "}" * 1000,
    "${x}",
    "${a=!${b}}${b=!${a}} ${a}",
    "${a={x|y}${a}}" * 100 + "${a}",
    "____",
    "__ __",
    "__*__",
    "__*a*b*c*d*e*f*g*h*__" * 100,
    "{2$$__nothing__|__nothing__}",
    "(" * 2000 + "a" + ")" * 2000,
    "[a:b:0.5]" * 400,
    "<lora:" * 600,
    "a AND b " * 400,
    "#" * _LONG,
    "\\{" * 2000,
)


#: Ways in which each prompt is sent.
KINDS = 3


def requests() -> Iterator[tuple[str, dict[str, Any]]]:
    """Paths and bodies, for ever."""
    for number in count():
        prompt = PROMPTS[number % len(PROMPTS)]
        match number // len(PROMPTS) % KINDS:
            case 0:
                yield "/v1/jobs", {"preset": "draft", "input": {"prompt": prompt}}
            case 1:
                inputs = [{"prompt": prompt}]
                yield "/v1/groups", {"preset": "draft", "inputs": inputs, "variants": True}
            case _:
                inputs = [{"prompt": "{a|b}" * 7}] * 1000
                yield "/v1/groups", {"preset": "draft", "inputs": inputs, "variants": True}


#: Every answer that is right: taken, refused, put off.
TAKEN, REFUSED, PUT_OFF = ("202",), ("400", "413", "422", "429"), ("503",)


@dataclass
class Load:
    """What was measured."""

    #: Milliseconds of each look at a job, from when it was due.
    looks: list[float] = field(default_factory=list)
    #: How often hostile requests were answered with each status, or broke; looks that failed, too.
    answers: Counter[str] = field(default_factory=Counter)
    #: Milliseconds of each hostile request, from when it was due.
    hostile: list[float] = field(default_factory=list)
    #: Resident MiB of the server, once a second.
    memory: list[float] = field(default_factory=list)
    #: Cores that the server, the hostile client and the onlooker used.
    cores: float = 0.0
    hostile_cores: float = 0.0
    onlooker_cores: float = 0.0
    #: Seconds from SIGTERM to the process's end, under load.
    stopped: float = 0.0

    def count(self, statuses: tuple[str, ...]) -> int:
        """How many requests were answered with one of these."""
        return sum(self.answers[status] for status in statuses)

    @property
    def bugs(self) -> int:
        """Requests that were not answered as they must be."""
        return sum(self.answers.values()) - self.count(TAKEN + REFUSED + PUT_OFF)

    @property
    def growth(self) -> float:
        """MiB from the end of the warm-up to the end, by medians of five seconds."""
        warm = min(int(WARM), len(self.memory) // 2)
        first, last = self.memory[warm : warm + 5], self.memory[-5:]
        return statistics.median(last) - statistics.median(first) if first and last else 0.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=50.0, help="hostile requests a second")
    options = parser.parse_args()
    load = asyncio.run(loaded(options.rate, options.seconds))
    p99 = quantile(load.looks, 0.99)
    rows = [
        ("taken (202)", f"{load.count(TAKEN)}", "", True),
        ("refused (4xx)", f"{load.count(REFUSED)}", "", True),
        ("put off (503)", f"{load.count(PUT_OFF)}", "", True),
        ("bugs, breaks", f"{load.bugs}", "0", load.bugs == 0),
        ("hostile, p50", f"{quantile(load.hostile, 0.5):.1f} ms", "", True),
        ("hostile, p99", f"{quantile(load.hostile, 0.99):.1f} ms", "", True),
        ("GET a job, p50", f"{quantile(load.looks, 0.5):.1f} ms", "", True),
        ("GET a job, p99", f"{p99:.1f} ms", f"{MOST_P99:g} ms", p99 <= MOST_P99),
        ("GET a job, most", f"{max(load.looks):.1f} ms", "", True),
        ("cores of server", f"{load.cores:.2f}", "", True),
        ("cores of clients", f"{load.hostile_cores:.2f} + {load.onlooker_cores:.2f}", "", True),
        ("memory", f"{load.memory[0]:.0f} to {load.memory[-1]:.0f} MiB", "", True),
        (
            f"growth after {WARM:g} s",
            f"{load.growth:.1f} MiB",
            f"{MOST_GROWTH:g} MiB",
            load.growth <= MOST_GROWTH,
        ),
        ("SIGTERM to end", f"{load.stopped:.1f} s", f"{GRACE:g} s", load.stopped <= GRACE),
    ]
    print(f"{options.rate:g} hostile requests/s and {LOOKS:g} looks/s, {options.seconds:g} s")
    for name, value, most, good in rows:
        limit = f"at most {most}{'' if good else '  MISSED'}" if most else ""
        print(f"{name:18s}{value:>18s}   {limit}".rstrip())
    if load.bugs:
        print(f"answers: {dict(sorted(load.answers.items()))}")
    return 0 if all(good for *_, good in rows) else 1


def quantile(values: list[float], part: float) -> float:
    """A quantile of some values."""
    ordered = sorted(values) or [0.0]
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


async def loaded(rate: float, seconds: float) -> Load:
    """Load a server of its own, and stop it under the load."""
    load = Load()
    with running(real=False, grace=GRACE) as (url, process):
        client = _Client(url)
        document = {"preset": "draft", "input": {"prompt": "a red house", "seed": 7}}
        status, answer = await client.send("POST", "/v1/jobs", json.dumps(document).encode())
        assert status == "202", answer
        where = json.loads(answer)["links"]["self"]
        here, there = multiprocessing.Pipe()
        attacker = multiprocessing.get_context("spawn").Process(
            target=_attack, args=(url, rate, seconds, there), daemon=True
        )
        attacker.start()
        await asyncio.to_thread(here.recv)  # it has begun
        watcher = asyncio.create_task(watch(process.pid, load.memory))

        async def look(due: float) -> None:
            status, _ = await client.send("GET", where)
            load.looks.append((time.perf_counter() - due) * 1000)
            if status != "200":
                load.answers[f"look: {status}"] += 1

        begun, own = time.perf_counter(), time.process_time()
        used, others = cpu_seconds(process.pid), cpu_seconds(attacker.pid or 0)
        await _paced(look, LOOKS, seconds)
        took = time.perf_counter() - begun
        load.cores = (cpu_seconds(process.pid) - used) / took
        load.hostile_cores = (cpu_seconds(attacker.pid or 0) - others) / took
        load.onlooker_cores = (time.process_time() - own) / took
        watcher.cancel()
        answers, load.hostile = await asyncio.to_thread(here.recv)
        load.answers += answers
        await asyncio.sleep(1)  # it goes on
        client.close()
        began = time.perf_counter()
        process.terminate()
        await asyncio.to_thread(process.wait)
        load.stopped = time.perf_counter() - began
        attacker.terminate()
        attacker.join()
    return load


def _attack(url: str, rate: float, seconds: float, pipe: Connection) -> None:
    """What the process of the hostile client does: tells what came of `seconds`, and goes on."""
    asyncio.run(_attacked(url, rate, seconds, pipe))


async def _attacked(url: str, rate: float, seconds: float, pipe: Connection) -> None:
    client, answers = _Client(url), Counter[str]()
    took: list[float] = []
    sent = [
        (path, json.dumps(document).encode())
        for path, document in islice(requests(), len(PROMPTS) * KINDS)
    ]
    turn = count()

    async def attack(due: float) -> None:
        path, body = sent[next(turn) % len(sent)]
        status, _ = await client.send("POST", path, body)
        answers[status] += 1
        took.append((time.perf_counter() - due) * 1000)

    pipe.send(None)
    await _paced(attack, rate, seconds)
    pipe.send((answers, took))
    with suppress(OSError):
        await _paced(attack, rate, 3600)


class _Client:
    """HTTP over sockets that are kept, with as little work as can be: it shares the cores."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._host, self._port = address.hostname, address.port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def send(self, method: str, path: str, body: bytes = b"") -> tuple[str, bytes]:
        """The status and body of an answer; the name of an error where none came."""
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        try:
            async with asyncio.timeout(60):
                return await self._exchange(f"{head}\r\n".encode() + body)
        except (OSError, EOFError, TimeoutError) as error:
            return type(error).__name__, b""

    async def _exchange(self, request: bytes) -> tuple[str, bytes]:
        if self._idle:
            reader, writer = self._idle.pop()
        else:
            reader, writer = await asyncio.open_connection(self._host, self._port, limit=2**20)
        try:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = int(head.partition("content-length:")[2].split("\r\n")[0] or 0)
            body = await reader.readexactly(length)
        except BaseException:
            writer.close()
            raise
        if "connection: close" in head:
            writer.close()
        else:
            self._idle.append((reader, writer))
        return head.split(" ", 2)[1], body

    def close(self) -> None:
        """Close the sockets that nothing uses."""
        for _, writer in self._idle:
            writer.close()


async def _paced(call: Any, rate: float, seconds: float) -> None:
    """Call when it is due, whether or not the calls before have ended."""
    begun = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number in range(int(rate * seconds)):
            due = begun + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.create_task(call(due))


if __name__ == "__main__":
    sys.exit(main())
