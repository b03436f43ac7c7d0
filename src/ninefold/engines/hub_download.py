"""Files of the Hugging Face hub, into its cache: a download goes on where it was cut, each file is
verified, and a model appears whole or not at all.

The hub's own client begins a cut file anew in the next process and does not compare hashes, so the
bytes are fetched here; the layout of the cache is the client's, so that other tools find the files
(https://huggingface.co/docs/huggingface_hub/guides/manage-cache).
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path, PurePosixPath
from threading import Event, Lock
from typing import Any, Protocol
from urllib.parse import quote

from ninefold.core.atomic import write_atomic
from ninefold.core.errors import ModelError
from ninefold.engines.hub_errors import FULL, hub_errors
from ninefold.engines.references import HubName

#: What the hub may call a file's content, or a commit.
_HEX = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_CHUNK = 1 << 20
#: Files fetched at a time; connections are slower than disks.
_AT_ONCE = 4
#: Tries of one file that bring nothing new, and seconds between them.
_TRIES, _PAUSE = 5, 1.0
#: Bytes of a disk that stay free.
_SPARE = 64 << 20
PART = ".ninefold-part"


class Report(Protocol):
    """Is called with every piece that arrives, from any thread."""

    def __call__(self, file: str, arrived: int, total: int) -> None:
        """`file` got longer; `arrived` of `total` bytes of all files are there."""


@dataclass(frozen=True)
class HubFile:
    """A file of a repository."""

    path: str
    size: int
    #: What its content is called: the SHA-256 of a large file, git's SHA-1 of a small one.
    digest: str

    def is_content(self, file: Path) -> bool:
        """Whether a file holds what the hub says."""
        if len(self.digest) == 64:
            over = hashlib.sha256()
        else:  # https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
            over = hashlib.sha1(f"blob {file.stat().st_size}\0".encode(), usedforsecurity=False)
        with file.open("rb") as stream:
            while piece := stream.read(_CHUNK):
                over.update(piece)
        return over.hexdigest() == self.digest


@dataclass
class HubRepository:
    """A repository at one commit, and its folder in the cache."""

    name: HubName
    commit: str
    files: Mapping[str, HubFile]
    folder: Path
    report: Report = lambda *_: None
    _arrived: dict[str, int] = field(default_factory=dict)
    _total: int = 0
    _lock: Lock = field(default_factory=Lock)
    _stopped: Event = field(default_factory=Event)

    @classmethod
    def look_up(cls, name: HubName, report: Report = lambda *_: None) -> HubRepository:
        """Ask the hub for the commit and the files of a repository; raises `ModelError`."""
        from huggingface_hub import HfApi, constants
        from huggingface_hub.file_download import repo_folder_name
        from huggingface_hub.hf_api import RepoFile

        api = HfApi(endpoint=constants.ENDPOINT)
        with hub_errors(name):
            if constants.is_offline_mode():
                raise ConnectionError("offline")
            commit = api.repo_info(name.repository, revision=name.revision).sha or ""
            listed = api.list_repo_tree(name.repository, recursive=True, revision=commit)
            files = [
                HubFile(item.path, item.size, item.blob_id)
                if item.lfs is None
                else HubFile(item.path, item.lfs.size, item.lfs.sha256)
                for item in listed
                if isinstance(item, RepoFile)
            ]
        if not all(_HEX.fullmatch(text) for text in (commit, *(file.digest for file in files))):
            raise ModelError(
                f"{name}: {constants.ENDPOINT} answers unlike a hub. Check HF_ENDPOINT."
            )
        home = Path(constants.HF_HUB_CACHE).expanduser()
        folder = home / repo_folder_name(repo_id=name.repository, repo_type="model")
        return cls(
            name, commit, {file.path: file for file in files if _safe(file.path)}, folder, report
        )

    @property
    def snapshot(self) -> Path:
        """The folder in which the files of this commit stand under their names."""
        return self.folder / "snapshots" / self.commit

    def read(self, path: str) -> bytes:
        """The content of a small file; raises `ModelError`."""
        file = self.files[path]
        with hub_errors(self.name):
            self._fetch(file)
        return self._blob(file).read_bytes()

    def fetch(self, paths: Iterable[str]) -> Path:
        """Fetch files that are not there yet, and return the folder that holds them all.

        None of them stands there before all of them have arrived and are what the hub says.
        Raises `ModelError`; what has arrived until then is kept, unless the disk is full.
        """
        self._stopped.clear()  # by a fetch before this one
        wanted = [self.files[path] for path in dict.fromkeys(paths)]
        missing = [file for file in wanted if not self._is_there(file)]
        self._check_space(missing)
        self._total = sum(file.size for file in missing)
        pool = ThreadPoolExecutor(_AT_ONCE)
        running = [pool.submit(self._fetch, file) for file in missing]
        try:
            with hub_errors(self.name):
                for task in as_completed(running):
                    task.result()
        except ModelError as error:
            self._stopped.set()
            pool.shutdown(cancel_futures=True)
            cause = error.__cause__
            if isinstance(cause, OSError) and cause.errno in FULL:
                raise self._full(missing) from error
            raise
        finally:  # an interrupt, too, waits for nothing longer than a piece
            self._stopped.set()
            pool.shutdown(cancel_futures=True)
        with hub_errors(self.name):
            for file in wanted:
                self._stand(file)
            revision = self.name.revision or "main"
            if revision != self.commit:
                reference = self.folder / "refs" / revision
                reference.parent.mkdir(parents=True, exist_ok=True)
                write_atomic(reference, self.commit.encode())
        return self.snapshot

    def _fetch(self, file: HubFile) -> None:
        """Bring one file's content into the cache, in one process at a time."""
        utils: Any = import_module("huggingface_hub.utils")
        blob = self._blob(file)
        locks = self.folder.parent / ".locks" / self.folder.name
        for folder in (blob.parent, locks):
            folder.mkdir(parents=True, exist_ok=True)
        with utils.WeakFileLock(locks / f"{file.digest}.lock"):
            if blob.is_file() and blob.stat().st_size == file.size:
                return
            part = blob.with_name(f"{blob.name}{PART}")
            self._download(file, part)
            if not file.is_content(part):
                part.unlink()
                raise ModelError(
                    f"{self.name}: {file.path} is not what the hub says (another hash), so it was "
                    "removed. Try again; if it stays so, the file is damaged on the way or there."
                )
            os.replace(part, blob)

    def _download(self, file: HubFile, part: Path) -> None:
        """Append what is missing, as often as that brings anything new."""
        import httpx2

        left = _TRIES
        while (before := self._length(file, part)) != file.size or not part.exists():
            failure: Exception = EOFError(f"{file.path} ends after {before} bytes")
            try:
                self._append(file, part, before)
            except httpx2.TransportError as error:
                failure = error
            now = self._length(file, part)
            left = _TRIES if now > before else left - 1
            if not left or (now < file.size and self._stopped.wait(_PAUSE)):
                raise failure

    def _length(self, file: HubFile, part: Path) -> int:
        """How much has arrived; more than there can be is thrown away."""
        length = part.stat().st_size if part.exists() else 0
        if length > file.size:
            part.unlink()
            length = 0
        self._note(file, length)
        return length

    def _append(self, file: HubFile, part: Path, before: int) -> None:
        from huggingface_hub import constants

        at = f"{constants.ENDPOINT}/{self.name.repository}/resolve/{self.commit}"
        url = f"{at}/{quote(file.path)}"
        utils: Any = import_module("huggingface_hub.utils")
        headers: dict[str, Any] = {**utils.build_hf_headers(), "Accept-Encoding": "identity"}
        if before:
            headers["Range"] = f"bytes={before}-"
        timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
        stream = utils.http_stream_backoff(
            "GET", url, headers=headers, timeout=timeout, retry_on_exceptions=()
        )
        with stream as response:
            utils.hf_raise_for_status(response)
            goes_on = response.status_code == 206 and response.headers.get(
                "Content-Range", ""
            ).startswith(f"bytes {before}-")
            with part.open("ab" if goes_on else "wb") as out:
                for piece in response.iter_bytes():  # as they come: none waits for more
                    if self._stopped.is_set():
                        raise InterruptedError("another file failed")
                    out.write(piece)
                    self._note(file, out.tell())

    def _note(self, file: HubFile, arrived: int) -> None:
        with self._lock:
            self._arrived[file.path] = min(arrived, file.size)
            done = sum(self._arrived.values())
        self.report(file.path, done, max(self._total, done))

    def _check_space(self, missing: Sequence[HubFile]) -> None:
        """Raise `ModelError` where the disk has no room for what is missing."""
        place = next(at for at in (self.folder, *self.folder.parents) if at.is_dir())
        if self._still_to_come(missing) + _SPARE > shutil.disk_usage(place).free and missing:
            raise self._full(missing)

    def _still_to_come(self, missing: Sequence[HubFile]) -> int:
        parts = (self._blob(file).with_name(f"{file.digest}{PART}") for file in missing)
        there = sum(part.stat().st_size for part in parts if part.exists())
        return sum(file.size for file in missing) - there

    def _full(self, missing: Sequence[HubFile]) -> ModelError:
        """What to say of a disk that is full; what is cut there is removed."""
        need = self._still_to_come(missing)
        for file in missing:
            self._blob(file).with_name(f"{file.digest}{PART}").unlink(missing_ok=True)
        left = [file.path for file in missing if not self._is_there(file)]
        some = ", ".join(left[:3]) + (f" and {len(left) - 3} more" if len(left) > 3 else "")
        place = next(at for at in (self.folder, *self.folder.parents) if at.is_dir())
        free = shutil.disk_usage(place).free
        return ModelError(
            f"{self.name}: {need / 1e9:.2f} GB are still to come ({some}), and {free / 1e9:.2f} GB "
            f"are free at {place}. Free space, or set HF_HOME to another disk; files that have "
            "arrived whole are kept."
        )

    def _blob(self, file: HubFile) -> Path:
        return self.folder / "blobs" / file.digest

    def _is_there(self, file: HubFile) -> bool:
        """Whether its content is in the cache, under its own name or the file's."""
        for path in (self._blob(file), self.snapshot / file.path):
            with suppress(OSError):
                if path.stat().st_size == file.size:
                    return True
        return False

    def _stand(self, file: HubFile) -> None:
        """Put a file under its name: a link to its content, or a copy where there are no links."""
        path, blob = self.snapshot / file.path, self._blob(file)
        if path.exists() and path.stat().st_size == file.size:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{secrets.token_hex(8)}.part")
        try:
            try:
                temporary.symlink_to(os.path.relpath(blob, path.parent))
            except OSError:
                shutil.copyfile(blob, temporary)
            os.replace(temporary, path)
        finally:
            with suppress(OSError):
                temporary.unlink()


def _safe(path: str) -> bool:
    """Whether a file of a repository stays below its folder."""
    parts = PurePosixPath(path).parts
    return (
        bool(parts) and not path.startswith("/") and not {"..", "."} & {*parts} and "\\" not in path
    )
