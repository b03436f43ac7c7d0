"""`/v1/inspect`: what a file says of how it was made."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import File, UploadFile
from pydantic import BaseModel, Field

from ninefold.server.dependencies import Known, ServiceDep
from ninefold.server.inspection import described_file
from ninefold.server.problems import responses
from ninefold.server.router import Router
from ninefold.server.routes.examples import INSPECTION

router = Router(prefix="/v1", tags=["files"])


class InspectionDocument(BaseModel):
    """What a file says; `generation` and `config` are null where it says nothing."""

    format: str
    width: int = Field(description="Of the file, in pixels.")
    height: int
    found_in: list[str] = Field(description="Where texts were found.")
    generation: dict[str, Any] | None = Field(
        description="How the image was made, in the words of configs; `other` is in the tool's."
    )
    config: dict[str, Any] | None = Field(description="A config for an image like it.")
    not_taken_over: list[str] = Field(description="What the config does not hold, and why.")
    notes: list[str] = Field(description="What the config does in another way.")
    models: list[dict[str, Any]] = Field(
        description="The models that it names, and which of them are served here."
    )


@router.post("/inspect", responses={200: INSPECTION, **responses(body=True)})
async def inspect(
    _caller: Known,
    service: ServiceDep,
    file: Annotated[UploadFile, File(description="An image file, of whatever tool.")],
) -> InspectionDocument:
    """Read what an image file says of how it was made. Nothing is stored."""
    found = await service.call(described_file, service, await file.read())
    return InspectionDocument(**found.document())
