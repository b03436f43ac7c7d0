"""A worker, with fake engines by default: `python -m tests.jobs.worker_process`."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from pathlib import Path
from typing import Any

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
    parser.add_argument("--die_in", help="a folder: killed when a whole file is to appear there")
    options = parser.parse_args()
    if options.die_in is not None:
        _die_in(options.die_in)
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


def _die_in(folder: str) -> None:
    """Have this process killed where a file would be given its name below such a folder."""
    link = os.link

    def killed(source: Any, target: Any, **options: Any) -> None:
        if folder in Path(target).parts:
            os.kill(os.getpid(), signal.SIGKILL)
        link(source, target, **options)

    os.link = killed  # type: ignore[assignment]


if __name__ == "__main__":
    asyncio.run(main())
