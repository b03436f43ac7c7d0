"""The example plugin, built and installed as anybody would: its tests, and ninefold with it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parent.parent / "examples" / "ninefold-palette"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pip has installed it, without a network."""
    folder = tmp_path_factory.mktemp("example")
    project = shutil.copytree(EXAMPLE, folder / "project")  # pip builds inside
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
    options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    target = folder / "site"
    done = subprocess.run(
        [*pip, *options, "--target", str(target), str(project)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target


def python(site: Path, *arguments: str) -> str:
    """What a fresh interpreter prints that finds the plugin."""
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env=os.environ | {"PYTHONPATH": str(site)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_is_listed_and_its_models_with_it(site: Path) -> None:
    found = json.loads(python(site, "-m", "ninefold", "plugins", "--json"))["plugins"]
    assert [(item["what"], item["name"], item["problem"]) for item in found] == [
        ("stage", "recolour", None),
        ("engine", "file_palettes", None),
    ]
    assert {(item["package"], item["version"]) for item in found} == {("ninefold-palette", "1.0")}
    models = json.loads(python(site, "-m", "ninefold", "models", "--json"))
    assert models["palette"] == ["forest", "sunset"]
    assert "palette  text; default sunset" in python(site, "-m", "ninefold", "stages", "recolour")


RUN = """
import asyncio, json, sys
import numpy as np
from ninefold import PipelineConfig, PipelineContext
from ninefold.engines.defaults import build_engines
from ninefold.engines.settings import EngineSettings

engines = build_engines(EngineSettings(device="cpu"))
def pipeline(**params):
    stages = [{"stage": "recolour", "params": params}, {"stage": "publisher"}]
    return PipelineConfig.parse({"stages": stages}).build(engines)

context = PipelineContext(sys.argv[1], image=np.full((8, 8, 3), 40, np.uint8), job_id="job")
problems = pipeline(palette="sunst").problems(context)
asyncio.run(pipeline(palette="forest").execute(context))
context.raise_for_error()
print(json.dumps([problems, context.metadata["recolour"]]))
"""


def test_a_config_runs_it_on_its_own_engine(site: Path, tmp_path: Path) -> None:
    problems, metadata = json.loads(python(site, "-c", RUN, str(tmp_path)))
    assert problems == [
        "recolour.palette: No palette 'sunst': expected forest, sunset, or the path of a .json "
        "file."
    ]
    assert metadata["palette"] == "forest"
    assert len(metadata["palette_hash"]) == 64


def test_its_own_tests_pass(site: Path, tmp_path: Path) -> None:
    tests = shutil.copytree(EXAMPLE / "tests", tmp_path / "tests")
    shown = python(site, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", str(tests))
    assert " passed" in shown
