"""Images and masks that clients send: checked, stored under their hash, named by it ever after."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import sqlalchemy as sa

from ninefold.core.atomic import write_atomic
from ninefold.core.errors import NotFoundError, StorageError
from ninefold.files.formats import FORMATS
from ninefold.files.store import PreparedFile
from ninefold.jobs.tables import TABLES, acquire_transaction_lock
from ninefold.server.callers import Caller
from ninefold.server.sent_images import ImageKind, SentImage

UploadKind = ImageKind
KINDS: tuple[UploadKind, ...] = get_args(UploadKind)
ID = re.compile(r"[0-9a-f]{64}")

#: One row for everyone who sent the file: who did not, cannot see it, though it be the same.
_UPLOADS = sa.Table(
    "ninefold_uploads",
    TABLES,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String(32), primary_key=True),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("media_type", sa.String(32), nullable=False),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("created_at", sa.String(32), nullable=False),
)
#: Any number that nobody else locks in the database: of those who note that a file is somebody's,
#: or remove one that is nobody's.
_LOCK = 0x6E696E67
#: The owner of what came without a key: a primary key holds no NULL.
_LOCAL = ""


@dataclass(frozen=True)
class Upload:
    """A file that was sent, whole and within the limits."""

    #: The SHA-256 of its bytes (`SentImage.id`).
    id: str
    kind: UploadKind
    media_type: str
    width: int
    height: int
    #: In bytes.
    size: int
    created_at: str


class Uploads:
    """The uploads of one data folder; every method blocks."""

    def __init__(self, engine: sa.Engine, data: Path) -> None:
        self._engine, self._folder = engine, data / "uploads"

    def add(self, caller: Caller, image: SentImage, kind: UploadKind = "image") -> Upload:
        """Store a file, and beside it what jobs start from; raises `StorageError`."""
        width, height = image.size
        upload = Upload(
            image.id,
            kind,
            FORMATS[image.format].media_type,
            width,
            height,
            len(image.data),
            _now(),
        )
        row = {"owner": caller.owner or _LOCAL, **vars(upload)}
        # Before the files are looked at: from now on, no process takes them for nobody's.
        with self._engine.begin() as connection:
            acquire_transaction_lock(connection, _LOCK)
            connection.execute(sa.delete(_UPLOADS).where(*_this(upload.id, caller.owner)))
            connection.execute(sa.insert(_UPLOADS).values(**row))
        files = {self._path(upload.id): image.data}
        if image.made_of:
            files[self._made_of(upload.id)] = image.made_of
        ready = self._prepared(upload.id, kind)
        if not ready.exists() and (prepared := image.prepared(kind)) is not None:
            files[ready] = prepared
        try:
            ready.parent.mkdir(parents=True, exist_ok=True)
            for path, data in files.items():
                try:
                    os.utime(path)
                except FileNotFoundError:
                    write_atomic(path, data)
        except OSError as error:
            raise StorageError(
                f"cannot store the upload: {error.strerror or error}. Free some space on the "
                "server or choose another data folder, and send it again."
            ) from None
        return upload

    def get(self, caller: Caller, upload_id: str) -> Upload:
        """What is known of the caller's upload; raises `NotFoundError`."""
        query = sa.select(_UPLOADS).where(_UPLOADS.c.id == upload_id)
        if not caller.sees_all:
            query = query.where(_UPLOADS.c.owner == (caller.owner or _LOCAL))
        row = None
        if ID.fullmatch(upload_id):
            with self._engine.connect() as connection:
                row = connection.execute(query).first()
        if row is None or not self._path(upload_id).exists():
            raise NotFoundError(f"no upload is called {upload_id[:80]!r}. POST /v1/uploads first.")
        known = {name: value for name, value in row._mapping.items() if name != "owner"}
        return Upload(**known)

    def path(self, upload: Upload) -> Path:
        """The file as it was sent."""
        return self._path(upload.id)

    def source(self, upload: Upload, slot: UploadKind) -> PreparedFile | Path:
        """What the slot of a job is given for an upload: without need, nothing is decoded again."""
        ready = self._prepared(upload.id, slot)
        if ready.exists():
            made_of, sent = self._made_of(upload.id), self._path(upload.id)
            original = made_of if made_of.exists() else sent
            return PreparedFile(ready, (upload.width, upload.height), original)
        return self._path(upload.id)  # sent as another kind, or to an earlier version

    def delete(self, caller: Caller, upload_id: str) -> None:
        """Forget an upload; jobs keep their copies. Raises `NotFoundError`."""
        self.get(caller, upload_id)
        whose = [_UPLOADS.c.id == upload_id]
        if not caller.sees_all:
            whose.append(_UPLOADS.c.owner == (caller.owner or _LOCAL))
        with self._engine.begin() as connection:
            connection.execute(sa.delete(_UPLOADS).where(*whose))
        self._sweep([upload_id])

    def expire(self, hours: float) -> int:
        """Forget what was sent over `hours` ago; returns how many files went.

        With them go the files of that age that have no row, as a process that is killed leaves.
        """
        limit = datetime.now(UTC) - timedelta(hours=hours)
        old = _UPLOADS.c.created_at < limit.isoformat(timespec="seconds")
        with self._engine.begin() as connection:
            ids = set(connection.execute(sa.select(_UPLOADS.c.id).where(old)).scalars())
            connection.execute(sa.delete(_UPLOADS).where(old))
        return self._sweep(ids | self._sent_before(limit.timestamp()))

    def _sent_before(self, limit: float) -> set[str]:
        """Ids by their files, which are touched whenever they are sent again."""
        last: dict[str, float] = {}
        for path in self._folder.glob("*/*"):
            if ID.fullmatch(upload_id := path.name.partition(".")[0]):
                with suppress(FileNotFoundError):  # another process removes it
                    last[upload_id] = max(last.get(upload_id, 0.0), path.stat().st_mtime)
        return {upload_id for upload_id, sent in last.items() if sent < limit}

    def _sweep(self, ids: Collection[str]) -> int:
        """Remove the files that nobody has any more."""
        gone = 0
        for upload_id in ids:
            query = sa.select(_UPLOADS.c.id).where(_UPLOADS.c.id == upload_id).limit(1)
            with self._engine.begin() as connection:
                acquire_transaction_lock(connection, _LOCK)
                if connection.execute(query).first() is None:
                    for path in self._files(upload_id):
                        path.unlink(missing_ok=True)
                    gone += 1
        return gone

    def _path(self, upload_id: str) -> Path:
        return self._folder / upload_id[:2] / upload_id

    def _prepared(self, upload_id: str, kind: UploadKind) -> Path:
        return self._folder / upload_id[:2] / f"{upload_id}.{kind}.png"

    def _made_of(self, upload_id: str) -> Path:
        return self._folder / upload_id[:2] / f"{upload_id}.made_of"

    def _files(self, upload_id: str) -> list[Path]:
        prepared = [self._prepared(upload_id, kind) for kind in KINDS]
        return [self._path(upload_id), self._made_of(upload_id), *prepared]


def _this(upload_id: str, owner: str | None) -> tuple[sa.ColumnElement[bool], ...]:
    return _UPLOADS.c.id == upload_id, _UPLOADS.c.owner == (owner or _LOCAL)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
