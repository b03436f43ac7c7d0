"""Models whose files are replaced between the submission of a job and its end."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ninefold.engines import loading
from ninefold.engines.engine_set import EngineSet
from tests.families.cases import Case
from tests.families.runs import real_diffusion, write_sidecar
from tests.jobs.conftest import INPUT, Place
from tests.support import run

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.slow,
]


@pytest.fixture
def model(tiny_models: Callable[[str], Path], tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    shutil.copytree(tiny_models("sd15"), folder)
    write_sidecar(Case("sd15"), folder)
    return folder


def replace_weights(model: Path) -> None:
    from safetensors.numpy import load_file, save_file

    (file,) = (model / "unet").glob("*.safetensors")
    halved = {name: tensor / 2 for name, tensor in load_file(file).items()}
    save_file(halved, file, {"format": "pt"})


def hash_of(engines: EngineSet, model: Path) -> str:
    return engines.diffusion.describe(str(model)).hash


def test_the_record_names_the_weights_that_ran(here: Place, model: Path) -> None:
    async def scenario() -> None:
        engines = real_diffusion()
        before = hash_of(engines, model)
        given = {**INPUT, "model": str(model)}
        async with here.jobs(engines=engines, worker=False) as jobs:
            waiting = await jobs.submit("draft", given)
        replace_weights(model)
        async with here.jobs(engines=engines) as jobs:
            job = await jobs.wait(waiting.id, 240)
            assert job.status == "succeeded", job.error
            ran = job.metadata["text_to_image"]["model_hash"]
            assert ran == hash_of(engines, model) != before
            same = await jobs.wait((await jobs.submit("draft", given, cache=False)).id, 240)
            assert hashes(same) == hashes(job)

    run(scenario())


def test_weights_that_change_while_they_are_read_fail_the_job(
    here: Place, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load, name = loading.load_model, "ninefold.engines.diffusers_engine.load_model"

    def replaced(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(name, load)
        replace_weights(model)
        return load(*arguments, **options)

    monkeypatch.setattr(name, replaced)

    async def scenario() -> None:
        engines = real_diffusion()
        given = {**INPUT, "model": str(model)}
        async with here.jobs(engines=engines) as jobs:
            failed = await jobs.wait((await jobs.submit("draft", given)).id, 240)
            assert failed.status == "failed"
            assert "its weights were replaced while they were waited for" in str(failed.error)
            job = await jobs.wait((await jobs.submit("draft", given)).id, 240)
            assert job.status == "succeeded", job.error
            assert job.metadata["text_to_image"]["model_hash"] == hash_of(engines, model)

    run(scenario())


def hashes(job: Any) -> list[str]:
    return [item.sha256 for item in job.artifacts if item.name == "generated.png"]
