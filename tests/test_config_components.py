"""Where a model takes the components from that it lacks: configs, command line, requests."""

from __future__ import annotations

import pytest

from ninefold.cli.options import RunOptions, resolve_config
from ninefold.config import PipelineConfig
from ninefold.core.errors import ConfigError, ModelError
from ninefold.engines.references import HubName, split_components, with_components
from ninefold.server.limits import Limits
from ninefold.settings import Settings
from ninefold.slots import MODEL
from ninefold.testing import fake_engines

STAGES = [{"stage": "prompt"}, {"stage": "text_to_image"}]


def test_they_go_with_the_model_of_their_config() -> None:
    config = PipelineConfig.parse(
        {"model": "net.gguf", "components": "owner/name", "stages": STAGES}
    )
    assert config.build(fake_engines()).defaults[MODEL.name] == "net.gguf|owner/name"
    with pytest.raises(ConfigError, match="components: expected beside a model"):
        PipelineConfig.parse({"components": "owner/name", "stages": STAGES})


def test_another_model_on_the_command_line_leaves_those_of_the_config_out() -> None:
    def model(**options: str) -> object:
        return resolve_config(RunOptions(preset="draft", **options)).build().defaults[MODEL.name]  # type: ignore[arg-type]

    assert model(model="net.gguf", components="folder") == "net.gguf|folder"
    assert model(model="net.gguf") == "net.gguf"
    with pytest.raises(ConfigError, match="components: expected beside a model"):
        model(components="folder")


def test_another_model_by_name_leaves_those_of_the_config_out() -> None:
    config = PipelineConfig.parse({"model": "a.gguf", "components": "one", "stages": STAGES})
    assert config.with_values({"model": "sdxl"}).components is None
    assert config.with_settings(["model=sdxl"]).components is None
    assert config.with_values({"model": "b.gguf", "components": "two"}).components == "two"
    assert config.with_values({"seed": 5}).components == "one"


def test_a_pair_that_the_operator_serves_may_be_named() -> None:
    limits = Limits(Settings(models=("net.gguf|owner/name",)), fake_engines())
    assert not list(limits.model_problems("net.gguf|owner/name", "model"))
    assert list(limits.model_problems("net.gguf", "model"))


def test_a_request_may_name_those_that_are_served() -> None:
    limits = Limits(Settings(), fake_engines())
    served, *_ = limits.models()
    assert not list(limits.model_problems(f"{served}|{served}", "model"))
    (problem,) = limits.model_problems(f"{served}|/etc", "model")
    assert "'/etc' is not served here" in problem
    document = {"model": served, "components": "/etc", "stages": STAGES}
    (problem,) = limits.config_problems(document)
    assert "components: '/etc' is not served here" in problem


def test_references_are_read_and_written() -> None:
    name = HubName.parse("owner/name@refs/pr/1:fp16")
    assert name == HubName("owner/name", "refs/pr/1", "fp16")
    assert str(name) == "owner/name@refs/pr/1:fp16"
    assert HubName.parse("owner/name/more") is None
    assert HubName.parse("../name") is None
    assert split_components(with_components("a.gguf", "b")) == ("a.gguf", "b")
    assert with_components("a.gguf", None) == "a.gguf"
    for wrong in ("|b", "a|", "a|b|c"):
        with pytest.raises(ModelError, match=r"MODEL\|COMPONENTS"):
            split_components(wrong)
