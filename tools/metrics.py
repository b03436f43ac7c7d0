"""Writes docs/reference/metrics.md from the metrics themselves: `python -m tools.metrics`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ninefold.telemetry import definitions
from ninefold.telemetry.definitions import Metric

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "metrics.md"

HEAD = """# Metrics

Made by `make docs` from the code. `ninefold serve` answers `GET /metrics` in Prometheus' text
format, to a key with the scope `admin`. With `NINEFOLD_METRICS_PORT` it serves the same on a port
of its own, without a key, at `NINEFOLD_METRICS_HOST`; so does `ninefold worker --metrics-port`,
for what a worker does. Times are in seconds. `process_*` is what the system tells of the process.
"""
PARTS = (
    ("Work", "From every process that runs jobs. Add them up.", definitions.OF_WORK),
    ("Queue and webhooks", "From every server, the same: take one.", definitions.OF_DATABASE),
    ("Requests", "From every server. Add them up.", definitions.OF_REQUESTS),
)


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(line for part in PARTS for line in _section(*part))])


def _section(title: str, text: str, metrics: Sequence[Metric]) -> Iterator[str]:
    yield f"## {title}\n"
    yield f"{text}\n"
    yield "| metric | type | labels | meaning |"
    yield "|---|---|---|---|"
    for metric in metrics:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        yield f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} |"
    yield ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
