"""A stage of somebody else's, in a package that is really built and installed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zlib
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from ninefold import ConfigError, PipelineConfig
from ninefold.cli import main
from ninefold.engines.defaults import build_engines
from ninefold.engines.settings import EngineSettings
from ninefold.stages import OPTIONAL, STAGES
from ninefold.stages.registry import stage_types

from .conftest import Install

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


@pytest.mark.parametrize(
    ("source", "entry", "reported"),
    [
        ("raise RuntimeError('no CUDA')", "x = {}:X", "cannot be loaded: .*no CUDA"),
        ("import sys; sys.exit(3)", "x = {}:X", "cannot be loaded: .*3"),
        ("import not_installed", "x = {}:X", "cannot be loaded: .*not_installed"),
        ("", "x = {}:X", "cannot be loaded: .*X"),
        ("", "x = {}_nothing:X", "cannot be loaded: .*nothing"),
        ("X = 5", "x = {}:X", "expected a PipelineStage, got 5"),
        ("class X: pass", "x = {}:X", "expected a PipelineStage"),
        ("import ninefold\nclass X(ninefold.PipelineStage): pass", "x = {}:X", "X: has no `name`"),
        (
            "import ninefold\nclass X(ninefold.PipelineStage): name = 'x'",
            "x = {}:X",
            "X: has no `execute`",
        ),
        (
            "import ninefold\nclass X(ninefold.PipelineStage): name = 7",
            "x = {}:X",
            r": X\.name: expected letters",
        ),
        (
            "from ninefold.stages import RefinerStage as X",
            "x = {}:X",
            "its class calls itself 'refiner'",
        ),
        (
            "from ninefold.stages import RefinerStage as X",
            "refiner = {}:X",
            "the name is taken by ninefold.stages.refiner",
        ),
    ],
)
def test_a_broken_plugin_stops_nobody_and_says_what_is_wrong_when_it_is_named(
    install_plugin: Install,
    capsys: pytest.CaptureFixture[str],
    source: str,
    entry: str,
    reported: str,
) -> None:
    module = f"broken_{zlib.crc32((source + entry).encode())}"
    entry = entry.format(module)
    name, _, target = entry.partition(" = ")
    install_plugin(module, source, stages={name: target})
    PipelineConfig.parse({"stages": [{"stage": "text_to_image"}, {"stage": "refiner"}]})
    assert list(stage_types()) == [stage.name for stage in (*STAGES, *OPTIONAL)]
    if name not in stage_types():
        with pytest.raises(ConfigError) as raised:
            PipelineConfig.parse({"stages": [{"stage": "text_to_image"}, {"stage": name}]})
        assert str(raised.value).startswith(f"plugin stage '{name}' ({target}): ")
        assert re.search(reported, str(raised.value))
    assert main(["stages"]) == 0
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == len(STAGES) + len(OPTIONAL)
    assert re.search(rf"warning: plugin stage '{name}'.*{reported}", printed.err)


ENGINES = """
from ninefold.engines.detection import FakeDetection


class Odd(FakeDetection):
    name = "odd"
    kind = "detector"

    def __init__(self, resources):
        super().__init__()

    def models(self):
        return ("odd",)


class Lost(Odd):
    name = "lost"
    kind = "detektor"


class Picky(Odd):
    name = "picky"

    def __init__(self, resources):
        if resources.settings.threads == 3:
            raise RuntimeError("three threads")


class Heavy(Odd):
    name = "heavy"

    def __init__(self, resources):
        raise RuntimeError("no CUDA")
"""


def test_plugins_are_listed_with_what_is_wrong_with_them(
    install_plugin: Install, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["plugins"]) == 0
    assert "no plugins" in capsys.readouterr().out
    engines = {name: f"odd_engines:{name.title()}" for name in ("odd", "lost", "heavy")}
    install_plugin("odd_engines", ENGINES, engines=engines, stages={"gone": "odd_engines:Gone"})
    assert main(["plugins"]) == 0
    shown = re.sub(r"  +", "  ", capsys.readouterr().out)
    assert re.sub(r"AttributeError\(.*\)", "AttributeError", shown).splitlines() == [
        "stage  gone  odd_engines 1.0  odd_engines:Gone",
        "  cannot be used: cannot be loaded: AttributeError.",
        "engine  heavy  odd_engines 1.0  odd_engines:Heavy",
        "  cannot be used: cannot be made: RuntimeError('no CUDA').",
        "engine  lost  odd_engines 1.0  odd_engines:Lost",
        "  cannot be used: kind of engine 'detektor': unknown. Did you mean 'detector'?",
        "engine  odd  odd_engines 1.0  odd_engines:Odd",
    ]
    assert main(["plugins", "--json"]) == 0
    listed = {item["name"]: item for item in json.loads(capsys.readouterr().out)["plugins"]}
    assert listed["odd"] == {
        "what": "engine",
        "name": "odd",
        "value": "odd_engines:Odd",
        "package": "odd_engines",
        "version": "1.0",
        "problem": None,
    }
    assert "unknown" in listed["lost"]["problem"]


def test_a_broken_engine_is_reported_once_and_the_rest_works(
    install_plugin: Install, caplog: pytest.LogCaptureFixture
) -> None:
    engines = {name: f"odd_rest:{name.title()}" for name in ("odd", "lost", "heavy", "picky")}
    install_plugin("odd_rest", ENGINES, engines=engines)
    built = build_engines(EngineSettings(device="cpu", threads=3))
    assert [record.getMessage().partition(": ")[0] for record in caplog.records] == [
        "plugin engine 'picky'",
        "plugin engine 'heavy' (odd_rest:Heavy)",
        "plugin engine 'lost' (odd_rest:Lost)",
    ]
    assert built.detection.models() == ("detector", "odd")
    assert built.detection.labels("odd") == ("face", "house")


def test_of_two_packages_with_one_name_the_second_is_reported(
    install_plugin: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = "from ninefold import PipelineStage\nclass Twin(PipelineStage):\n    name = 'twin'\n"
    stage += "    async def execute(self, context):\n        return context\n"
    for package in ("twin_b", "twin_a"):
        install_plugin(
            package,
            stage + ENGINES,
            stages={"twin": f"{package}:Twin"},
            engines={"odd": f"{package}:Odd"},
        )
    assert stage_types()["twin"].__module__ == "twin_a"
    PipelineConfig.parse({"stages": [{"stage": "text_to_image"}, {"stage": "twin"}]})
    assert main(["plugins", "--json"]) == 0
    found = [
        (item["what"], item["package"], item["problem"])
        for item in json.loads(capsys.readouterr().out)["plugins"]
    ]
    assert found == [
        (what, package, problem)
        for what in ("stage", "engine")
        for package, problem in (("twin_a", None), ("twin_b", "the name is taken by twin_a."))
    ]
