"""What durability costs: throughput beside bare DBOS, time to start, idle CPU, time for one image.

Run `python bench/jobs.py`, or with `--postgres` for the same on a private PostgreSQL server, which
is started for it; `--only saved_again,idle` takes those measurements alone. Null jobs have nine
stages that only set slots. Each measurement runs in a process and on a database of its own; ours
and bare DBOS's alternate. CPU is that of the process, without the server's. Prints medians against
the targets; exit code 1 where one is missed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.job_measures import command

#: Targets: jobs a second, part of bare DBOS's speed, milliseconds to start, part of a core, ratio.
LEAST_RATE, LEAST_PART = 15.0, 0.8
MOST_P50, MOST_P99 = 50.0, 150.0
MOST_IDLE, MOST_RATIO, MOST_RERUN = 0.01, 1.05, 0.1
#: Part of a core that an idle worker may take while 200 streams of events are open.
MOST_STREAMS = 0.1
#: Milliseconds from a rerun that only saves again to its end.
MOST_SAVED = 25.0
#: Times sooner that 16 jobs of the built-in model at once are to be done.
LEAST_SOONER = 1.3
#: Seconds to accept a thousand jobs of one group.
MOST_ACCEPTED = 0.7
#: MiB that 400 more jobs may add to a process: what an allocator keeps, not what jobs leave.
MOST_GROWTH = 20.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgres", action="store_true", help="on a private PostgreSQL server")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--only",
        type=lambda text: tuple(text.split(",")),
        default=tuple(FIGURES),
        metavar="NAME,...",
        help=f"some of {', '.join(FIGURES)}",
    )
    options = parser.parse_args()
    if unknown := [name for name in options.only if name not in FIGURES]:
        parser.error(f"--only: no measurement {unknown[0]}. There are {', '.join(FIGURES)}.")
    if not options.postgres:
        return _compare(options, lambda: None)
    from tests.jobs import postgres

    # A socket's path may be 107 bytes long, so it lies in a folder with a short name.
    with (
        tempfile.TemporaryDirectory(prefix="nf-pg-", ignore_cleanup_errors=True) as folder,
        postgres.server(Path(folder)) as server,
    ):
        return _compare(options, server.database)


def _compare(options: argparse.Namespace, database: Callable[[], str | None]) -> int:
    def measure(name: str) -> Any:
        with tempfile.TemporaryDirectory(prefix="nf-") as folder:
            done = subprocess.run(
                command(name, Path(folder), database()),
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            )
            return json.loads(done.stdout.splitlines()[-1])

    missed = 0
    for name in options.only:
        for text, good, target in FIGURES[name](measure, options.rounds):
            missed += not good
            print(f"{text}   {'' if good else 'MISSED '}(target {target})", flush=True)
    return 1 if missed else 0


#: A figure with its name, whether it is good, and what would be.
Check = tuple[str, bool, str]
#: Takes one of `job_measures.MEASURES` and returns what it gave.
Measure = Callable[[str], Any]


def _null_jobs(measure: Measure, rounds: int) -> Iterator[Check]:
    ours, bare = [], []
    for _ in range(rounds):
        ours.append(measure("ours"))
        bare.append(measure("bare"))
    rate = statistics.median(item["rate"] for item in ours)
    part = statistics.median(a["rate"] / b for a, b in zip(ours, bare, strict=True))
    print(f"bare DBOS, jobs a second  {statistics.median(bare):8.1f}")
    growth = statistics.median(item["bytes"] for item in ours)
    print(f"database bytes a job      {growth:8.0f}")
    yield f"null jobs a second        {rate:8.1f}", rate >= LEAST_RATE, f">= {LEAST_RATE}"
    yield f"part of bare DBOS's speed {part:8.2f}", part >= LEAST_PART, f">= {LEAST_PART}"


def _starts(measure: Measure, _: int) -> Iterator[Check]:
    for child, where in (("start", ""), ("start_elsewhere", " elsewhere")):
        waits = [value for item in (measure(child) for _ in range(2)) for value in item]
        p50, p99 = statistics.median(waits), sorted(waits)[int(len(waits) * 0.99) - 1]
        yield f"submit to start{where}, p50 {p50:8.1f} ms", p50 <= MOST_P50, f"<= {MOST_P50}"
        yield f"submit to start{where}, p99 {p99:8.1f} ms", p99 <= MOST_P99, f"<= {MOST_P99}"


def _idle(measure: Measure, _: int) -> Iterator[Check]:
    idle = measure("idle")
    yield f"idle, part of a core      {idle:8.4f}", idle <= MOST_IDLE, f"<= {MOST_IDLE}"


def _streams(measure: Measure, _: int) -> Iterator[Check]:
    streams = measure("streams")
    yield f"200 streams, part of core {streams:8.3f}", streams <= MOST_STREAMS, f"<= {MOST_STREAMS}"


def _saved_again(measure: Measure, _: int) -> Iterator[Check]:
    saved = measure("saved_again")
    yield f"saved again               {saved:8.1f} ms", saved <= MOST_SAVED, f"<= {MOST_SAVED}"


def _order(measure: Measure, _: int) -> Iterator[Check]:
    for name, part in measure("order").items():
        yield f"in order, {name:15} {part:8.2f}", part >= 1.0, ">= 1"


def _accepted(measure: Measure, _: int) -> Iterator[Check]:
    for preset, seconds in measure("accepted").items():
        yield (
            f"to accept 1,000, {preset:8} {seconds:8.2f} s",
            seconds <= MOST_ACCEPTED,
            f"<= {MOST_ACCEPTED}",
        )


def _memory(measure: Measure, _: int) -> Iterator[Check]:
    found = measure("memory")
    grown = found["last"] - found["first"]
    yield f"memory of 400 jobs        {grown:8.1f} MiB", grown <= MOST_GROWTH, f"<= {MOST_GROWTH}"


def _image(measure: Measure, _: int) -> Iterator[Check]:
    """With the built-in model."""
    ratio, again, sooner = measure("image"), measure("rerun"), measure("together")
    yield f"one image, ratio          {ratio:8.3f}", ratio <= MOST_RATIO, f"<= {MOST_RATIO}"
    yield f"rerun, part of before     {again:8.3f}", again <= MOST_RERUN, f"<= {MOST_RERUN}"
    least = LEAST_SOONER
    yield f"16 jobs at once, sooner   {sooner:8.2f} x", sooner >= least, f">= {least}"


#: By what `--only` calls them.
FIGURES: dict[str, Callable[[Measure, int], Iterator[Check]]] = {
    "null": _null_jobs,
    "start": _starts,
    "idle": _idle,
    "streams": _streams,
    "saved_again": _saved_again,
    "order": _order,
    "accepted": _accepted,
    "memory": _memory,
    "image": _image,
}


if __name__ == "__main__":
    sys.exit(main())
