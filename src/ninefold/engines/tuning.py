"""What was measured to be fastest for a model, a shape and a device, and remembered.

`ninefold tune` measures; engines read. A lever that changes no byte is used always, one that does
only where a request's `quality` is not `lossless`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from ninefold.core.atomic import write_atomic
from ninefold.engines.hashing import SHORT_HASH
from ninefold.engines.levers import ATTENTION
from ninefold.engines.step_cache import Quality

#: A lever is used where it saves at least this part of the time; less is noise.
_WORTH = 0.03
#: A batch is worth it where an image in it takes at most this part of one made alone.
_BATCH_WORTH = 0.95

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Measured:
    """A lever, or a batch, beside the usual way: seconds an image each; whether bytes stayed."""

    name: str
    seconds: float
    usual: float
    same_bytes: bool

    @property
    def pays(self) -> bool:
        """Whether it saves enough to be used."""
        return self.seconds <= (1 - _WORTH) * self.usual


@dataclass(frozen=True)
class Tuning:
    """What to do for one model, shape and device."""

    #: Levers that pay and change no byte; and those that pay and change some.
    lossless: tuple[str, ...] = ()
    lossy: tuple[str, ...] = ()
    #: Most images of one call that are worth making together; 0 where that was not measured.
    batch: int = 0

    def levers(self, quality: Quality) -> tuple[str, ...]:
        """What a request of that quality may be run with."""
        if quality == "lossless":
            return self.lossless
        lossy_backend = any(name.startswith(ATTENTION) for name in self.lossy)
        kept = [n for n in self.lossless if not (lossy_backend and n.startswith(ATTENTION))]
        return (*kept, *self.lossy)


def tuned(levers: Sequence[Measured], batches: Mapping[int, float]) -> Tuning:
    """What measurements come to; `batches` has seconds an image by images of a call, 1 included."""
    paying = [item for item in levers if item.pays]
    backends = [item for item in paying if item.name.startswith(ATTENTION)]
    for same_bytes in (True, False):  # of each sort the fastest backend alone
        alike = [item for item in backends if item.same_bytes is same_bytes]
        for slower in sorted(alike, key=lambda item: item.seconds)[1:]:
            paying.remove(slower)
    worth = [n for n, seconds in batches.items() if seconds <= _BATCH_WORTH * batches[1]]
    return Tuning(
        tuple(item.name for item in paying if item.same_bytes),
        tuple(item.name for item in paying if not item.same_bytes),
        max(worth, key=lambda n: (-batches[n], n), default=1) if batches else 0,
    )


class Tunings:
    """The tunings of this machine, in a JSON file that is read when it has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: int | None = None
        self._known: dict[str, Tuning] = {}

    def get(self, key: str) -> Tuning:
        """What is known for a key; what is usual where nothing is."""
        self._refresh()
        return self._known.get(key, Tuning())

    def put(self, key: str, tuning: Tuning) -> None:
        """Remember; raises `OSError`."""
        self._refresh()
        self._known[key] = tuning
        found = {name: asdict(item) for name, item in sorted(self._known.items())}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self._path, json.dumps(found, indent=1).encode())

    def _refresh(self) -> None:
        try:
            changed = self._path.stat().st_mtime_ns
        except OSError:
            return
        if changed == self._seen:
            return
        self._seen = changed
        try:
            read = json.loads(self._path.read_text(encoding="utf-8"))
            self._known = {key: _tuning(item) for key, item in read.items()}
        except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
            _log.warning("%s cannot be read (%s): nothing is tuned.", self._path.name, error)


def tuning_key(model_hash: str, size: tuple[int, int], device: str, dtype: str) -> str:
    """By what a tuning is remembered; `dtype` is of the numbers and of the weights' storage.
    Another torch measures anew."""
    from importlib.metadata import version

    short = model_hash[:SHORT_HASH]
    return f"{short} {size[0]}x{size[1]} {device} {dtype} torch-{version('torch')}"


def measure(
    run: Callable[[Sequence[str]], Any],
    names: Sequence[str],
    seconds: Callable[[Callable[[], Any]], tuple[float, Any]],
    rounds: int,
) -> Iterator[Measured]:
    """Each lever against the usual way, in turns; `run` paints with the levers it is given.

    `seconds` returns what a call took and what it returned. A lever that fails is left out.
    """
    import numpy as np

    for name in names:
        try:
            run([name])  # warm: what is compiled is compiled now
        except Exception as error:  # a backend that is not installed, say
            _log.warning("%s cannot be used here: %s", name, str(error).splitlines()[:1])
            continue
        run([])
        pairs = [(seconds(lambda: run([])), seconds(lambda: run([name]))) for _ in range(rounds)]  # noqa: B023
        yield Measured(
            name,
            median(after[0] for _, after in pairs),
            median(before[0] for before, _ in pairs),
            all(np.array_equal(before[1], after[1]) for before, after in pairs),
        )


def _tuning(item: Mapping[str, Any]) -> Tuning:
    return Tuning(tuple(item["lossless"]), tuple(item["lossy"]), int(item["batch"]))
