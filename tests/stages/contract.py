"""What every stage of ninefold promises: the contract that ships, and the same with real models."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest

from ninefold import PipelineContext
from ninefold.engines.defaults import default_engines
from ninefold.testing.stage_contract import TIMED_FILES
from ninefold.testing.stage_contract import StageContract as ShippedContract

from ..support import Stage

__all__ = ["TIMED_FILES", "StageContract"]


class StageContract(ShippedContract):
    """The tests; not collected by itself, since its name does not start with `Test`."""

    #: More parameters for the built-in models, which are slower.
    builtin_params: ClassVar[dict[str, Any]] = {}

    def make_builtin(self) -> Stage:
        """The stage with the models that ship."""
        return self.make(default_engines(), **self.builtin_params)

    def test_it_is_named_as_all_are(self) -> None:
        assert self.stage_type.name.isidentifier()
        assert self.stage_type.params_type.__name__ == f"{self.stage_type.__name__[:-5]}Params"

    @pytest.mark.slow
    def test_it_keeps_its_promises_with_the_built_in_models(self, tmp_path: Path) -> None:
        stage = self.make_builtin()
        context = self.same_twice(stage, tmp_path)
        assert all(slot in context for slot in stage.provides)
        self.check_metadata(context, stage.name)
        again = PipelineContext.from_json(context.to_json())
        assert again.to_json() == context.to_json()

    @pytest.mark.slow
    def test_it_can_be_cancelled_with_the_built_in_models(self, tmp_path: Path) -> None:
        seen = self.cancelled_at_first_report(self.make_builtin(), self.context(tmp_path))
        assert seen == min(1, self.reports)
