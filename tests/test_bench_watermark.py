"""`bench/watermark.py` on one picture: it survives all that is asked."""

from __future__ import annotations

import pytest

from bench.watermark import ASKED, BEYOND, main


def test_a_picture_meets_every_target(capsys: pytest.CaptureFixture[str]) -> None:
    missed = main(["photographs", "--count", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert missed == 0, "\n".join(lines)
    table = [line for line in lines if line.startswith("photographs")]
    for name in (*ASKED, *BEYOND):
        assert sum(line[15:].startswith(f"{name}  ") for line in table) == 1
    asked = [line for line in table if line.endswith(">= 0.99   ok")]
    assert len(asked) == len(ASKED)
