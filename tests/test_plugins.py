"""A stage of somebody else's, in a package that is really built and installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

PYPROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "ninefold-{package}"
version = "1.0"

[project.entry-points."ninefold.stages"]
{entry}

[tool.setuptools]
py-modules = ["{package}"]
"""

DEPTH = '''
"""A depth stage, as somebody else would write it."""

from pydantic import Field

from ninefold import IMAGE, PipelineContext, PipelineStage, Slot, StageParams

DEPTH: Slot[float] = Slot(
    "depth", float, "How far away things are.", remedy="Put depth before this stage.", given=False
)


class DepthParams(StageParams):
    """Parameters of `depth`."""

    far: float = Field(10.0, gt=0, description="Largest depth, in metres.")


class DepthStage(PipelineStage[DepthParams]):
    """Guesses how far away things are."""

    name = "depth"
    params_type = DepthParams
    requires = (IMAGE,)
    provides = (DEPTH,)

    async def execute(self, context: PipelineContext) -> PipelineContext:
        """Set `depth`."""
        context[DEPTH] = self.params.far / 2
        context.add_metadata(self.name, far=self.params.far)
        return context


class FogStage(DepthStage):
    """Needs the depth."""

    name = "fog"
    requires = (IMAGE, DEPTH)
    provides = ()

    async def execute(self, context: PipelineContext) -> PipelineContext:
        """Say how deep the fog is."""
        context.add_metadata(self.name, depth=context[DEPTH])
        return context
'''

SMALL = '''
"""The smallest stages that somebody else could write."""

from pydantic import Field

from ninefold import IMAGE, PipelineContext, PipelineStage, StageParams, stage


class Mine(PipelineStage):
    """Does nothing much."""

    name = "mine"

    async def execute(self, context: PipelineContext) -> PipelineContext:
        context.add_metadata(self.name, seen=True)
        return context


class MeasureParams(StageParams):
    """Parameters of `measure`."""

    unit: str = Field("px", description="What it counts in.")


@stage(requires=[IMAGE])
def measure(context: PipelineContext, params: MeasureParams) -> None:
    """Notes how wide the image is."""
    context.add_metadata("measure", width=f"{context[IMAGE].width} {params.unit}")
'''

RUN = """
import asyncio, json, sys
from ninefold import NinefoldError, PipelineConfig, PipelineContext
from ninefold.testing import fake_engines

try:
    config = PipelineConfig.load(sys.argv[1])
    context = PipelineContext(sys.argv[2], prompt="a red house", seed=7, job_id="job")
    asyncio.run(config.build(fake_engines()).execute(context))
    context.raise_for_error()
    again = PipelineContext.from_json(context.to_json())
    schema = PipelineConfig.model_json_schema()
    print(json.dumps({
        "metadata": again.metadata,
        "depth": again.get("depth", None),
        "in_schema": '"const": "depth"' in json.dumps(schema),
    }))
except NinefoldError as error:
    print(json.dumps({"error": str(error), "kind": type(error).__name__}))
"""


def install(folder: Path, package: str, source: str, **entries: str) -> Path:
    """Build a package of one module with pip, and install it where `run` finds it."""
    project, site = folder / f"{package}-project", folder / "site"
    project.mkdir()
    entry = "\n".join(f'{name} = "{target}"' for name, target in entries.items())
    (project / "pyproject.toml").write_text(PYPROJECT.format(package=package, entry=entry))
    (project / f"{package}.py").write_text(dedent(source))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
    options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--target", str(site)]
    result = subprocess.run(
        [*pip, *options, str(project)], capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0, result.stderr
    return site


def run(folder: Path, site: Path, *stages: dict[str, Any]) -> dict[str, Any]:
    """What a fresh interpreter, with `site` among its packages, makes of a config."""
    config = folder / "config.json"
    config.write_text(json.dumps({"stages": list(stages)}))
    result = subprocess.run(
        [sys.executable, "-c", RUN, str(config), str(folder / "job")],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=os.environ | {"PYTHONPATH": str(site)},
    )
    assert result.returncode == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.fixture(scope="module")
def depth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the plugin with two stages is installed."""
    folder = tmp_path_factory.mktemp("plugin")
    targets = {"depth": "my_depth:DepthStage", "fog": "my_depth:FogStage"}
    return install(folder, "my_depth", DEPTH, **targets)


def test_an_installed_stage_is_named_in_a_config_like_one_of_ours(
    tmp_path: Path, depth: Path
) -> None:
    found = run(
        tmp_path,
        depth,
        {"stage": "text_to_image"},
        {"stage": "depth", "params": {"far": 4}},
        {"stage": "depth", "params": {"far": 6}},
        {"stage": "fog"},
        {"stage": "publisher"},
    )
    assert "error" not in found
    assert found["depth"] == 3
    assert found["metadata"]["depth"]["far"] == 4
    assert found["metadata"]["depth_2"]["far"] == 6
    assert found["metadata"]["fog"]["depth"] == 3
    assert found["metadata"]["fog"]["duration_ms"] >= 0
    assert found["in_schema"]
    manifest = json.loads((tmp_path / "job" / "outputs" / "manifest.json").read_text())
    assert manifest["stages"]["depth"]["far"] == 4


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the plugin of the smallest stages is installed."""
    folder = tmp_path_factory.mktemp("small")
    return install(folder, "my_small", SMALL, mine="my_small:Mine", measure="my_small:measure")


def test_the_smallest_stages_can_be_installed(tmp_path: Path, small: Path) -> None:
    found = run(
        tmp_path,
        small,
        {"stage": "text_to_image"},
        {"stage": "mine"},
        {"stage": "measure", "params": {"unit": "pixels"}},
    )
    assert "error" not in found
    assert found["metadata"]["mine"]["seen"]
    assert found["metadata"]["measure"]["width"] == "128 pixels"
    wrong = run(tmp_path, small, {"stage": "text_to_image"}, {"stage": "mine", "params": {"a": 1}})
    assert wrong == {"kind": "ConfigError", "error": "mine.a: unknown."}
    for arguments, reported in (
        (["stages"], "mine           Does nothing much."),
        (["stages", "mine"], "no parameters"),
        (["stages", "measure"], "unit  text; default px"),
        (["config", "schema"], '"const": "mine"'),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "ninefold", *arguments],
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
            env=os.environ | {"PYTHONPATH": str(small)},
        )
        assert reported in done.stdout


def test_its_parameters_and_wiring_are_checked_like_ours(tmp_path: Path, depth: Path) -> None:
    wrong = run(tmp_path, depth, {"stage": "depth", "params": {"far": -1, "fra": 1}})
    assert wrong == {
        "kind": "ConfigError",
        "error": "depth.far: input should be greater than 0, got -1.\n"
        "depth.fra: unknown. Did you mean 'far'?",
    }
    unwired = run(tmp_path, depth, {"stage": "text_to_image"}, {"stage": "fog"})
    assert unwired["kind"] == "WiringError"
    assert unwired["error"] == (
        "fog (step 2) requires 'depth', which no earlier stage provides. "
        "Put depth before this stage."
    )


def test_its_name_is_suggested(tmp_path: Path, depth: Path) -> None:
    assert run(tmp_path, depth, {"stage": "dept"})["error"] == (
        "stage 'dept': unknown. Did you mean 'depth'?"
    )
