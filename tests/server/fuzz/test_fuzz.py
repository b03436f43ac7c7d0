"""Every operation meets all of schemathesis's checks; `make fuzz` looks longer."""

from __future__ import annotations

import re

import pytest

from tests.server.fuzz.run import fuzz

#: The coverage phase, with thousands of boundary cases, is left to `make fuzz`.
PHASES = "examples,fuzzing,stateful"


@pytest.mark.slow
def test_no_server_error_and_nothing_undocumented() -> None:
    done = fuzz(3, ["--phases", PHASES])
    reported = "\n".join(line[:300] for line in (done.stdout + done.stderr).splitlines())
    assert done.returncode == 0, reported
    counts = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert counts is not None, reported
    assert int(counts[1]) == int(counts[2]) > 200
