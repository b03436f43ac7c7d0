"""Writes a data folder with jobs of every status, through the public doors alone:

    python -m tests.migrations.write_data_folder NAME

makes `tests/migrations/data/NAME-sqlite.tar.gz` and `NAME-postgresql.tar.gz` (the folder with the
database as SQL), each with an `expected.json` of what lies in it. Run it from a checkout of the
version whose layout is to be kept: `tests/migrations` opens what earlier versions wrote.
`before-alembic` was written by the last version that had no migrations.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any

from PIL import Image

from tests.jobs import postgres

ROOT = Path(__file__).resolve().parents[2]
ARCHIVES = Path(__file__).parent / "data"
#: The host's name stands in worker names; a fixture should not tell of the machine it was made on.
_RUN = """
import json, socket, sys
socket.gethostname = lambda: "old-host"
from ninefold.cli import main
from ninefold.testing import fake_engines
sys.exit(main(sys.argv[2:], engines=fake_engines(**json.loads(sys.argv[1]))))
"""
_SMALL = {"text_to_image.width": 64, "text_to_image.height": 64}
_FAILS = {
    "stages": [
        {"stage": "prompt"},
        {"stage": "text_to_image", "params": {"width": 64, "height": 64}},
        {"stage": "inspector", "params": {"min_sharpness": 1e9, "on_fail": "fail"}},
        {"stage": "publisher"},
    ]
}


class Ninefold:
    """The program on one data folder."""

    def __init__(self, data: Path, database: str | None) -> None:
        self.place = ["--data", str(data)]
        self.place += [] if database is None else ["--database", database]

    def __call__(self, *arguments: str) -> str:
        """What a command prints."""
        command = [sys.executable, "-c", _RUN, "{}", *arguments, *self.place]
        return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout

    @contextmanager
    def server(self, settings: Path, steps_delay: float) -> Iterator[Client]:
        """A running service; killed with `kill -9` in the end."""
        engines = json.dumps({"steps_delay": steps_delay})
        command = [sys.executable, "-c", _RUN, engines, "serve", "--port", "0", *self.place]
        command += ["--settings", str(settings)]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        try:
            line = next(line for line in process.stderr if line.startswith("ninefold serves"))
            Thread(target=process.stderr.read, daemon=True).start()
            yield Client(line.split()[2])
        finally:
            process.kill()
            process.wait()


class Client:
    """The least that is needed to talk to the service."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def __call__(
        self, method: str, path: str, document: Any = None, *, key: str, **headers: str
    ) -> Any:
        """The JSON that is answered; raises for statuses from 400 on."""
        body = None if document is None else json.dumps(document).encode()
        given = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", **headers}
        request = urllib.request.Request(f"{self.url}{path}", body, given, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or "null")

    def job(self, key: str, *, hook: str | None = None, **document: Any) -> str:
        """The id of a new job."""
        document = {"input": {"prompt": "a red house", "seed": 7}, **document}
        if "config" not in document:
            document = {"preset": "draft", "overrides": _SMALL, **document}
        if hook is not None:
            document["webhook"] = {"url": hook}
        return str(self("POST", "/v1/jobs", document, key=key)["id"])

    def until(self, key: str, path: str, ready: Callable[[Any], bool]) -> None:
        """Wait until what is answered is `ready`."""
        deadline = time.monotonic() + 120
        while not ready(self("GET", path, key=key)):
            assert time.monotonic() < deadline, path
            time.sleep(0.05)

    def upload(self, key: str, data: bytes) -> str:
        """The id of a new upload."""
        form = (
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
            + data
            + b"\r\n--x--\r\n"
        )
        headers = {
            "Authorization": f"Bearer {key}",
            "Content-Type": "multipart/form-data; boundary=x",
        }
        request = urllib.request.Request(f"{self.url}/v1/uploads", form, headers, method="POST")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return str(json.loads(answer.read())["id"])


@contextmanager
def receiver() -> Iterator[str]:
    """The URL of a receiver of webhooks: `/ok` takes them, `/gone` wants no more, `/busy` fails."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response({"/ok": 204, "/gone": 410}.get(self.path, 503))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def write(data: Path, database: str | None) -> dict[str, Any]:
    """Fill a data folder; returns what a later version must find in it."""
    ninefold = Ninefold(data, database)
    key = ninefold("keys", "create", "a shop", "--rate", "500").strip()
    other = ninefold("keys", "create", "another shop", "--scope", "submit").strip()
    admin = ninefold("keys", "create", "the owner", "--scope", "admin").strip()
    revoked = ninefold("keys", "create", "one that leaked").strip()
    settings = data.parent / "settings.toml"
    settings.write_text('webhook_allow = ["127.0.0.0/8"]\nconcurrency = 1\n')
    with receiver() as hooks:
        with ninefold.server(settings, 0.0) as client:
            jobs = _finished(client, key, admin, revoked, hooks)
        ninefold("keys", "revoke", revoked.split("_")[1])
        with ninefold.server(settings, 3.0) as client:
            jobs |= _unfinished(client, key, other, hooks)
    picture = _picture()
    return {
        "keys": {"a shop": key, "another shop": other, "the owner": admin},
        "revoked": revoked,
        "receiver": hooks,
        "idempotency": jobs.pop("idempotency"),
        "upload": jobs.pop("upload"),
        "groups": jobs.pop("groups"),
        "picture_bytes": len(picture),
        "jobs": jobs,
    }


def _finished(client: Client, key: str, admin: str, revoked: str, hooks: str) -> dict[str, Any]:
    """Jobs that have ended, each in its way."""
    asked = {"preset": "draft", "overrides": _SMALL, "input": {"prompt": "a tent", "seed": 3}}
    first = client("POST", "/v1/jobs", asked, key=key, **{"Idempotency-Key": "tent-of-monday"})
    upload = client.upload(key, _picture())
    jobs = {
        "succeeded": client.job(key, hook=f"{hooks}/ok", preset="standard"),
        "from_upload": client.job(
            key,
            input={"prompt": "a red house", "seed": 7, "image": upload},
            overrides={**_SMALL, "text_to_image.strength": 0.5},
        ),
        "failed": client.job(key, hook=f"{hooks}/busy", config=_FAILS),
        "of_revoked_key": client.job(revoked, hook=f"{hooks}/gone"),
    }
    group = {
        "preset": "draft",
        "overrides": _SMALL,
        "inputs": [{"prompt": "a {red|blue} boat", "seed": 1}],
        "variants": True,
        "webhook": {"url": f"{hooks}/ok"},
    }
    made = client("POST", "/v1/groups", group, key=key)
    for job in (*jobs.values(), *(job["id"] for job in made["jobs"]), first["id"]):
        client.until(admin, f"/v1/jobs/{job}", lambda job: job["status"] in ("succeeded", "failed"))
    again = client("POST", f"/v1/jobs/{jobs['succeeded']}/rerun", {"input": {"seed": 8}}, key=key)
    client.until(key, f"/v1/jobs/{again['id']}", lambda job: job["status"] == "succeeded")
    client("POST", "/sdapi/v1/options", {"save_txt": True}, key=key)

    def sent(states: dict[str, str]) -> bool:
        found = {
            name: client("GET", f"/v1/jobs/{jobs[name]}/webhook", key=admin) for name in states
        }
        return all(found[name]["state"] == states[name] for name in states)

    wanted = {"succeeded": "delivered", "failed": "due", "of_revoked_key": "failed"}
    client.until(admin, "/v1/jobs", lambda _: sent(wanted))
    client.until(
        key, f"/v1/groups/{made['id']}/webhook", lambda message: message["state"] == "delivered"
    )
    return {
        **jobs,
        "rerun": again["id"],
        "idempotency": {"key": "tent-of-monday", "body": asked, "job": first["id"]},
        "upload": upload,
        "groups": {"ended": made["id"]},
    }


def _unfinished(client: Client, key: str, other: str, hooks: str) -> dict[str, Any]:
    """A cancelled job, one that runs when the program is killed, and some that wait for it."""
    other_picture = {"prompt": "a red house", "seed": 11}  # none that lies in the cache
    running = client.job(key, preset="standard", hook=f"{hooks}/ok", input=other_picture)
    client.until(key, f"/v1/jobs/{running}", lambda job: job["stage"] == "text_to_image")
    cancelled = client.job(key, hook=f"{hooks}/ok")
    client("POST", f"/v1/jobs/{cancelled}/cancel", key=key)
    queued = client.job(other, priority=50, hook=f"{hooks}/ok")
    client.until(
        key, f"/v1/jobs/{cancelled}/webhook", lambda message: message["state"] == "delivered"
    )
    page = {"prompt": "a tower", "seed": 5, "width": 64, "height": 64, "steps": 4}
    waits = Thread(target=_abandoned, args=(client, page, key), daemon=True)
    waits.start()
    client.until(key, "/sdapi/v1/progress", lambda progress: progress["state"]["job_count"] == 1)
    return {"running": running, "cancelled": cancelled, "queued": queued}


def _abandoned(client: Client, page: dict[str, Any], key: str) -> None:
    """A request whose server is killed before it answers."""
    try:
        client("POST", "/sdapi/v1/txt2img", page, key=key)
    except OSError:
        return


def _picture() -> bytes:
    file = BytesIO()
    Image.linear_gradient("L").resize((64, 64)).convert("RGB").save(file, "PNG")
    return file.getvalue()


def dump(server: postgres.Server, database: str, file: Path) -> None:
    """Write a database as SQL that any client can run."""
    command = ["pg_dump", "--no-owner", "--no-privileges", "--rows-per-insert=100", database]
    done = subprocess.run([*server.user, *command], check=True, stdout=subprocess.PIPE, cwd="/")
    lines = done.stdout.decode().splitlines(keepends=True)
    file.write_text("".join(line for line in lines if not line.startswith("\\")))  # psql's own


def _pack(archive: Path, data: Path, expected: dict[str, Any]) -> None:
    (data / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    with tarfile.open(archive, "w:gz", compresslevel=9) as tar:
        tar.add(data, "data", filter=_anonymous)


def _anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    return info


def main(name: str) -> None:
    """Write both archives."""
    ARCHIVES.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="nf-"))
    folder.chmod(0o755)  # PostgreSQL may run as another user
    try:
        data = folder / "sqlite" / "data"
        data.parent.mkdir()
        _pack(ARCHIVES / f"{name}-sqlite.tar.gz", data, write(data, None))
        (cluster := folder / "cluster").mkdir()
        with postgres.server(cluster) as server:
            database = server.database()
            data = folder / "postgresql" / "data"
            data.parent.mkdir()
            expected = write(data, database)
            dump(server, database, data / "database.sql")
            _pack(ARCHIVES / f"{name}-postgresql.tar.gz", data, expected)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
