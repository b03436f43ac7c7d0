"""Times and sizes as people write them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ninefold.core.errors import ConfigError

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_BYTES = {
    "": 2**30,
    "b": 1,
    **{f"{prefix}{end}": 2**power for prefix, power in zip("kmgt", (10, 20, 30, 40), strict=True)
       for end in ("", "ib")},
    **{f"{prefix}b": 10**power for prefix, power in zip("kmgt", (3, 6, 9, 12), strict=True)},
}  # fmt: skip
_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)", re.IGNORECASE | re.ASCII)


def seconds(option: str, text: str) -> float:
    """A duration such as `90s`, `12h` or `30d`; raises `ConfigError` that names the option."""
    return _parsed(option, text, _SECONDS, "a duration such as 12h or 30d (s, m, h, d, w)")


def size(option: str, text: str) -> int:
    """Bytes, from GiB without a unit, or such as `500MiB`; raises `ConfigError`."""
    return int(_parsed(option, text, _BYTES, "GiB such as 20, or a size such as 500MiB"))


def _parsed(option: str, text: str, units: Mapping[str, int], expected: str) -> float:
    match = _FORM.fullmatch(text.strip())
    if match is None or (unit := match[2].lower()) not in units or len(match[1]) > 15:
        raise ConfigError(f"{option}: expected {expected}, got {text!r}.")
    return float(match[1]) * units[unit]
