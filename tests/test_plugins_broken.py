"""Plugins that cannot be used: reported by name, and the rest works."""

from __future__ import annotations

import json
import re
import zlib
from pathlib import Path

import pytest

from ninefold import ConfigError, PipelineConfig
from ninefold.cli import main
from ninefold.engines.defaults import build_engines
from ninefold.engines.settings import EngineSettings
from ninefold.stages import OPTIONAL, STAGES
from ninefold.stages.registry import stage_types

from .conftest import Install


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
