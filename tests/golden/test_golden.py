from __future__ import annotations

from pathlib import Path

import pytest

from .runs import RUNS, digests, recorded


@pytest.mark.parametrize("name", list(RUNS))
def test_every_stage_paints_what_it_always_did(name: str, tmp_path: Path) -> None:
    """On purpose different? See the docstring of this package."""
    assert digests(name, tmp_path) == recorded(name)


def test_the_full_run_has_an_image_of_every_stage() -> None:
    names = set(recorded("full"))
    assert names >= {
        "generated.png", "generated_refined.png", "generated_detailed.png",
        "generated_upscaled.png", "generated_restored.png", "generated_finished.png",
        "outputs/poster-7.png",
    }  # fmt: skip
    assert sum(name.startswith("regions/") for name in names) == 4
    assert len(set(recorded("full").values())) >= len(names) - 1
