"""What the service does under hostile requests: 50 a second, while jobs are looked at.

Run `python -m bench.hostile`; `--help` has its options. Each hostile request asks for as much work
as a few hundred bytes can: choices of choices, counts beyond reason, variables that name each
other, brackets thousands deep, groups of a thousand inputs with 128 variants each. Beside them jobs
are looked at, 20 times a second; latencies are counted from when a request was due. In the end the
server is told to stop while the requests go on. Prints figures against the targets; exit code 1
where one is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from subprocess import Popen
from typing import Any

import httpx2

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


def requests() -> Iterator[tuple[str, dict[str, Any]]]:
    """Paths and bodies, for ever."""
    for number in count():
        prompt = PROMPTS[number % len(PROMPTS)]
        match number // len(PROMPTS) % 3:
            case 0:
                yield "/v1/jobs", {"preset": "draft", "input": {"prompt": prompt}}
            case 1:
                inputs = [{"prompt": prompt}]
                yield "/v1/groups", {"preset": "draft", "inputs": inputs, "variants": True}
            case _:
                inputs = [{"prompt": "{a|b}" * 7}] * 1000
                yield "/v1/groups", {"preset": "draft", "inputs": inputs, "variants": True}


@dataclass
class Load:
    """What was measured."""

    #: Milliseconds of each look at a job, from when it was due.
    looks: list[float] = field(default_factory=list)
    #: How often hostile requests were answered with each status, or broke.
    answers: Counter[str] = field(default_factory=Counter)
    #: Milliseconds of each hostile request.
    hostile: list[float] = field(default_factory=list)
    #: Resident MiB of the server, once a second.
    memory: list[float] = field(default_factory=list)
    #: Cores that the server used.
    cores: float = 0.0
    #: Seconds from SIGTERM to the process's end, under load.
    stopped: float = 0.0

    @property
    def bugs(self) -> int:
        """Hostile requests that were not answered as they must be: taken, refused or put off."""
        fine = ("202", "422", "429", "400", "413", "503")
        return sum(times for answer, times in self.answers.items() if answer not in fine)

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
    checks = [
        (f"bugs and breaks   {load.bugs:8d}", load.bugs == 0, "0"),
        (f"GET a job, p50    {quantile(load.looks, 0.5):8.1f} ms", True, "-"),
        (f"GET a job, p99    {p99:8.1f} ms", p99 <= MOST_P99, f"<= {MOST_P99}"),
        (f"memory, growth    {load.growth:8.1f} MiB", load.growth <= MOST_GROWTH, MOST_GROWTH),
        (f"SIGTERM to end    {load.stopped:8.1f} s", load.stopped <= GRACE, f"<= {GRACE}"),
    ]
    print(f"{options.rate:g} hostile requests/s and {LOOKS:g} looks/s, {options.seconds:g} s")
    print(f"answers           {dict(sorted(load.answers.items()))}")
    print(
        f"hostile, p50      {quantile(load.hostile, 0.5):8.1f} ms, "
        f"most {max(load.hostile, default=0.0):.1f} ms"
    )
    print(f"cores of server   {load.cores:8.2f}")
    print(f"memory            {load.memory[0]:8.1f} to {load.memory[-1]:.1f} MiB")
    for text, good, target in checks:
        print(f"{text}   {'' if good else 'MISSED '}(target {target})")
    return 0 if all(good for _, good, _ in checks) else 1


def quantile(values: list[float], part: float) -> float:
    """A quantile of some values."""
    ordered = sorted(values) or [0.0]
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


async def loaded(rate: float, seconds: float) -> Load:
    """Load a server of its own, and stop it under the load."""
    load = Load()
    with running(real=False, grace=GRACE) as (url, process):
        unlimited = httpx2.Limits(max_connections=None)
        async with (
            httpx2.AsyncClient(base_url=url, timeout=60, limits=unlimited) as client,
            httpx2.AsyncClient(base_url=url, timeout=60, limits=unlimited) as onlooker,
        ):
            document = {"preset": "draft", "input": {"prompt": "a red house", "seed": 7}}
            made = (await client.post("/v1/jobs", json=document)).raise_for_status().json()
            watcher = asyncio.create_task(watch(process.pid, load.memory))
            hostile = requests()

            async def attack(due: float) -> None:
                path, body = next(hostile)
                load.answers[await _answer(client.post(path, json=body))] += 1
                load.hostile.append((time.perf_counter() - due) * 1000)

            async def look(due: float) -> None:
                answer = await _answer(onlooker.get(made["links"]["self"]))
                if answer != "200":
                    load.answers[f"look: {answer}"] += 1
                load.looks.append((time.perf_counter() - due) * 1000)

            begun, used = time.perf_counter(), cpu_seconds(process.pid)
            await asyncio.gather(_paced(attack, rate, seconds), _paced(look, LOOKS, seconds))
            used = cpu_seconds(process.pid) - used
            load.cores = used / (time.perf_counter() - begun)
            watcher.cancel()
            load.stopped = await _stopped(client, rate, process)
    return load


async def _stopped(client: httpx2.AsyncClient, rate: float, process: Popen[str]) -> float:
    """Seconds that the server takes to end while requests go on."""
    hostile = requests()

    async def attack(_: float) -> None:
        path, body = next(hostile)
        await _answer(client.post(path, json=body))

    attacks = asyncio.create_task(_paced(attack, rate, 3600))
    await asyncio.sleep(1)
    began = time.perf_counter()
    process.terminate()
    await asyncio.to_thread(process.wait)
    took = time.perf_counter() - began
    attacks.cancel()
    with suppress(asyncio.CancelledError):
        await attacks
    return took


async def _paced(call: Any, rate: float, seconds: float) -> None:
    """Call when it is due, whether or not the calls before have ended."""
    begun = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number in range(int(rate * seconds)):
            due = begun + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.create_task(call(due))


async def _answer(sent: Any) -> str:
    try:
        return str((await sent).status_code)
    except httpx2.HTTPError as error:
        return type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
