"""Parameters of paths and headers that several routes take."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Path

from ninefold.jobs.submission import MAX_KEY
from ninefold.server.schemas.base import ID_PATTERN, UPLOAD_PATTERN

JobId = Annotated[str, Path(pattern=ID_PATTERN, description="Id of a job.")]
GroupId = Annotated[str, Path(pattern=ID_PATTERN, description="Id of a group.")]
UploadId = Annotated[str, Path(pattern=UPLOAD_PATTERN, description="Id of an upload.")]
FileName = Annotated[
    str, Path(max_length=500, pattern=r"^[^\\\x00-\x1f\x7f]+$", description="As listed.")
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=MAX_KEY,
        description="The same key again, with the same body, gives the same job.",
    ),
]
