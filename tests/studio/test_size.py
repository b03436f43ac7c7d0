"""What a browser has to load."""

from __future__ import annotations

import gzip

import pytest

from ninefold.server.studio import BUILD

#: Bytes of all scripts together, compressed.
MOST = 300_000


def test_all_scripts_together_are_small() -> None:
    scripts = sorted(BUILD.glob("assets/*.js"))
    if not scripts:
        pytest.skip("needs a build of the studio: make studio")
    sizes = {script.name: len(gzip.compress(script.read_bytes())) for script in scripts}
    assert sum(sizes.values()) <= MOST, sizes
