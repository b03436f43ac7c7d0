"""Hostile files through `verify`: `python -m tests.provenance.fuzz --files 2500`.

Every file must be answered, by a report or by an `InputError`, within two seconds and 500 MB.
With `--flips` every byte of a signed file of each format is changed, and none may stay intact.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator

from ninefold.core.errors import InputError
from ninefold.engines.defaults import default_engines
from ninefold.files.c2pa_reader import close_readers
from ninefold.provenance.verification import Verifier, verifier_for
from ninefold.settings import JobSettings
from tests.provenance.hostile import BOMBS, HostileFile, mutated
from tests.provenance.signing import flipped, signed

SECONDS, BYTES = 2.0, 500 << 20


def hostile_files(count: int) -> Iterator[HostileFile]:
    """Every bomb, and mutated files up to `count` in all."""
    for name, make in BOMBS.items():
        yield HostileFile(name, make())
    for seed in range(count - len(BOMBS)):
        yield mutated(seed)


def fuzz(
    files: Iterable[HostileFile], verifier: Verifier, seconds: float = SECONDS
) -> tuple[Counter[str], list[str]]:
    """How many files had which outcome, and what went wrong."""
    outcomes: Counter[str] = Counter()
    faults: list[str] = []
    for file in files:
        before = time.perf_counter()
        try:
            outcomes[verifier.verify(file.data).verdict.value] += 1
        except InputError:
            outcomes["unreadable"] += 1
        except Exception as error:
            faults.append(f"{file.name}: {type(error).__name__}: {error}")
        if (took := time.perf_counter() - before) > seconds:
            faults.append(f"{file.name}: took {took:.1f} s")
    return outcomes, faults


def survivors() -> Iterator[str]:
    """Signed files that are still intact though one bit of them was changed."""
    verifier = Verifier()
    for form in ("PNG", "JPEG", "WEBP", "AVIF"):
        data = signed(form=form)
        for at in range(len(data)):
            try:
                if verifier.verify(flipped(data, at)).verdict == "intact":
                    yield f"{form}, byte {at}: still intact"
            except InputError:
                continue


def peak() -> int:
    """The most memory that this process, or one of its readers, has held, in bytes."""
    both = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    unit = 1 if sys.platform == "darwin" else 1024
    return max(resource.getrusage(who).ru_maxrss for who in both) * unit


def main() -> int:
    """Run it; 1 where anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2500)
    parser.add_argument("--flips", action="store_true")
    options = parser.parse_args()
    outcomes, faults = fuzz(
        hostile_files(options.files), verifier_for(JobSettings(), default_engines())
    )
    close_readers()
    if (held := peak()) > BYTES:
        faults.append(f"held {held >> 20} MB")
    print(dict(outcomes), f"at most {held >> 20} MB")
    if options.flips:
        faults += survivors()
    print(*(faults or ["no faults"]), sep="\n")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
