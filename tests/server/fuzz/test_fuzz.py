"""Every operation meets all of schemathesis's checks; `make fuzz` looks longer."""

from __future__ import annotations

import pytest

from tests.server.fuzz.run import fuzz


@pytest.mark.slow
def test_no_server_error_and_nothing_undocumented() -> None:
    done = fuzz(3, ["--phases", "examples,fuzzing,stateful"])
    lines = [line[:300] for line in (done.stdout + done.stderr).splitlines()]
    assert done.returncode == 0, "\n".join(lines)
    assert "No issues found" in done.stdout
