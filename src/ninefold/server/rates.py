"""How many requests a key may make: a token bucket for each, in this process."""

from __future__ import annotations

import time
from collections import OrderedDict

from ninefold.server.problems import RateLimitedError

#: Buckets that are kept; a key that was not seen for so long has a full one anyway.
_KEPT = 10_000


class Rates:
    """Token buckets by name: `burst` requests at once, `rate` a second in the long run."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate, self._burst = rate, burst
        #: Tokens left and when that was, by name; the least recently used first.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, rate: float | None = None) -> None:
        """Count a request; raises `RateLimitedError` where it is one too many."""
        rate = self._rate if rate is None else rate
        burst = max(1.0, min(self._burst, rate * self._burst / self._rate))
        now = time.monotonic()
        tokens, then = self._buckets.pop(name, (burst, now))
        tokens = min(burst, tokens + (now - then) * rate)
        if tokens < 1:
            self._buckets[name] = (tokens, now)
            raise RateLimitedError((1 - tokens) / rate)
        self._buckets[name] = (tokens - 1, now)
        while len(self._buckets) > _KEPT:
            self._buckets.popitem(last=False)
