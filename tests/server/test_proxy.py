"""deploy/nginx.conf does what docs/howto/behind-a-proxy.md says of it: nginx itself runs it."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2 as httpx
import pytest
import trustme

from tests.forked import ROOT
from tests.server.conftest import JOB, png
from tests.server.doors import PATIENCE, served

_NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
#: The rest of a configuration: nothing outside of the test's folder.
_AROUND = """
daemon off;
{user}
pid {folder}/pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {site}
}}
"""

pytestmark = pytest.mark.skipif(_NGINX is None, reason="nginx is not installed")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client with a key that reaches the server through nginx."""
    folder = tmp_path_factory.mktemp("proxy")
    secure, plain, behind = _free_ports(3)
    url = f"https://localhost:{secure}"
    authority = trustme.CA()
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    file = _config(folder, authority, secure, plain, behind)
    with (
        served(
            folder / "data",
            "--port",
            str(behind),
            environment={"NINEFOLD_PUBLIC_URL": url},
            engines={"steps_delay": 0.25},
        ) as server,
        _nginx(file),
        httpx.Client(
            base_url=url, verify=trust, headers=server.headers(), timeout=PATIENCE
        ) as opened,
    ):
        _wait_for(opened)
        yield opened


def test_a_key_is_needed_though_requests_come_from_this_machine(client: httpx.Client) -> None:
    assert client.get("/healthz").status_code == 200
    assert client.get("/v1/jobs").status_code == 200
    assert client.get("/v1/jobs", headers={"Authorization": ""}).status_code == 401


def test_events_come_one_by_one(client: httpx.Client) -> None:
    job = client.post("/v1/jobs", json=JOB).raise_for_status().json()
    with client.stream("GET", job["links"]["events"]) as stream:
        times = {line: time.monotonic() for line in stream.iter_lines() if line.startswith("id:")}
    first, *_, last = times.values()
    assert last - first > 0.5  # four steps, each 0.25 s
    ids = list(times)
    resumed = {"Last-Event-ID": ids[-3].removeprefix("id: ")}
    reported = client.get(job["links"]["events"], headers=resumed).text
    assert [line for line in reported.splitlines() if line.startswith("id:")] == ids[-2:]


def test_slashes_are_served_and_heads_are_heads(client: httpx.Client) -> None:
    assert client.get("/v1/jobs/", follow_redirects=False).status_code == 200
    head = client.head("/v1/jobs")
    assert (head.status_code, head.content) == (200, b"")
    refused = client.post("/v1/jobs/", content=bytes(2**20), headers={"Authorization": ""})
    assert refused.status_code == 401


def test_links_are_what_clients_can_reach(client: httpx.Client) -> None:
    asked = {"prompt": "a red house", "size": "256x256", "response_format": "url"}
    answer = client.post("/v1/images/generations", json=asked).raise_for_status().json()
    url = answer["data"][0]["url"]
    assert url.startswith(f"{str(client.base_url).rstrip('/')}/v1/jobs/")
    whole = client.get(url, headers={"Authorization": ""}).raise_for_status()
    part = client.get(url, headers={"Range": "bytes=10-99"})
    assert (part.status_code, part.content) == (206, whole.content[10:100])
    known = client.get(url, headers={"If-None-Match": whole.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")


def test_the_server_itself_says_what_is_wrong_with_an_upload(client: httpx.Client) -> None:
    def sent(data: bytes) -> httpx.Response:
        return client.post("/v1/uploads", files={"file": ("picture.png", data)})

    assert sent(png()).status_code == 201
    for size, why in ((20 * 2**20, "image: expected"), (60 * 2**20, "body: expected")):
        refused = sent(bytes(size))
        assert refused.status_code == 413
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert refused.json()["detail"].startswith(why)


def _config(folder: Path, authority: trustme.CA, secure: int, plain: int, behind: int) -> Path:
    """The site of deploy/, with names, ports and certificates of its own."""
    certificate = authority.issue_cert("localhost")
    chain, key = folder / "fullchain.pem", folder / "privkey.pem"
    chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    key.write_bytes(certificate.private_key_pem.bytes())
    site = (ROOT / "deploy/nginx.conf").read_text(encoding="utf-8")
    for there, here in (
        ("listen 443 ", f"listen 127.0.0.1:{secure} "),
        ("listen 80;", f"listen 127.0.0.1:{plain};"),
        ("127.0.0.1:8000", f"127.0.0.1:{behind}"),
        ("/etc/ssl/images.example", str(folder)),
        ("images.example", "localhost"),
    ):
        assert there in site
        site = site.replace(there, here)
    user = "user root;" if os.geteuid() == 0 else ""  # others could not enter the folder
    file = folder / "nginx.conf"
    file.write_text(_AROUND.format(folder=folder, site=site, user=user), encoding="utf-8")
    return file


@contextmanager
def _nginx(file: Path) -> Iterator[None]:
    command = [str(_NGINX), "-c", str(file), "-e", str(file.with_suffix(".log"))]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    with subprocess.Popen(command) as running:
        try:
            yield
        finally:
            running.terminate()


def _wait_for(client: httpx.Client) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            client.get("/healthz").raise_for_status()
            return
        except httpx.TransportError:
            assert time.monotonic() < end, "nginx does not answer"
            time.sleep(0.05)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
