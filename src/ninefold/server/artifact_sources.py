"""Files of jobs as the sources of others: each is taken over as if the client had sent it anew."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, ParamSpec, Protocol, TypeVar

from ninefold.core.errors import ConfigError, InputError, UserError
from ninefold.files.opening import OWN_LIMITS, ImageLimits
from ninefold.jobs import Job
from ninefold.server.callers import Caller
from ninefold.server.file_answers import StoredFile, stored_bytes
from ninefold.server.schemas.requests import (
    ArtifactSource,
    EstimateRequest,
    GridRequest,
    GroupRequest,
    JobInput,
    JobRequest,
    RerunRequest,
)
from ninefold.server.sent_images import SentImage
from ninefold.server.uploads import Upload, UploadKind

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R", JobRequest, GroupRequest, GridRequest, EstimateRequest, RerunRequest)
#: Stores a job's file as an upload of a kind, and returns its id; raises `UserError`.
Store = Callable[[ArtifactSource, UploadKind], Awaitable[str]]


class JobFiles(Protocol):
    """What files of jobs are read from, and stored in as uploads: the service."""

    image_limits: ImageLimits

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what blocks."""

    async def artifact(self, caller: Caller, job_id: str, name: str) -> StoredFile:
        """A file of a job; raises `NotFoundError`."""

    async def job(self, caller: Caller, job_id: str) -> Job:
        """A job; raises `NotFoundError`."""

    async def upload(self, caller: Caller, data: bytes, kind: UploadKind = "image") -> Upload:
        """Check and store a file."""

    async def store_image(
        self, caller: Caller, image: SentImage, kind: UploadKind = "image"
    ) -> Upload:
        """Store an image that was decoded already."""


def store_of(files: JobFiles, caller: Caller) -> Store:
    """Stores files of the caller's jobs as uploads."""

    async def store(source: ArtifactSource, kind: UploadKind) -> str:
        file = await files.artifact(caller, source.job, source.name)
        if not file.media_type.startswith("image/"):
            raise InputError(f"expected an image, got {source.name!r}, {file.media_type}.")
        data = await files.call(stored_bytes, file.path)
        given = (await files.job(caller, source.job)).input_files.get(source.name)
        if given is None:
            return (await files.upload(caller, data, kind)).id
        # It was within the limits as it was sent, and may be a larger file as a PNG.
        limits = replace(files.image_limits, max_bytes=OWN_LIMITS.max_bytes)
        image = await files.call(SentImage.decode, data, limits, kind=kind)
        if given.original is not None:
            made_of = await files.call(stored_bytes, given.original.path)
            image = replace(image, made_of=made_of)
        return (await files.store_image(caller, image, kind)).id

    return store


async def with_uploads(request: R, store: Store) -> R:
    """The request with uploads in place of jobs' files; raises `ConfigError` with every problem.

    An upload is named by its content, so the same request again is the same.
    """
    sources = _Sources(store)
    changes: dict[str, Any] = {}
    if (inputs := getattr(request, "inputs", None)) is not None:
        changes["inputs"] = [
            await sources.replaced(item, f"inputs.{number}") for number, item in enumerate(inputs)
        ]
    if (given := getattr(request, "input", None)) is not None:
        changes["input"] = await sources.replaced(given, "input")
    if sources.problems:
        raise ConfigError(sources.problems)
    return request.model_copy(update=changes) if sources.found else request


class _Sources:
    """The uploads that jobs' files became, each stored once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.found: dict[tuple[ArtifactSource, UploadKind], str] = {}
        self.problems: list[str] = []

    async def replaced(self, given: JobInput, where: str) -> JobInput:
        """An input with uploads' ids alone."""
        changes: dict[str, Any] = {}
        if given.image is not None:
            changes["image"] = await self._id(given.image, "image", f"{where}.image")
        if given.mask is not None:
            changes["mask"] = await self._id(given.mask, "mask", f"{where}.mask")
        if given.references is not None:
            changes["references"] = [
                await self._id(item, "image", f"{where}.references.{number}")
                for number, item in enumerate(given.references)
            ]
        if given.control_images is not None:
            changes["control_images"] = {
                name: await self._id(item, "image", f"{where}.control_images.{name}")
                for name, item in given.control_images.items()
            }
        return given.model_copy(update=changes) if changes else given

    async def _id(self, source: str | ArtifactSource, kind: UploadKind, where: str) -> str:
        if isinstance(source, str):
            return source
        if (source, kind) not in self.found:
            try:
                self.found[source, kind] = await self._store(source, kind)
            except UserError as error:
                self.problems.append(f"{where}: {error}")
                return ""
        return self.found[source, kind]
