"""The images of a job's input, by the names of their files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ninefold.jobs.model import Job


def record(name: str) -> dict[str, Any]:
    return {
        "path": name,
        "width": 64,
        "height": 48,
        "mode": "RGB",
        "sha256": "0" * 64,
        "made_by": "input",
    }


def test_they_are_found_in_every_slot_whatever_they_are_called(tmp_path: Path) -> None:
    given = {
        "prompt": "a path",
        "image": record("source.png"),
        "references": [record("reference_1.png"), record("reference_2.png")],
        "control_images": {"path": record("control/path.png"), "depth": record("control/d.png")},
    }
    job = Job("a", "succeeded", {}, given, tmp_path, 0, "2026-01-01T00:00:00Z")
    found = job.input_files
    assert set(found) == {
        "source.png",
        "reference_1.png",
        "reference_2.png",
        "control/path.png",
        "control/d.png",
    }
    assert found["control/path.png"].path == tmp_path / "control" / "path.png"
