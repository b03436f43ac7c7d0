"""What every stage promises, as tests that a stage's test class inherits.

class TestMirrorContract(StageContract):
    stage_type = MirrorStage

    def inputs(self):
        return {"image": np.zeros((48, 64, 3), np.uint8)}
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import os
import threading
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from ninefold.core.context import PipelineContext
from ninefold.core.errors import ModelError, StageInputError, StorageError
from ninefold.core.progress import StageProgress
from ninefold.core.stage import PipelineStage
from ninefold.core.timing import FINISHED, LOADED, WAITED
from ninefold.core.values import ImageRecord
from ninefold.engines.engine_set import EngineSet
from ninefold.files.store import read_alpha
from ninefold.slots import IMAGE
from ninefold.testing import fake_engines
from ninefold.testing.helpers import files_in, ramp, run

Stage = PipelineStage[Any]

#: The manifest holds times, so it alone may differ from run to run.
TIMED_FILES = frozenset({"outputs/manifest.json"})


class StageContract:
    """The tests; not collected by itself, since its name does not start with `Test`."""

    stage_type: ClassVar[type[Stage]]
    #: Parameters that make it do something, quickly.
    params: ClassVar[dict[str, Any]] = {}
    #: The engine call that it makes (of `ninefold.testing.CALLS`), if it runs a model.
    calls: ClassVar[str | None] = None
    #: Least number of progress reports with `params`.
    reports: ClassVar[int] = 0
    #: Whether it writes files.
    writes: ClassVar[bool] = True
    #: Whether an image that it changes keeps its alpha.
    keeps_alpha: ClassVar[bool] = True

    def inputs(self) -> dict[str, Any]:
        """What the stage requires, by slot."""
        raise NotImplementedError

    def options(self) -> dict[str, Any]:
        """What else is given to it, by slot."""
        return {"seed": 7, "prompt": "a red house"}

    def make(self, engines: EngineSet | None = None, **params: Any) -> Stage:
        """The stage, with fake engines where none are given."""
        return self.stage_type(engines=engines or fake_engines(), **(self.params | params))

    def context(self, folder: Path, *, without: str = "") -> PipelineContext:
        """A context that the stage can run on, but for the slot `without`."""
        given = self.options() | self.inputs()
        given.pop(without, None)
        return PipelineContext(folder, job_id="job", **given)

    # -- what it declares -------------------------------------------------------------------------

    def test_it_says_what_it_is(self) -> None:
        stage = self.make()
        assert stage.name == self.stage_type.name
        assert self.stage_type.__doc__
        for name, field in self.stage_type.params_type.model_fields.items():
            assert field.description, f"{name} has no description"
        assert {slot.name for slot in stage.requires} == set(self.inputs())
        assert all(slot.remedy for slot in stage.requires if slot.name != "job_id")

    def test_it_touches_only_what_it_declares(self, tmp_path: Path) -> None:
        """What is not declared raises `ContractError` while it runs; the rest is seen here."""
        stage, context = self.make(), self.context(tmp_path)
        before = dict(context.data)
        assert run(stage.validate_input(context))
        assert run(stage.execute(context)) is context
        changed = {name for name, value in context.data.items() if before.get(name) != value}
        assert changed <= {slot.name for slot in stage.provides}
        assert all(slot in context for slot in stage.provides)
        assert set(context.metadata) == {stage.name}
        assert bool(context.artifacts) == self.writes
        for artifact in context.artifacts:
            assert artifact.stage == stage.name
            assert artifact.path.is_relative_to(context.workdir)
            assert hashlib.sha256(artifact.path.read_bytes()).hexdigest() == artifact.sha256
        assert context.error is None

    def test_it_runs_on_what_it_requires_alone(self, tmp_path: Path) -> None:
        context = PipelineContext(tmp_path, **self.inputs())
        run(self.make().execute(context))
        assert all(slot in context for slot in self.stage_type.provides)

    def test_it_refuses_a_context_without_what_it_requires(self, tmp_path: Path) -> None:
        for slot in self.stage_type.requires:
            stage, context = self.make(), self.context(tmp_path / slot.name, without=slot.name)
            before = files_in(tmp_path)
            assert run(stage.validate_input(context)) is False
            with pytest.raises(StageInputError) as raised:
                run(stage.execute(context))
            assert isinstance(raised.value, ValueError)
            assert (raised.value.stage, raised.value.slot) == (stage.name, slot.name)
            for part in (stage.name, slot.name, slot.remedy):
                assert part in str(raised.value)
            assert context.error is not None
            assert context.error.stage == stage.name
            assert context.error.user_error
            assert context.artifacts == []
            assert files_in(tmp_path) == before

    # -- what it does -----------------------------------------------------------------------------

    def test_the_same_seed_gives_the_same(self, tmp_path: Path) -> None:
        self.same_twice(self.make(), tmp_path)

    def test_it_reports_progress(self, tmp_path: Path) -> None:
        assert self.reported(self.make(), self.context(tmp_path)) >= self.reports

    def test_it_can_be_cancelled(self, tmp_path: Path) -> None:
        seen = self.cancelled_at_first_report(self.make(), self.context(tmp_path))
        assert seen == min(1, self.reports), "it went on after it was cancelled"

    def test_its_metadata_is_json(self, tmp_path: Path) -> None:
        context = self.context(tmp_path)
        run(self.make().execute(context))
        self.check_metadata(context, self.stage_type.name)

    def test_the_context_after_it_is_json(self, tmp_path: Path) -> None:
        context = self.context(tmp_path)
        run(self.make().execute(context))
        again = PipelineContext.from_json(context.to_json())
        assert again.data == context.data
        assert again.artifacts == context.artifacts
        assert again.to_json() == context.to_json()

    def test_a_repeated_one_keeps_its_files_and_metadata_apart(self, tmp_path: Path) -> None:
        context = self.context(tmp_path)
        name = f"{self.stage_type.name}_2"
        run(self.make().renamed(name).execute(context))
        assert set(context.metadata) == {name}
        assert {artifact.stage for artifact in context.artifacts} <= {name}

    def test_it_hands_on_what_is_transparent(self, tmp_path: Path) -> None:
        """An image with alpha comes out with it, as the image's size is then."""
        touched = {*self.stage_type.requires, *self.stage_type.accepts}
        changes = IMAGE in touched and IMAGE in self.stage_type.provides
        if not (changes and self.keeps_alpha):
            pytest.skip("it changes no image, or its alpha too")
        context = self.context(tmp_path)
        source: ImageRecord | None = context.get(IMAGE)
        width, height = (64, 64) if source is None else source.size
        alpha = np.full((height, width), 255, np.uint8)
        alpha[:, : width // 2] = 0
        context.set("image", np.dstack([ramp(width, height), alpha]))
        given = context[IMAGE]
        run(self.make().execute(context))
        image = context[IMAGE]
        assert (given.mode, image.mode) == ("RGBA", "RGBA")
        after = read_alpha(context, image)
        assert after is not None
        assert after.shape == (image.height, image.width)
        middle = image.width // 2
        assert after[:, : middle - 8].max() <= 8
        assert after[:, middle + 8 :].min() >= 247
        assert "warnings" not in context.metadata[self.stage_type.name]

    # -- how it fails -----------------------------------------------------------------------------

    def test_a_failing_model_leaves_everything_as_it_was(self, tmp_path: Path) -> None:
        if self.calls is None:
            pytest.skip("it runs no model")
        stage, context = self.make(fake_engines(fail_on=self.calls)), self.context(tmp_path)
        before, files = dict(context.data), files_in(tmp_path)
        with pytest.raises(ModelError, match="asked to fail"):
            run(stage.execute(context))
        assert context.error is not None
        assert context.error.stage == stage.name
        assert context.data == before
        assert context.artifacts == []
        assert files_in(tmp_path) == files

    def test_a_full_disk_leaves_no_half_written_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if not self.writes:
            pytest.skip("it writes no files")
        stage, context = self.make(), self.context(tmp_path)
        files = files_in(tmp_path)

        def full(_: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(StorageError, match=r"No space left.*Free some space"):
                run(stage.execute(context))
        assert context.error is not None
        assert context.error.user_error
        assert context.artifacts == []
        assert files_in(tmp_path) == files

    # -- helpers ----------------------------------------------------------------------------------

    def same_twice(self, stage: Stage, folder: Path) -> PipelineContext:
        """Run it twice, compare all that comes of it, and return the second context."""
        one, two = self.context(folder / "one"), self.context(folder / "two")
        for context in (one, two):
            run(stage.execute(context))
        assert _comparable(one) == _comparable(two)
        files = files_in(folder / "one")
        assert files == files_in(folder / "two")
        for name in files - TIMED_FILES:
            assert (folder / "one" / name).read_bytes() == (folder / "two" / name).read_bytes()
        return two

    def reported(self, stage: Stage, context: PipelineContext) -> int:
        """The number of reports, each a step further."""
        seen: list[float] = []
        context.progress = StageProgress(lambda done, total, _: seen.append(done / total))
        run(stage.execute(context))
        assert seen == sorted(set(seen))
        assert all(0 < part <= 1 for part in seen)
        assert not seen or seen[-1] == 1 or not self.calls
        return len(seen)

    def cancelled_at_first_report(self, stage: Stage, context: PipelineContext) -> int:
        """The number of reports until the stage has ended."""
        files = files_in(context.workdir)
        started, gate = threading.Event(), threading.Event()
        seen: list[int] = []

        def report(done: int, total: int, preview: object) -> None:
            seen.append(done)
            started.set()
            assert gate.wait(60)

        async def main() -> None:
            context.progress = StageProgress(report)
            task = asyncio.create_task(stage.execute(context))
            if self.reports:
                await asyncio.to_thread(started.wait, 60)
            task.cancel()
            await asyncio.sleep(0)
            gate.set()
            with pytest.raises(asyncio.CancelledError):
                await task

        run(main())
        assert context.error is None
        assert not [name for name in files_in(context.workdir) - files if name.endswith(".part")]
        return len(seen)

    def check_metadata(self, context: PipelineContext, stage: str) -> None:
        """Whether what it notes is JSON, and says how long it took."""
        entry = context.metadata[stage]
        assert json.loads(json.dumps(entry, allow_nan=False)) == entry
        assert isinstance(entry["duration_ms"], float)
        assert entry["duration_ms"] >= 0


def _comparable(context: PipelineContext) -> dict[str, Any]:
    """All that a context says, but for times and the folder."""
    document: dict[str, Any] = json.loads(context.to_json())
    del document["workdir"], document["created_at"]
    for entry in document["metadata"].values():
        for name in ("duration_ms", WAITED, LOADED, FINISHED):
            entry.pop(name, None)
    for artifact in document["artifacts"]:
        if artifact["name"] in TIMED_FILES:
            del artifact["sha256"]
    return document
