"""Jobs under a rain of `kill -9`: `python -m tests.jobs.chaos --jobs 40 --kills 20`.

Prints what it counted and exits with 1 where anything was lost, done twice, or came out otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ninefold.jobs import Job, JobExecutor
from ninefold.jobs.spec import JobSpec
from tests.jobs import postgres
from tests.jobs.conftest import UNSIGNED, Place
from tests.jobs.processes import WorkerProcess

STEPS = 9
#: Seconds that a step of the fake engine's diffusion takes: the work must outlast the kills.
DELAY = 0.12
#: Jobs that a worker runs at a time: each kill can cut so many steps.
CONCURRENCY = 2
#: Most steps begun again, as a part of all.
MOST_AGAIN = 0.15


@dataclass
class Outcome:
    """What a run of chaos showed."""

    jobs: int = 0
    kills: int = 0
    #: Kills of a worker that held jobs at that moment.
    struck: int = 0
    again: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)

    @property
    def share_again(self) -> float:
        """Steps that were begun more than once, as a part of all."""
        return self.again / (self.jobs * STEPS)

    def __str__(self) -> str:
        return (
            f"{self.jobs} jobs of {STEPS} steps, {self.kills} kills ({self.struck} of workers that "
            f"held jobs), {self.seconds:.0f} s: "
            f"{self.again} steps begun again ({self.share_again:.1%}), {len(self.faults)} faults"
        )


async def chaos(place: Place, jobs: int, kills: int, seed: int, workers: int = 2) -> Outcome:
    """Submit jobs, kill workers at random moments, and compare with an undisturbed run."""
    rng = random.Random(seed)
    outcome = Outcome(jobs=jobs, kills=kills)
    expected = await _undisturbed(place, jobs)
    begun = time.monotonic()
    async with place.jobs(worker=False) as executor:
        inputs = [{"prompt": "a red house", "seed": number} for number in range(jobs)]
        group = await executor.submit_group(UNSIGNED, inputs)
        crew = [_worker(place, f"w{number}") for number in range(workers)]
        seen: dict[tuple[str, int], str] = {}
        try:
            for process in crew:
                await asyncio.to_thread(process.ready)
            for number in range(kills):
                await asyncio.sleep(rng.uniform(0.5, 4.0))
                await asyncio.to_thread(_remember, executor, group.jobs, seen, outcome)
                victim = rng.randrange(workers)
                held = await asyncio.to_thread(executor.store.queue.held)
                outcome.struck += crew[victim].name in held
                crew[victim].kill()
                crew[victim].close()
                # Every other one comes back under its name; the others are replaced.
                crew[victim] = _worker(place, f"w{victim}" if number % 2 else f"n{number}")
            ended = [await executor.wait(job.id, 300) for job in group.jobs]
            await asyncio.to_thread(_remember, executor, group.jobs, seen, outcome)
        finally:
            for process in crew:
                process.close()
        _judge(executor, ended, expected, outcome)
    outcome.seconds = time.monotonic() - begun
    return outcome


def _worker(place: Place, name: str) -> WorkerProcess:
    return WorkerProcess(place, name=name, delay=DELAY, concurrency=CONCURRENCY)


async def _undisturbed(place: Place, jobs: int) -> list[list[tuple[str, str]]]:
    calm = Place(place.data / "calm", None)
    async with calm.jobs(cache_bytes=0) as executor:
        inputs = [{"prompt": "a red house", "seed": number} for number in range(jobs)]
        group = await executor.submit_group(UNSIGNED, inputs)
        return [_digests(await executor.wait(job.id, 300)) for job in group.jobs]


def _remember(
    executor: JobExecutor,
    jobs: Sequence[Job],
    seen: dict[tuple[str, int], str],
    outcome: Outcome,
) -> None:
    """Every outcome of a step that was there once must stay as it was."""
    now = {}
    for job in jobs:
        spec = JobSpec(job.config, job.input, job.created_at, "")
        for done in executor.store.done(job.id, spec):
            now[job.id, done.function or 0] = repr(done.record)
    for key, record in seen.items():
        if now.get(key) != record:
            outcome.faults.append(f"{key}: a finished step's outcome was lost or changed")
    seen.update(now)


def _judge(
    executor: JobExecutor,
    ended: Sequence[Job],
    expected: Sequence[list[tuple[str, str]]],
    outcome: Outcome,
) -> None:
    for job, digests in zip(ended, expected, strict=True):
        names = [step["function_name"] for step in executor.store.workflows.steps_of(job.id)]
        outcome.again += sum(job.attempts.values()) - STEPS
        if job.status != "succeeded":
            outcome.faults.append(f"{job.id}: {job.status}: {job.error}")
        if len(names) != STEPS or len(set(names)) != STEPS:
            outcome.faults.append(f"{job.id}: its steps were {names}")
        if _digests(job) != digests:
            outcome.faults.append(f"{job.id}: its files differ from an undisturbed run's")
    if outcome.share_again > MOST_AGAIN:
        outcome.faults.append(f"{outcome.share_again:.1%} of the steps were begun again")


def _digests(job: Job) -> list[tuple[str, str]]:
    """Name and hash of every file but the manifest, which tells times."""
    return [(a.name, a.sha256) for a in job.artifacts if not a.name.endswith("manifest.json")]


def main() -> int:
    """Run on both databases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=40)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.randrange(1000))
    options = parser.parse_args()
    faults = 0
    with tempfile.TemporaryDirectory(prefix="nf-") as folder:
        Path(folder, "pg").mkdir()
        Path(folder).chmod(0o755)
        with postgres.server(Path(folder, "pg")) as server:
            for name, url in (("sqlite", None), ("postgresql", server.database())):
                place = Place(Path(folder, name), url)
                outcome = asyncio.run(chaos(place, options.jobs, options.kills, options.seed))
                if outcome.struck < outcome.kills / 2:
                    outcome.faults.append("most kills struck idle workers: this shows little")
                print(f"{name}, seed {options.seed}: {outcome}", flush=True)
                for fault in outcome.faults:
                    print(f"  {fault}")
                faults += len(outcome.faults)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
