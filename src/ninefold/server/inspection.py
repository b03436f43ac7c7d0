"""What files that clients send say of how they were made, for every API that is asked."""

from __future__ import annotations

from ninefold.inspection import FileDescription, ModelFinder, inspect_file
from ninefold.server.problems import TooLargeError
from ninefold.server.service import Service

_REMEDY = "`GET /v1/models` lists what there is; whoever runs this service can add others."


def described_file(service: Service, data: bytes) -> FileDescription:
    """What a file says, with the models that requests may name here. Blocks; raises `InputError`,
    and `TooLargeError`."""
    if len(data) > (most := service.image_limits.max_bytes):
        raise TooLargeError(
            f"file: expected at most {most:,} bytes, got {len(data):,}. Use a smaller file."
        )
    finder = ModelFinder(service.engines, service.limits.models, _REMEDY)
    return inspect_file(data, limits=service.image_limits, finder=finder)
