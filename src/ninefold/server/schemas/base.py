"""What requests and answers have in common."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from ninefold.core.priority import MAX_PRIORITY
from ninefold.server.json_values import check_json

#: Ids as they occur in paths: anything else names nothing.
ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
UPLOAD_PATTERN = r"^[0-9a-f]{64}$"


def plain_json(value: Any) -> Any:
    """The value; raises ValueError for one that JSON cannot hold, or that is too deep."""
    check_json(value)
    return value


#: The id of a job where it is no part of a path.
JobIdText = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
UploadId = Annotated[str, StringConstraints(pattern=UPLOAD_PATTERN)]
#: A name of a model or preset; what it may be is checked where it is used.
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
JsonObject = Annotated[dict[str, Any], AfterValidator(plain_json)]
Priority = Annotated[
    int, Field(ge=1, le=MAX_PRIORITY, description="Smaller numbers run first.", strict=True)
]


class RequestModel(BaseModel):
    """A request is what it says and no more: an unknown field is a problem."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class AnswerModel(BaseModel):
    """An answer says every field: none is left out, so none has a default."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema)["properties"]
        for field in properties.values():
            field.pop("default", None)
        handler.resolve_ref_schema(schema)["required"] = list(properties)
        return schema
