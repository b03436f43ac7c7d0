"""A library of 100,000 jobs: makes one quickly, and measures what a page of it takes.

Run `python -m bench.job_search --jobs 10000 --keep DATA` to have one to serve and scroll through:
`ninefold serve --data DATA`. Without `--keep` it is made in a folder of its own and removed. One
job is run by the fake engines; all others are its rows, each with a prompt, a seed and a place in
time of its own, written as a submit and a worker write them. The newest have pictures, which are
links to a few real ones. With `--postgres` a private PostgreSQL holds the rows. Prints p50 and p99
of the list calls with the answer's JSON, and the median of their time on a core, which tells apart
what is slow and what waited for others; exit code 1 where a p99 is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from ninefold.core.record import StageRecord
from ninefold.files.encode import encode
from ninefold.files.formats import ImageFormat
from ninefold.jobs import JobExecutor, listing
from ninefold.jobs.model import job_folder
from ninefold.jobs.search import JobFilter
from ninefold.jobs.spec import JobSpec
from ninefold.jobs.store import JobStore
from ninefold.server.schemas.jobs import summary
from ninefold.testing import fake_engines

#: Milliseconds of a page with its count.
MOST_P99 = 50.0
_CHUNK = 1000
_PICTURES = 48
_MINUTES_APART = 3
_NOUNS = (
    "house",
    "boat",
    "fox",
    "castle",
    "forest",
    "bridge",
    "robot",
    "garden",
    "mountain",
    "cat",
)
_STYLES = ("watercolour", "oil painting", "photograph", "pencil sketch", "linocut", "雪の山の絵")
_LORAS = ("sketch", "ink-wash", "night-neon")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--pictures", type=int, default=2000, help="newest jobs with pictures")
    parser.add_argument("--calls", type=int, default=40, help="of each kind")
    parser.add_argument("--keep", type=Path, help="a new data folder that is left")
    parser.add_argument("--measure", action="store_true", help="what --keep left before")
    parser.add_argument("--postgres", action="store_true")
    options = parser.parse_args()
    with ExitStack() as stack:
        data = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        database = _private_postgres(stack) if options.postgres else None
        measuring = options.measure
        jobs = JobExecutor(data, database, engines=fake_engines(), worker=not measuring)
        began = time.perf_counter()
        if measuring:
            return asyncio.run(_measured(jobs, options.calls))
        asyncio.run(_filled(jobs, options.jobs, options.pictures))
        print(f"{options.jobs:,} jobs in {data}, made in {time.perf_counter() - began:.0f} s")
        return asyncio.run(_measured(jobs, options.calls))


def _private_postgres(stack: ExitStack) -> str:
    from tests.jobs import postgres

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nf-pg-")))
    return stack.enter_context(postgres.server(folder)).database()


async def _filled(jobs: JobExecutor, count: int, pictures: int) -> None:
    """Make the library in the executor's place."""
    async with jobs:
        config = "draft"
        model = await jobs.submit(config, {"prompt": "a red house", "seed": 7})
        assert (await jobs.wait(model.id)).status == "succeeded"
        await asyncio.to_thread(_fill, jobs.store, model.id, count, pictures)


def _fill(store: JobStore, model: str, count: int, pictures: int) -> None:
    _, spec = store.job_and_spec(model)
    records = [item.record for item in store.own_steps(model)]
    workflows = store.workflows
    tables = (workflows.table, workflows.inputs, workflows.steps)
    with store.engine.connect() as connection:
        rows = {
            table.name: [
                dict(row._mapping)
                for row in connection.execute(
                    sa.select(table).where(table.c.workflow_uuid == model)
                )
            ]
            for table in tables
        }
    draw = random.Random(7)
    first = round(time.time() * 1000) - (count + 1) * _MINUTES_APART * 60_000
    painted = _painted(store.data) if pictures else []
    for start in range(0, count, _CHUNK):
        made: list[tuple[str, int, JobSpec, list[StageRecord]]] = []
        for number in range(start, min(count, start + _CHUNK)):
            place = first + number * _MINUTES_APART * 60_000
            job_id = f"{_moment(place):%Y%m%d-%H%M%S}-{draw.getrandbits(64):016x}"
            made.append((job_id, place, *_variation(spec, records, place, draw, number, count)))
        _write(store, rows, made)
        for number, (job_id, _, _, found) in enumerate(made, start):
            if painted and number >= count - pictures:
                _link(job_folder(store.data, job_id), found, painted[number % len(painted)])


def _moment(place: int) -> datetime:
    return datetime.fromtimestamp(place / 1000, UTC)


def _variation(
    spec: JobSpec,
    records: list[StageRecord],
    place: int,
    draw: random.Random,
    number: int,
    count: int,
) -> tuple[JobSpec, list[StageRecord]]:
    """A job's spec and what its steps left, with a prompt and a seed of its own."""
    nouns = " and a ".join(draw.sample(_NOUNS, draw.randint(1, 4)))
    words = " ".join(f"{draw.choice(_NOUNS)}{draw.randrange(2000)}" for _ in range(12))
    prompt = f"a {nouns}, {draw.choice(_STYLES)}, {words}"
    seed = draw.randrange(2**32)
    given = {"prompt": prompt, "seed": seed, "negative_prompt": "blurry, low quality"}
    loras = [{"name": name, "weight": 0.8} for name in _LORAS if draw.random() < 0.1]
    resolved = {**given, "loras": loras}
    changed = [
        replace(record, data={**record.data, **resolved}) if record.step == "prompt" else record
        for record in records
    ]
    created = _moment(place).isoformat(timespec="milliseconds")
    return replace(spec, input=given, created_at=created, digest=f"{number:064x}"), changed


def _write(
    store: JobStore,
    rows: dict[str, list[dict[str, Any]]],
    made: list[tuple[str, int, JobSpec, list[StageRecord]]],
) -> None:
    """Write what submits and a worker would have written, a chunk in a transaction."""
    workflows = store.workflows
    with store.engine.begin() as connection:
        [status] = rows[workflows.table.name]
        connection.execute(
            sa.insert(workflows.table),
            [
                {
                    **status,
                    "workflow_uuid": job_id,
                    "created_at": place,
                    "started_at_epoch_ms": place + 50,
                    "completed_at": place + 4000,
                }
                for job_id, place, _, _ in made
            ],
        )
        [given] = rows[workflows.inputs.name]
        connection.execute(
            sa.insert(workflows.inputs),
            [
                {
                    **given,
                    "workflow_uuid": job_id,
                    "inputs": workflows.input_text(spec.to_json(), 100),
                }
                for job_id, _, spec, _ in made
            ],
        )
        connection.execute(
            sa.insert(workflows.steps),
            [
                {**step, "workflow_uuid": job_id}
                for job_id, *_ in made
                for step in rows[workflows.steps.name]
            ],
        )
        for job_id, place, spec, records in made:
            whole = replace(spec, records=tuple(record.to_json() for record in records))
            listing.insert(connection, {job_id: whole}, place)
        ids = [job_id for job_id, *_ in made]
        connection.execute(
            sa.update(listing.JOBS).where(listing.JOBS.c.id.in_(ids)).values(ended="succeeded")
        )


def _painted(data: Path) -> list[Path]:
    """A few pictures of the sizes that a preset makes."""
    folder = data / "pictures"
    folder.mkdir(exist_ok=True)
    found = []
    for number in range(_PICTURES):
        width, height = ((256, 256), (320, 256), (256, 384))[number % 3]
        y, x = np.mgrid[0:height, 0:width]
        hue = np.array([(number * 37) % 256, (number * 91) % 256, (number * 53) % 256])
        pixels = ((x + y)[..., None] // 3 + hue) % 256
        path = folder / f"{number}.png"
        path.write_bytes(encode(pixels.astype(np.uint8), ImageFormat.PNG))
        found.append(path)
    return found


def _link(folder: Path, records: list[StageRecord], picture: Path) -> None:
    name = listing.describe(_EMPTY, records).fields["picture"]
    target = folder / str(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.hardlink_to(picture)


_EMPTY = JobSpec({"stages": []}, {}, "", "")


async def _measured(jobs: JobExecutor, calls: int) -> int:
    async with jobs:
        return await asyncio.to_thread(_measure, jobs.store, calls)


def _measure(store: JobStore, calls: int) -> int:
    draw = random.Random(11)
    total = store.page(JobFilter(), count=True)[1].total or 0
    early = datetime.now(UTC) - timedelta(minutes=_MINUTES_APART * total / 2)
    kinds: dict[str, Callable[[], Any]] = {
        "first page": lambda: JobFilter(),
        "succeeded": lambda: JobFilter(status=["succeeded"]),
        "rare word": lambda: JobFilter(text=f"{draw.choice(_NOUNS)}{draw.randrange(2000)}"),
        "common word": lambda: JobFilter(text=draw.choice(_NOUNS)),
        "word of every job": lambda: JobFilter(text="blurry"),
        "two words": lambda: JobFilter(text=f"watercolour {draw.choice(_NOUNS)}"),
        "characters": lambda: JobFilter(text="雪の山"),
        "seed": lambda: JobFilter(seed=draw.randrange(2**32)),
        "model": lambda: JobFilter(model="poster"),
        "lora": lambda: JobFilter(lora="ink-wash"),
        "since half": lambda: JobFilter(created_after=early),
        "until half": lambda: JobFilter(created_before=early),
        "favourites": lambda: JobFilter(favourite=True),
        "running": lambda: JobFilter(status=["running"]),
    }
    missed = False
    for name, make in kinds.items():
        for offset, what in ((0, ""), (total * 9 // 10, ", far down")):
            if offset and name not in ("first page", "succeeded"):
                continue
            found = list(_timed(store, make, offset, calls))
            walls = sorted(wall for wall, _ in found)
            p50, p99 = statistics.median(walls), walls[min(calls - 1, calls * 99 // 100)]
            core = statistics.median(core for _, core in found)
            missed |= p99 > MOST_P99
            sign = "MISSED " if p99 > MOST_P99 else ""
            times = f"p50 {p50:6.1f} ms  p99 {p99:6.1f} ms  core {core:6.1f} ms"
            print(f"{name + what:30} {times}  {sign}", flush=True)
    print(f"target: p99 <= {MOST_P99:g} ms")
    return 1 if missed else 0


def _timed(
    store: JobStore, make: Callable[[], JobFilter], offset: int, calls: int
) -> Iterator[tuple[float, float]]:
    """Milliseconds, and those on a core, of calls for 50 jobs and how many there are in all."""
    store.page(make(), limit=50, offset=offset, count=True)
    for _ in range(calls):
        wanted = make()
        began, core = time.perf_counter(), time.process_time()
        jobs, _ = store.page(wanted, limit=50, offset=offset, count=True)
        for job in jobs:
            summary(job).model_dump_json()
        yield (time.perf_counter() - began) * 1000, (time.process_time() - core) * 1000


if __name__ == "__main__":
    sys.exit(main())
