"""What can be chosen, health, and the OpenAPI document."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import TypeAdapter

from ninefold import client, job_schema
from ninefold.catalogue import other_models
from ninefold.config import PipelineConfig
from ninefold.engines.defaults import build_engines
from ninefold.engines.settings import EngineSettings
from ninefold.files.manifest import manifest_schema
from ninefold.imaging.resize import RESAMPLERS
from ninefold.job_schema import Failure, File, ListedJob, Output, Verdict
from ninefold.server import create_app
from ninefold.server.routes import examples
from ninefold.server.routes.catalogue import ModelDocument, ModelList, PresetList, StageList
from ninefold.server.schemas.configs import ConfigDocument
from ninefold.server.schemas.estimates import EstimateDocument, RerunPlanDocument
from ninefold.server.schemas.grids import GridDocument
from ninefold.server.schemas.job_library import (
    DeletedDocument,
    JobPage,
    LineageDocument,
    QueueDocument,
)
from ninefold.server.schemas.jobs import (
    ErrorDocument,
    FileDocument,
    GroupDocument,
    JobDocument,
    JobSummary,
    OutputDocument,
    VerdictDocument,
)
from ninefold.server.schemas.uploads import UploadDocument
from ninefold.settings import Settings
from ninefold.slots import DEFAULT_MODEL
from ninefold.stages import STAGES
from tests.server.conftest import Door


def test_stages_presets_and_schema(idle: Door) -> None:
    stages = idle.client.get("/v1/stages").json()["stages"]
    assert [stage["name"] for stage in stages][:9] == [stage.name for stage in STAGES]
    assert [stage["name"] for stage in stages if not stage["optional"]] == [
        stage.name for stage in STAGES
    ]
    assert stages[4]["params"]["properties"]["upscale_factor"]["maximum"] == 8
    presets = idle.client.get("/v1/presets").json()["presets"]
    assert [preset["name"] for preset in presets] == ["draft", "standard", "full"]
    assert PipelineConfig.parse(presets[2]["config"]) == PipelineConfig.preset("full")
    assert idle.client.get("/v1/config/schema").json() == PipelineConfig.model_json_schema()
    assert idle.client.get("/v1/manifest/schema").json() == manifest_schema()


def test_models_are_listed_as_openai_lists_them(idle: Door) -> None:
    found = idle.client.get("/v1/models").json()
    assert found["object"] == "list"
    [poster] = found["data"]
    assert (poster["id"], poster["object"], poster["owned_by"]) == ("poster", "model", "ninefold")
    assert poster["native_size"] == [128, 128]
    assert found["upscalers"] == ["2x", "4x", *RESAMPLERS]
    assert found["default"] == "poster"
    by_kind = found["schedulers_by_kind"]
    assert "ddim" in by_kind["noise"]
    assert "ddim" not in by_kind["flow"]
    assert {name for names in by_kind.values() for name in names} <= set(found["schedulers"])
    assert idle.client.get("/v1/models/poster").json() == poster
    error = idle.client.get("/v1/models/postr").json()["error"]
    assert "Did you mean 'poster'" in error["message"]


def test_a_config_is_checked_without_running_it(idle: Door) -> None:
    body = {"preset": "draft", "overrides": {"text_to_image.steps": 5}}
    found = idle.client.post("/v1/config/validate", json=body).json()
    assert found["config"]["stages"][1] == {"stage": "text_to_image", "params": {"steps": 5}}
    assert found["resolved"]["stages"][1]["params"]["strength"] == 0.6
    bad = {"config": {"stages": [{"stage": "prompt"}, {"stage": "finisher"}]}}
    assert idle.client.post("/v1/config/validate", json=bad).status_code in (200, 422)
    assert idle.client.get("/v1/jobs").json()["jobs"] == []


def test_health(idle: Door) -> None:
    assert idle.client.get("/healthz").json()["status"] == "ok"
    assert idle.client.get("/readyz").json()["status"] == "ok"
    idle.service.closing.set()
    stopping = idle.client.get("/readyz")
    assert (stopping.status_code, stopping.json()["status"]) == (503, 503)
    assert idle.client.get("/healthz").status_code == 200


DOCUMENT: dict[str, Any] = create_app(Settings()).openapi()
OPERATIONS = [
    (f"{method.upper()} {path}", operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]


@pytest.mark.parametrize(("name", "operation"), OPERATIONS, ids=[name for name, _ in OPERATIONS])
def test_every_route_has_an_example_and_its_problems(name: str, operation: dict[str, Any]) -> None:
    assert operation["summary"]
    assert operation["description"]
    answers = operation["responses"]
    succeeded = [answer for status, answer in answers.items() if status.startswith("2")]
    assert succeeded
    for answer in succeeded:
        for media in answer.get("content", {}).values():
            binary = not media or media.get("schema", {}).get("format") == "binary"
            assert binary or _has_example(media), name
    if "security" in operation:
        assert {"401", "403", "429"} <= set(answers)
    if "requestBody" in operation:
        assert {"400", "413", "422"} <= set(answers)
        for kind, media in operation["requestBody"]["content"].items():
            assert kind == "multipart/form-data" or _has_example(media), name


def _has_example(media: dict[str, Any]) -> bool:
    """Whether the answer or body has one itself, or its schema has."""
    schema = media.get("schema", {})
    schema = schema.get("items", schema)
    if "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return any(name in place for name in ("example", "examples") for place in (media, schema))


def test_examples_fit_what_routes_answer() -> None:
    for example, kind in (
        (examples.JOB, JobDocument),
        (examples.PAGE, JobPage),
        (examples.GROUP, GroupDocument),
        (examples.UPLOAD, UploadDocument),
        (examples.STAGES, StageList),
        (examples.PRESETS, PresetList),
        (examples.MODEL, ModelDocument),
        (examples.MODELS, ModelList),
        (examples.CONFIG, ConfigDocument),
    ):
        value = example["content"]["application/json"]["example"]
        # What is known of a model beside OpenAI's fields depends on the model.
        extra: Literal["forbid"] | None = None if kind in (ModelDocument, ModelList) else "forbid"
        TypeAdapter(kind).validate_python(value, extra=extra)


def test_the_example_of_models_lists_what_ships() -> None:
    listed = examples.MODELS["content"]["application/json"]["example"]
    shipped = other_models(build_engines(EngineSettings()))
    assert {kind: tuple(listed[kind]) for kind in shipped} == shipped
    assert [model["id"] for model in listed["data"]] == [DEFAULT_MODEL]


def test_answers_and_client_values_derive_from_one_model() -> None:
    """A field that the API gains is the client's, too, and nothing is described twice."""
    for answer, value in (
        (JobDocument, client.Job),
        (JobSummary, ListedJob),
        (FileDocument, File),
        (OutputDocument, Output),
        (ErrorDocument, Failure),
        (VerdictDocument, Verdict),
        (UploadDocument, client.Upload),
        (DeletedDocument, client.Deleted),
        (QueueDocument, client.Queue),
        (LineageDocument, client.Lineage),
        (GridDocument, client.Grid),
        (EstimateDocument, client.Estimate),
        (RerunPlanDocument, client.RerunPlan),
    ):
        assert issubclass(answer, value)
        assert answer.model_fields.keys() >= value.model_fields.keys()
    assert client.Job is job_schema.Job
    added = JobDocument.model_fields.keys() - client.Job.model_fields.keys()
    assert added == {"links", "thumbnail"}


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for _, operation in OPERATIONS]
    assert len(names) == len(set(names))


def test_schemas_are_called_as_they_are_and_by_no_module() -> None:
    """Two of one name would be told apart by where they stand in the source."""
    assert not [name for name in DOCUMENT["components"]["schemas"] if "__" in name]
