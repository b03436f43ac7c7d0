"""What `bench/jobs.py` measures, each in a process and on a database of its own.

Run `python bench/job_measures.py NAME FOLDER [DATABASE]` for one alone; prints it as JSON.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

JOBS = 120
STAGES = 9
PROMPT = "a red house in the mountains"


def command(name: str, data: Path, database: str | None) -> list[str]:
    """The command line of a measurement in a process of its own."""
    found = [sys.executable, __file__, name, str(data)]
    return [*found, database] if database is not None else found


def _null() -> Any:
    from ninefold import PipelineConfig

    return PipelineConfig.parse({"stages": [{"stage": "prompt"}] * STAGES})


async def ours(data: Path, database: str | None) -> dict[str, float]:
    from ninefold.jobs import JobExecutor
    from ninefold.testing import fake_engines

    config = _null()
    async with JobExecutor(data, database, engines=fake_engines(), cache_bytes=0) as jobs:
        await jobs.wait((await jobs.submit(config, {"prompt": PROMPT, "seed": 1})).id)
        size = _size(jobs.store.engine)
        await jobs.pause()
        group = await jobs.submit_group(config, {"prompt": PROMPT, "seed": 1}, count=JOBS)
        begun = time.perf_counter()
        await jobs.resume()
        while await jobs.list(group=group.id, status=("queued", "running"), limit=1):
            await asyncio.sleep(0.1)
        rate = JOBS / (time.perf_counter() - begun)
        assert (await jobs.group(group.id)).counts == {"succeeded": JOBS}
        return {"rate": rate, "bytes": (_size(jobs.store.engine) - size) / JOBS}


async def bare(data: Path, database: str | None) -> float:
    """The same workflow in DBOS alone: as many steps, each with as large an outcome."""
    from dbos import DBOS, DBOSClient

    from ninefold.jobs.database import connect, database_url, engine_for_steps
    from ninefold.jobs.dbos_adapter import JsonSerializer
    from ninefold.jobs.queue import CONCURRENCY
    from ninefold.jobs.wakeups import POLL

    outcome = {
        "step": "prompt",
        "data": {"prompt": PROMPT, "seed": 1},
        "metadata": {"x": "y" * 150},
    }

    @DBOS.workflow(name="bare")
    async def workflow(_: Any) -> None:
        async def body() -> Any:
            return outcome

        for _ in range(STAGES):
            await DBOS.run_step_async({"name": "step"}, body)

    engine = engine_for_steps(connect(database_url(data, database), create=True))
    serializer = JsonSerializer()
    DBOS(
        config={
            "name": "bare",
            "system_database_engine": engine,
            "serializer": serializer,
            "log_level": "ERROR",
            "use_listen_notify": False,
        }
    )
    DBOS.listen_queues(["bare"])
    DBOS.launch()
    client = DBOSClient(system_database_engine=engine, serializer=serializer)
    await asyncio.to_thread(
        lambda: client.register_queue(
            "bare",
            worker_concurrency=CONCURRENCY,
            polling_interval_sec=POLL,
            limiter={"limit": 0, "period": 1.0},
        )
    )
    options: Any = {"workflow_name": "bare", "queue_name": "bare", "priority": 1}
    ids = [(await client.enqueue_async(options, {"n": n})).get_workflow_id() for n in range(JOBS)]
    begun = time.perf_counter()
    queue = await client.retrieve_queue_async("bare")
    assert queue is not None
    await asyncio.to_thread(queue.set_limiter, None)
    left: Any = ids
    while left:
        left = await client.list_workflows_async(
            queue_name="bare", status=["ENQUEUED", "PENDING"], limit=1
        )
        await asyncio.sleep(0.1)
    rate = JOBS / (time.perf_counter() - begun)
    await asyncio.to_thread(client.destroy)
    await asyncio.to_thread(DBOS.destroy)
    return rate


async def start(data: Path, database: str | None) -> list[float]:
    """Milliseconds from a submit's return to the first step, one job at a time."""
    from ninefold.jobs import JobExecutor
    from ninefold.testing import fake_engines

    async with JobExecutor(data, database, engines=fake_engines(), cache_bytes=0) as jobs:
        return await _waits(jobs)


async def start_elsewhere(data: Path, database: str | None) -> list[float]:
    """The same where the worker is another process."""
    from ninefold.jobs import JobExecutor

    async with JobExecutor(data, database, worker=False) as jobs:
        worker = await asyncio.create_subprocess_exec(
            *command("work", data, database), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        assert worker.stdin is not None
        waits = await _waits(jobs)
        worker.stdin.close()
        await worker.wait()
        return waits


async def work(data: Path, database: str | None) -> None:
    """A worker until its standard input ends."""
    from ninefold.jobs import JobExecutor
    from ninefold.testing import fake_engines

    async with JobExecutor(data, database, engines=fake_engines(), cache_bytes=0):
        await asyncio.to_thread(sys.stdin.read)


async def _waits(jobs: Any) -> list[float]:
    config, waits = _null(), []
    for number in range(60):
        job = await jobs.submit(config, {"prompt": PROMPT, "seed": number})
        submitted = time.time() * 1000
        await jobs.wait(job.id)
        await asyncio.sleep(random.uniform(0, 0.1))  # at any moment between two looks
        first = jobs.store.workflows.steps_of(job.id)[0]
        waits.append((first["started_at_epoch_ms"] or 0) - submitted)
    return waits[10:]


async def memory(data: Path, database: str | None) -> dict[str, float]:
    """Resident MiB after the first and the last hundred of 500 null jobs in one process."""
    from ninefold.jobs import JobExecutor
    from ninefold.testing import fake_engines

    config, sizes = _null(), []
    async with JobExecutor(data, database, engines=fake_engines(), cache_bytes=0) as jobs:
        for _ in range(5):
            group = await jobs.submit_group(config, {"prompt": PROMPT, "seed": 1}, count=100)
            while await jobs.list(group=group.id, status=("queued", "running"), limit=1):
                await asyncio.sleep(0.2)
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            sizes.append(pages * resource.getpagesize() / 2**20)
    return {"first": sizes[0], "last": sizes[-1]}


async def together(data: Path, database: str | None) -> float:
    """How many times sooner 16 jobs of the built-in model are done at once than one by one."""
    from ninefold import PipelineConfig
    from ninefold.jobs import JobExecutor

    config = PipelineConfig.preset("draft")
    seconds = {}
    async with JobExecutor(data, database, cache_bytes=0, concurrency=16) as jobs:
        await jobs.wait((await jobs.submit(config, PROMPT)).id)  # loads the model
        for concurrency in (1, 16):
            await asyncio.to_thread(jobs.store.queue.set_concurrency, concurrency)
            await jobs.pause()
            group = await jobs.submit_group(config, {"prompt": PROMPT, "seed": 1}, count=16)
            begun = time.perf_counter()
            await jobs.resume()
            await jobs.wait_group(group.id)
            seconds[concurrency] = time.perf_counter() - begun
    return seconds[1] / seconds[16]


async def rerun(data: Path, database: str | None) -> float:
    """Time from a rerun with another factor to its upscaler, as a part of what the stages before
    the upscaler took in the parent."""
    from ninefold import PipelineConfig
    from ninefold.jobs import JobExecutor

    config = PipelineConfig.preset("full")
    async with JobExecutor(data, database, cache_bytes=0) as jobs:
        parent = await jobs.wait((await jobs.submit(config, {"prompt": PROMPT, "seed": 7})).id)
        begun = time.time() * 1000
        again = await jobs.rerun(parent.id, changes={"upscaler.upscale_factor": 3})
        again = await jobs.wait(again.id)
        assert again.reused == ("prompt", "text_to_image", "refiner", "detailer")
        first = jobs.store.workflows.steps_of(again.id)[0]
        spent = (first["started_at_epoch_ms"] or 0) - begun
    before = sum(parent.metadata[stage]["duration_ms"] for stage in again.reused)
    return float(spent / before)


async def saved_again(data: Path, database: str | None) -> float:
    """Median milliseconds from a rerun of the last stage to its end; all else is taken over."""
    from ninefold.jobs import JobExecutor
    from ninefold.testing import fake_engines

    async with JobExecutor(data, database, engines=fake_engines()) as jobs:
        given = {"prompt": PROMPT, "seed": 7}
        parent = await jobs.wait((await jobs.submit("standard", given)).id)
        spent = []
        for _ in range(24):
            begun = time.perf_counter()
            again = await jobs.rerun(parent.id, from_stage="publisher")
            await jobs.ended(again.id)
            spent.append((time.perf_counter() - begun) * 1000)
    return statistics.median(spent[4:])


async def order(data: Path, database: str | None) -> dict[str, float]:
    """The parts of 48 jobs, eight side by side, that were left, and noted as finished, in the
    order of their submission."""
    from ninefold.jobs import JobExecutor
    from ninefold.jobs.telemetry import JobLeft
    from ninefold.testing import fake_engines

    left: list[str] = []
    async with JobExecutor(data, database, engines=fake_engines(), cache_bytes=0) as jobs:
        jobs.listen(lambda event: left.append(event.job_id) if isinstance(event, JobLeft) else None)
        given = {"prompt": PROMPT, "seed": 7}
        found = [(await jobs.submit("standard", given)).id for _ in range(48)]
        for job_id in found:
            await jobs.ended(job_id)
        finished = [(await jobs.get(job_id)).finished_at or "" for job_id in found]
    pairs = list(itertools.pairwise(finished))
    return {
        "left": sum(a == b for a, b in zip(found, left, strict=True)) / len(found),
        "finished": sum(first <= later for first, later in pairs) / len(pairs),
    }


async def accepted(data: Path, database: str | None) -> dict[str, float]:
    """Seconds until a group of a thousand different prompts is stored, by preset."""
    from ninefold.jobs import JobExecutor
    from ninefold.testing import fake_engines

    spent: dict[str, list[float]] = {}
    async with JobExecutor(
        data, database, engines=fake_engines(), cache_bytes=0, worker=False
    ) as jobs:
        for preset in ("draft", "standard", "full"):
            await jobs.submit_group(preset, [{"prompt": PROMPT}] * 10)
            for _ in range(3):
                inputs = [{"prompt": f"a {{red|blue}} house, number {n}"} for n in range(1000)]
                begun = time.perf_counter()
                await jobs.submit_group(preset, inputs)
                spent.setdefault(preset, []).append(time.perf_counter() - begun)
    return {preset: statistics.median(values) for preset, values in spent.items()}


async def idle(data: Path, database: str | None) -> float:
    from ninefold.jobs import JobExecutor
    from ninefold.testing import fake_engines

    async with JobExecutor(data, database, engines=fake_engines(), cache_bytes=0):
        await asyncio.sleep(2)
        begun, used = time.perf_counter(), time.process_time()
        await asyncio.sleep(60)
        return (time.process_time() - used) / (time.perf_counter() - begun)


async def streams(data: Path, database: str | None) -> float:
    """CPU, as a part of a core, of an idle worker where 200 streams of events wait."""
    from ninefold.jobs import JobExecutor
    from ninefold.testing import fake_engines

    async with JobExecutor(data, database, engines=fake_engines(), cache_bytes=0) as jobs:
        await jobs.pause()
        group = await jobs.submit_group(_null(), {"prompt": PROMPT, "seed": 1}, count=200)
        readers = [asyncio.ensure_future(anext(jobs.events(job.id))) for job in group.jobs]
        await asyncio.sleep(5)
        begun, used = time.perf_counter(), time.process_time()
        await asyncio.sleep(10)
        spent = (time.process_time() - used) / (time.perf_counter() - begun)
        await jobs.resume()
        await asyncio.gather(*readers)
        return spent


async def image(data: Path, database: str | None) -> float:
    """One image of the built-in model as a job, over the same by the library; the median ratio."""
    from ninefold import PipelineConfig, PipelineContext
    from ninefold.engines.defaults import default_engines
    from ninefold.jobs import JobExecutor
    from ninefold.runs import Run

    config, engines, ratios = PipelineConfig.preset("standard"), default_engines(), []
    async with JobExecutor(data, database, cache_bytes=0) as jobs:
        for number in range(8):
            given = {"prompt": PROMPT, "seed": number}
            begun = time.perf_counter()
            run = Run(config, PipelineContext(data / f"run{number}", **given))
            await asyncio.to_thread(run.start)
            (await run.execute(engines)).raise_for_error()
            library = time.perf_counter() - begun
            begun = time.perf_counter()
            job = await jobs.submit(config, given)
            async for _ in jobs.events(job.id):
                pass
            ratios.append((time.perf_counter() - begun) / library)
    return statistics.median(ratios[1:])


def _size(engine: sa.Engine) -> int:
    if engine.dialect.name == "sqlite":
        query = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
    else:
        query = "SELECT pg_database_size(current_database())"
    with engine.connect() as connection:
        return int(connection.execute(sa.text(query)).scalar_one())


MEASURES: dict[str, Callable[[Path, str | None], Any]] = {
    "ours": ours,
    "bare": bare,
    "start": start,
    "start_elsewhere": start_elsewhere,
    "streams": streams,
    "work": work,
    "idle": idle,
    "saved_again": saved_again,
    "order": order,
    "accepted": accepted,
    "image": image,
    "memory": memory,
    "rerun": rerun,
    "together": together,
}

if __name__ == "__main__":
    name, folder, database, *_ = [*sys.argv[1:], None]
    print(json.dumps(asyncio.run(MEASURES[str(name)](Path(str(folder)), database))))
