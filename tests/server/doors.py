"""What the tests of both compatible doors share: a server with a key, and what became of jobs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx2 as httpx
from PIL import Image

from tests.forked import output
from tests.server.process import server

#: Longest that anything is waited for, in seconds.
PATIENCE = 60.0


@dataclass(frozen=True)
class Served:
    """A server process, and keys of two who know nothing of each other."""

    url: str
    key: str
    other: str

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2].strip("/"))

    def jobs(self, key: str | None = None) -> list[dict[str, Any]]:
        """The jobs of a key, the newest first."""
        found = httpx.get(f"{self.url}/v1/jobs", headers=self.headers(key)).json()
        return list(found["jobs"])

    def headers(self, key: str | None = None) -> dict[str, str]:
        """The head of a request with a key."""
        return {"Authorization": f"Bearer {key or self.key}"}

    def until(self, status: str, count: int = 1) -> None:
        """Wait until the newest jobs have this status; fails where they never do."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            found = [job["status"] for job in self.jobs()[:count]]
            if found == [status] * count:
                return
            time.sleep(0.1)
        raise AssertionError(f"expected {count} jobs {status}, got {found}")


@contextmanager
def served(data: Path, *arguments: str, **options: Any) -> Iterator[Served]:
    """A server with two keys; arguments and options are those of `ServerProcess`."""
    keys = []
    for name in ("one", "other"):
        command = ["-m", "ninefold", "keys", "create", name, "--data", str(data)]
        keys.append(output(command).strip())
    with server(data, *arguments, **options) as process:
        yield Served(process.url.rstrip("/"), *keys)


def picture_file(width: int, height: int, mode: str = "RGB") -> bytes:
    """A picture with something in it, as PNG."""
    out = BytesIO()
    Image.radial_gradient("L").resize((width, height)).convert(mode).save(out, "PNG")
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    """An image file, read whole."""
    image = Image.open(BytesIO(data))
    image.load()
    return image
