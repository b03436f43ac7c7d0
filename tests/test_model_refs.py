"""Parameters that name models: a plugin's are refused, looked up, offered and listed like ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple, NotRequired, Required

import pytest
from pydantic import AnyUrl, BaseModel, Field
from typing_extensions import TypeAliasType, TypedDict

from ninefold import ConfigError, PipelineConfig, PipelineContext
from ninefold.catalogue import other_models
from ninefold.core.model_refs import ModelRef, model_refs, named_models, with_choices
from ninefold.core.stage import StageParams
from ninefold.jobs.group_rows import GroupRow
from ninefold.server.limits import Limits
from ninefold.settings import Settings
from ninefold.stages.registry import find_stage, references
from ninefold.stages.upscaler import UPSCALER_MODEL
from ninefold.testing import fake_engines

from .conftest import Install
from .server.conftest import Open, empty_database, open_door  # noqa: F401 - fixtures

DETECTOR = Annotated[str, ModelRef("detector")]
Named = TypeAliasType("Named", Annotated[str, ModelRef("detector")])


@dataclass(frozen=True)
class Part:
    remover: DETECTOR = "p"


class Inner(BaseModel):
    remover: DETECTOR | None = None
    note: str = ""


class Typed(TypedDict, total=False):
    remover: Required[DETECTOR]
    other: NotRequired[DETECTOR]


class Tupled(NamedTuple):
    number: int
    remover: DETECTOR = "detector"


class Deep(StageParams):
    """Names models in every way that there is."""

    plain: DETECTOR = "detector"
    outside: Annotated[str | None, ModelRef("detector")] = None
    several: tuple[DETECTOR, ...] = ()
    pair: tuple[int, DETECTOR] = (0, "detector")
    around: Annotated[list[str], ModelRef("detector")] = Field(default_factory=list)
    by_name: dict[str, list[DETECTOR]] = Field(default_factory=dict)
    keys: dict[DETECTOR, int] = Field(default_factory=dict)
    inner: Inner | None = None
    parts: tuple[Part, ...] = ()
    named: Named | None = None
    alias: DETECTOR | None = Field(None, alias="other")
    typed: Typed | None = None
    tupled: tuple[Tupled, ...] = ()
    path: Annotated[Path | None, ModelRef("detector")] = None
    url: Annotated[AnyUrl | None, ModelRef("detector")] = None
    text: str = ""


GIVEN: dict[str, Any] = {
    "plain": "a",
    "outside": "b",
    "several": ["c", "d"],
    "pair": [1, "e"],
    "around": ["f"],
    "by_name": {"x": ["g"]},
    "keys": {"h": 1},
    "inner": {"remover": "i", "note": "not this"},
    "parts": [{"remover": "j"}],
    "named": "k",
    "other": "l",
    "typed": {"remover": "m", "other": "n"},
    "tupled": [[1, "o"], [2]],
    "path": "/p",
    "url": "https://q/",
    "text": "nor this",
}


@pytest.mark.parametrize("checked", [True, False])
def test_models_are_found_wherever_parameters_name_them(checked: bool) -> None:
    values = Deep.model_validate(GIVEN) if checked else GIVEN
    found = {item.where: item.name for item in named_models(Deep, values)}
    assert found == {
        "plain": "a",
        "outside": "b",
        "several.0": "c",
        "several.1": "d",
        "pair.1": "e",
        "around.0": "f",
        "by_name.x.0": "g",
        "keys": "h",
        "inner.remover": "i",
        "parts.0.remover": "j",
        "named": "k",
        "alias": "l",
        "typed.remover": "m",
        "typed.other": "n",
        "tupled.0.remover": "o",
        **({"tupled.1.remover": "detector"} if checked else {}),
        "path": "/p",
        "url": "https://q/",
    }
    assert model_refs(Deep) == (ModelRef("detector"),)


def test_defaults_are_no_part_of_what_was_given() -> None:
    values = Deep.model_validate({"named": "k"})
    assert [item.name for item in named_models(Deep, values, given=True)] == ["k"]
    assert [item.name for item in named_models(Deep, values)] == ["detector", "detector", "k"]


def test_the_schema_says_what_a_text_names() -> None:
    schema = Deep.model_json_schema()["properties"]
    assert schema["plain"]["x-model"] == {"kind": "detector"}

    def choices(ref: ModelRef) -> Sequence[str]:
        return ("one", *ref.also)

    offered = with_choices(find_stage("upscaler").params_type.model_json_schema(), choices)
    text, null = offered["properties"]["upscaler"]["anyOf"]
    assert text["enum"] == ["one", *UPSCALER_MODEL.also]
    assert null == {"type": "null"}
    assert "enum" not in offered["properties"]["tile"]


PLUGIN = """
from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, BaseModel, Field, RootModel

from ninefold import IMAGE, ModelRef, PipelineStage, StageParams, stage


class Options(BaseModel):
    helper: Annotated[str, ModelRef("upscaling", also=("none",))] = "none"
    lut: Path | None = None


class CutParams(StageParams):
    '''Parameters of `cut`.'''

    remover: Annotated[str, ModelRef("detector")] = Field("detector", description="Cuts it out.")
    options: Options = Options()
    table: Path | None = Field(None, validation_alias=AliasChoices("table", "Table"))
    factor: int = Field(1, ge=1)


class Cut(PipelineStage[CutParams]):
    '''Cuts the subject out.'''

    name = "cut"
    params_type = CutParams
    requires = (IMAGE,)

    async def execute(self, context):
        return context

    def output_size(self, context, size):
        return None if size is None else (size[0] * self.params.factor, size[1])


class Several(RootModel[list[Annotated[str, ModelRef("detector")]]]):
    pass


class SewParams(StageParams):
    thread: str = Field(description="Must be there.")
    removers: Several = Field(Several([]), description="Cut it out.")


@stage(requires=[IMAGE])
def sew(context, params: SewParams):
    '''Must be told with what.'''


@stage(requires=[IMAGE])
def snip_2(context, params: CutParams):
    '''Cuts, too.'''
"""


@pytest.fixture
def cut(install_plugin: Install) -> None:
    """Two stages, one of them with a name as a repeated stage gets it."""
    targets = {name: f"cutting:{name}" for name in ("Cut", "sew", "snip_2")}
    targets["cut"] = targets.pop("Cut")
    install_plugin("cutting", PLUGIN, stages=targets)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"remover": "/etc/passwd"}, "STAGE.remover: '/etc/passwd' is not served here."),
    ({"remover": "detectr"}, "STAGE.remover: 'detectr' is not served here. Did you mean"),
    ({"options": {"helper": "detector"}}, "STAGE.options.helper: 'detector' is not served here."),
    ({"options": {"lut": "/etc/passwd"}}, "STAGE.options.lut: files of the server are not taken"),
    ({"table": "/etc/passwd"}, "STAGE.table: files of the server are not taken"),
    ({"Table": "/etc/passwd"}, "STAGE.table: files of the server are not taken"),
    ({"remover": "/etc/passwd", "factor": 0}, "STAGE.remover: '/etc/passwd' is not served here."),
]


@pytest.mark.usefixtures("cut")
@pytest.mark.parametrize("stage", ["cut", "snip_2"])
@pytest.mark.parametrize(("params", "says"), REFUSED)
def test_a_request_may_not_name_what_is_not_served(
    open_door: Open,  # noqa: F811
    stage: str,
    params: dict[str, Any],
    says: str,
) -> None:
    client = open_door(worker=False).client
    stages: list[dict[str, Any]] = [{"stage": "text_to_image"}, {"stage": stage, "params": params}]
    body: dict[str, Any] = {"config": {"stages": stages}, "input": {"prompt": "a house"}}
    answer = client.post("/v1/jobs", json=body)
    assert answer.status_code == 422
    assert says.replace("STAGE", stage) in answer.text
    stages[1]["params"] = {}
    body["overrides"] = {f"{stage}.{name}": value for name, value in params.items()}
    again = client.post("/v1/jobs", json=body)
    assert again.status_code == 422
    assert says.replace("STAGE", stage) in again.text
    del body["overrides"]
    stages[1]["params"] = {"remover": "detector", "options": {"helper": "none"}}
    accepted = client.post("/v1/jobs", json=body)
    assert accepted.status_code == 202, accepted.text


@pytest.mark.usefixtures("cut")
def test_overrides_are_looked_through_with_the_rest_of_their_stage(open_door: Open) -> None:  # noqa: F811
    """What one of them says may be clear only when it is checked, and that needs the others."""
    client = open_door(worker=False).client
    stages = [{"stage": "text_to_image"}, {"stage": "sew", "params": {"thread": "red"}}]
    body = {
        "config": {"stages": stages},
        "overrides": {"sew.removers": ["/etc/passwd"]},
        "input": {"prompt": "a house"},
    }
    answer = client.post("/v1/jobs", json=body)
    assert answer.status_code == 422
    assert "sew.removers.root.0: '/etc/passwd' is not served here." in answer.text
    body["overrides"] = {"sew.removers": ["detector"]}
    assert client.post("/v1/jobs", json=body).status_code == 202


@pytest.mark.usefixtures("cut")
def test_what_it_may_name_is_offered_and_listed(open_door: Open) -> None:  # noqa: F811
    client = open_door(worker=False, models=["mine"]).client
    stages = {stage["name"]: stage for stage in client.get("/v1/stages").json()["stages"]}
    detailer = stages["detailer"]["params"]["properties"]["detector"]["anyOf"][0]
    for name in ("cut", "snip_2"):
        offered = stages[name]["params"]
        assert offered["properties"]["remover"]["enum"] == detailer["enum"] == ["detector", "mine"]
        helper = offered["$defs"]["Options"]["properties"]["helper"]
        assert helper["enum"] == ["2x", "4x", "none", "mine"]
    assert "none" in client.get("/v1/models").json()["upscalers"]
    assert "none" in other_models(fake_engines())["upscalers"]
    assert ModelRef("upscaling", ("none",)) in references()


@pytest.mark.usefixtures("cut")
@pytest.mark.parametrize("stage", ["cut", "snip_2"])
def test_a_check_looks_it_up(tmp_path: Path, stage: str) -> None:
    def problems(**params: Any) -> tuple[str, ...]:
        document = {"stages": [{"stage": "text_to_image"}, {"stage": stage, "params": params}]}
        pipeline = PipelineConfig.parse(document).build(fake_engines())
        return pipeline.problems(PipelineContext(tmp_path, prompt="a red house"))

    assert problems() == ()
    [line] = problems(remover="/etc/passwd")
    assert line.startswith(f"{stage}.remover: No model '/etc/passwd'")
    [line] = problems(options={"helper": "8x"})
    assert line.startswith(f"{stage}.options.helper: No model '8x'")


@pytest.mark.usefixtures("cut")
def test_the_size_that_it_makes_counts() -> None:
    limits = Limits(Settings(max_output_pixels=64_000), fake_engines())

    def check(factor: int) -> None:
        params = {"factor": factor}
        stages = [{"stage": "text_to_image"}, {"stage": "cut", "params": params}]
        config = PipelineConfig.parse({"stages": stages})
        limits.check_size([GroupRow(config, {"prompt": "a house"})], {})

    check(3)
    with pytest.raises(ConfigError, match="at most 64,000 pixels in all, got 65,536"):
        check(4)


def test_a_stage_whose_models_are_of_no_kind_is_reported(install_plugin: Install) -> None:
    source = PLUGIN.replace('ModelRef("detector")', 'ModelRef("detectr")')
    install_plugin("cutting_wrong", source, stages={"cut": "cutting_wrong:Cut"})
    with pytest.raises(ConfigError, match=r"'cut'.*kind of engine 'detectr': unknown.*'detector'"):
        PipelineConfig.parse({"stages": [{"stage": "text_to_image"}, {"stage": "cut"}]})
