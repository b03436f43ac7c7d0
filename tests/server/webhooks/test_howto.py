"""docs/howto/webhooks.md: its receiver verifies what a server sends, and its commands work."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.forked import ROOT, output
from tests.server.process import server

PAGE = (ROOT / "docs/howto/webhooks.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(py|sh)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
#: Where the page's job sends its message.
EXAMPLE = "https://example.com/hooks/ninefold"


def shell(command: str, key: str) -> str:
    done = subprocess.run(
        ["bash", "-ec", command],
        env={**os.environ, "NINEFOLD_KEY": key},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_the_receiver_of_the_page_verifies_what_the_page_has_sent(tmp_path: Path) -> None:
    (program,) = (body for kind, body in BLOCKS if kind == "py")
    submit, secret = (body for kind, body in BLOCKS if "NINEFOLD_KEY" in body)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    data = tmp_path / "data"
    key = output(["-m", "ninefold", "keys", "create", "shop", "--data", str(data)]).strip()
    with server(data, environment={"NINEFOLD_WEBHOOK_ALLOW": "127.0.0.0/8"}) as there:
        commands = [body.replace("http://127.0.0.1:8000", there.url) for body in (submit, secret)]
        assert EXAMPLE in commands[0]
        reported = shell(commands[1], key)
        receiver = subprocess.Popen(
            [sys.executable, "-c", program, str(port)],
            env={**os.environ, "WEBHOOK_SECRET": re.findall(r"whsec_[\w+/=]+", reported)[0]},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            wait_for(port)
            job = shell(commands[0].replace(EXAMPLE, f"http://127.0.0.1:{port}/"), key)
            assert receiver.stdout is not None
            kind, job_id = receiver.stdout.readline().split()
            assert kind == "job.succeeded"
            assert job_id in job
        finally:
            receiver.kill()
            receiver.communicate()


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
