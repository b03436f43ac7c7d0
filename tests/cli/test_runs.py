"""A run in a folder, from Python."""

from __future__ import annotations

from pathlib import Path

import pytest

from ninefold import InputError, PipelineConfig, PipelineContext, StorageError
from ninefold.core.errors import ConfigError
from ninefold.runs import CONTEXT_FILE, Run
from ninefold.testing import fake_engines
from tests.support import files_in, run


@pytest.fixture
def job(context: PipelineContext) -> Run:
    started = Run(PipelineConfig.preset("draft"), context)
    started.start()
    return started


def test_start_then_load_gives_the_same_run(job: Run) -> None:
    again = Run.load(job.context.workdir)
    assert again.config == job.config
    assert again.context.to_json() == job.context.to_json()
    assert not again.finished


def test_execute_saves_the_finished_context(job: Run) -> None:
    run(job.execute(fake_engines()))
    again = Run.load(job.context.workdir)
    assert again.finished
    assert again.context.data.keys() == job.context.data.keys()


def test_a_failure_is_saved_and_its_stage_starts_afresh(job: Run) -> None:
    run(job.execute(fake_engines(fail_on="text_to_image")))
    assert job.context.error is not None
    again = Run.load(job.context.workdir)
    assert again.context.completed == ["prompt"]
    run(again.execute(fake_engines()))
    assert again.context.error is None
    assert again.finished


def test_a_checkpoint_that_cannot_be_written_stops_the_run(
    job: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ninefold.runs.write_atomic", full)
    run(job.execute(fake_engines()))
    assert job.context.error is not None
    assert "No space left on device" in job.context.error.message
    assert job.context.error.user_error
    with pytest.raises(StorageError):
        job.save()
    assert CONTEXT_FILE in files_in(job.context.workdir)


def test_load_refuses_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected the folder of a run"):
        Run.load(tmp_path)
    (tmp_path / CONTEXT_FILE).write_bytes(b"\xff\xfe")
    with pytest.raises(InputError):
        Run.load(tmp_path)


def test_load_needs_the_config_too(job: Run) -> None:
    (job.context.workdir / "config.yaml").unlink()
    with pytest.raises(ConfigError, match=r"config\.yaml"):
        Run.load(job.context.workdir)
