"""`stages`, `models` and `config`: what can be chosen, reported from where it is declared."""

from __future__ import annotations

from pathlib import Path

import pytest

from ninefold.stages import OPTIONAL, STAGES
from ninefold.testing import fake_engines
from tests.cli.conftest import Cli


def test_stages_lists_the_nine_in_order(cli: Cli) -> None:
    listed = cli("stages")
    names = [line.split()[0] for line in listed.out.splitlines()]
    assert names[:9] == [stage.name for stage in STAGES]
    assert list(cli("stages", "--json").document)[:9] == names[:9]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_a_stage_shows_every_parameter_and_slot(cli: Cli, stage: type) -> None:
    assert issubclass(stage, STAGES)
    shown = cli("stages", stage.name).out
    for name, field in stage.params_type.model_fields.items():
        assert f"  {name}  " in shown
        assert field.description is not None
        assert field.description in shown
    for slot in (*stage.requires, *stage.accepts, *stage.provides):
        assert slot.name in shown
    assert cli("stages", stage.name, "--json").document["params"]["type"] == "object"


def test_types_ranges_and_defaults_are_in_words(cli: Cli) -> None:
    shown = cli("stages", "detailer").out
    assert "  confidence  number, from 0 to 1; default 0.3\n" in shown
    assert "  classes  list of text; default none\n" in shown
    assert "  order  confidence | area | left_to_right; default area\n" in shown
    assert "  class_prompts  mapping of names to text; default none\n" in shown
    assert "  lut  file; default none\n" in cli("stages", "finisher").out
    assert "  strength  number, above 0 to 1; default 0.6\n" in cli("stages", "text_to_image").out
    assert "  manifest  true or false; default true\n" in cli("stages", "publisher").out


def test_an_unknown_stage_is_refused(cli: Cli) -> None:
    failed = cli("stages", "upscalr")
    assert failed.code == 2
    assert "Did you mean 'upscaler'?" in failed.err


def test_models_lists_every_kind(cli: Cli) -> None:
    shown = cli("models").out
    for text in ("poster", "128 x 128", "dpmpp_2m_karras", "sketch", "detector", "2x, 4x"):
        assert text in shown
    document = cli("models", "--json", engines=fake_engines(loras=())).document
    assert document["diffusion"]["poster"]["native_size"] == [128, 128]
    assert document["loras"] == []


@pytest.mark.parametrize("preset", ["draft", "standard", "full"])
def test_config_show_prints_what_config_validate_takes(cli: Cli, preset: str) -> None:
    for extra in ((), ("--resolved",)):
        shown = cli("config", "show", "--preset", preset, *extra)
        Path("mine.yaml").write_text(shown.out)
        checked = cli("config", "validate", "mine.yaml")
        assert checked.code == 0
        assert "text_to_image" in checked.out


def test_config_show_applies_settings(cli: Cli) -> None:
    setting = ("--set", "upscaler.tile=64")
    shown = cli("config", "show", "--preset", "standard", *setting, "--json")
    assert shown.document["stages"][3]["params"] == {"upscale_factor": 2, "tile": 64}


def test_config_schema_names_every_stage(cli: Cli) -> None:
    schema = cli("config", "schema").document
    assert schema["type"] == "object"
    assert all(stage.name in str(schema) for stage in (*STAGES, *OPTIONAL))


def test_version_and_no_arguments(cli: Cli) -> None:
    from ninefold import __version__

    assert cli("--version").out == f"ninefold {__version__}\n"
    assert "Commands:" in cli().out + cli().err
