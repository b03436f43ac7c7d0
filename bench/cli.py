"""Times the command line as a user meets it: `python bench/cli.py [--runs 3]`.

Whole processes, import included: wall seconds and peak memory, as the operating system counts
them. Quote the medians, and run it on an idle machine.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass

PROMPT = "a red house on the left in snowy mountains at sunset"


@dataclass(frozen=True)
class Case:
    """A command and what it may cost; `limit_s` is in seconds of wall time."""

    name: str
    arguments: tuple[str, ...]
    limit_s: float
    limit_mib: float = 1.6 * 1024


@dataclass(frozen=True)
class Cost:
    """What one process took."""

    seconds: float
    peak_mib: float


def main() -> int:
    """Print a table; exit with 1 where a median is over its limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    runs: int = parser.parse_args().runs
    failed = False
    print(f"{'command':<26}{'median s':>10}{'min':>8}{'max':>8}{'limit':>8}{'peak MiB':>10}")
    with tempfile.TemporaryDirectory() as folder:
        for case in cases(folder):
            run(case)  # fills the file cache and compiles bytecode
            costs = [run(case) for _ in range(runs)]
            seconds = [cost.seconds for cost in costs]
            median, peak = statistics.median(seconds), max(cost.peak_mib for cost in costs)
            over = median > case.limit_s or peak > case.limit_mib
            failed = failed or over
            print(
                f"{case.name:<26}{median:>10.2f}{min(seconds):>8.2f}{max(seconds):>8.2f}"
                f"{case.limit_s:>8.1f}{peak:>10.0f}{'  over' if over else ''}"
            )
    return int(failed)


def cases(folder: str) -> tuple[Case, ...]:
    """The commands whose cost is promised."""
    python = sys.executable
    command = (python, "-m", "ninefold")
    making = (*command, "run", PROMPT, "--seed", "7", "--out", folder, "--quiet")
    return (
        Case("import ninefold", (python, "-c", "import ninefold"), 0.2),
        Case("ninefold --help", (*command, "--help"), 0.5),
        Case("run --preset draft", (*making, "--preset", "draft"), 8),
        Case("run --preset standard", (*making, "--preset", "standard"), 20),
        Case("run --preset full", (*making, "--preset", "full"), 35),
    )


def run(case: Case) -> Cost:
    """One process, its output thrown away; raises `RuntimeError` where it fails."""
    started = time.perf_counter()
    null = os.open(os.devnull, os.O_WRONLY)
    pid = os.posix_spawn(
        case.arguments[0],
        case.arguments,
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, null, 2)],
    )
    os.close(null)
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise RuntimeError(f"{case.name}: exit code {os.waitstatus_to_exitcode(status)}")
    return Cost(time.perf_counter() - started, usage.ru_maxrss / 1024)


if __name__ == "__main__":
    sys.exit(main())
