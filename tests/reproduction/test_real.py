"""Three of the configs of `make reproduce`, on the built-in models: the same to the pixel."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.reproduce import CASES, Case, engines, files, made_again
from ninefold.engines.engine_set import EngineSet
from ninefold.reproduction.report import ReproductionVerdict

SHORT = [CASES[0], CASES[1], CASES[5]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the configs name."""
    folder = tmp_path_factory.mktemp("files")
    files(folder)
    return folder


@pytest.fixture(scope="module")
def here(folder: Path) -> EngineSet:
    """The built-in models, loaded once."""
    return engines(folder)


@pytest.mark.parametrize("case", SHORT, ids=lambda case: case.name)
def test_it_is_identical(case: Case, folder: Path, here: EngineSet) -> None:
    for report in made_again(case, folder, here):
        assert report.verdict is ReproductionVerdict.IDENTICAL
        assert (report.first_difference, report.differences) == (None, ())
