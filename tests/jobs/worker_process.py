"""A worker, with fake engines by default: `python -m tests.jobs.worker_process`."""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path

from ninefold.jobs import JobExecutor
from ninefold.testing import fake_engines


async def main() -> None:
    """Work until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--database")
    parser.add_argument("--name")
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--concurrency", type=int)
    parser.add_argument("--grace", type=float, default=5.0)
    parser.add_argument("--real", action="store_true", help="the built-in models")
    options = parser.parse_args()
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with JobExecutor(
        options.data,
        options.database,
        engines=None if options.real else fake_engines(steps_delay=options.delay),
        name=options.name,
        concurrency=options.concurrency,
        cache_bytes=0,
        grace=options.grace,
    ) as jobs:
        print(jobs.worker_name, flush=True)
        await stopped.wait()


if __name__ == "__main__":
    asyncio.run(main())
