"""The OpenAPI document's examples have the form of what routes answer."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from pydantic import BaseModel

from ninefold.server import create_app
from ninefold.server.sdapi.extension import SdapiPart
from ninefold.server.sdapi.schemas import (
    ExtrasRequest,
    Img2ImgRequest,
    InterrogateRequest,
    Txt2ImgRequest,
)
from ninefold.settings import Settings
from tests.server.conftest import Door, png
from tests.server.sdapi.orders import b64, plain

DOCUMENT: dict[str, Any] = create_app(Settings()).openapi()
DESCRIBED = plain(8, 8)
DESCRIBED.info["parameters"] = "a red house\nSteps: 8, Seed: 7, Size: 8x8"
BODIES: dict[str, Any] = {
    "txt2img": {"prompt": "a"},
    "img2img": {"prompt": "a", "init_images": [base64.b64encode(png()).decode()]},
    "extra-single-image": {"image": base64.b64encode(png()).decode(), "upscaler_1": "2x"},
    "extra-batch-images": {"imageList": [{"data": base64.b64encode(png()).decode()}]},
    "png-info": {"image": base64.b64encode(png()).decode()},
    "interrogate": {"image": b64(DESCRIBED)},
    "options": {"sd_model_checkpoint": "poster"},
}
OPERATIONS = [
    (method, path, operation)
    for path, methods in DOCUMENT["paths"].items()
    if path.startswith(tuple(SdapiPart.error_forms))
    for method, operation in methods.items()
]


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    OPERATIONS,
    ids=[f"{method} {path}" for method, path, _ in OPERATIONS],
)
def test_examples_have_the_form_of_answers(
    door: Door, method: str, path: str, operation: dict[str, Any]
) -> None:
    body = BODIES.get(path.rpartition("/")[2]) if method == "post" else None
    answer = door.client.request(method, path, json=body)
    assert answer.status_code == 200, answer.text
    examples = operation["responses"]["200"]["content"]["application/json"]["examples"]
    example = examples["answer"].get("value")
    if example != []:  # lists that are empty here
        assert _fields(answer.json()) == _fields(example)
    else:
        assert answer.json() == []


def _fields(value: Any) -> Any:
    """Names and types of what is reported, of a list's first item; the document holds no nulls."""
    item = value[0] if isinstance(value, list) else value
    if not isinstance(item, dict):
        return item
    return {name: type(part) for name, part in item.items() if part is not None}


@pytest.mark.parametrize(
    "kind", [Txt2ImgRequest, Img2ImgRequest, ExtrasRequest, InterrogateRequest]
)
def test_the_schema_says_where_null_may_stand(kind: type[BaseModel]) -> None:
    schema = kind.model_json_schema()
    needed = schema.get("required", [])
    nulls = [
        name
        for name, field in schema["properties"].items()
        if {"type": "null"} in field.get("anyOf", [])
    ]
    assert sorted([*nulls, *needed]) == sorted(schema["properties"])
    given: dict[str, Any] = dict.fromkeys(needed, "iVBORw0KGgo")
    assert kind.model_validate(given | dict.fromkeys(nulls)) == kind.model_validate(given)
