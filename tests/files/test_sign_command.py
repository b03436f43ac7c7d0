"""Commands that sign: within time and room, and nothing of them is left running."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from ninefold.core.errors import ConfigError, SigningError
from ninefold.core.settings import read_settings
from ninefold.core.signing import SigningSettings
from ninefold.files.signing.command import run_command
from ninefold.files.signing.keys import CommandKey, FileKey
from tests.certificates import issue


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def test_it_gets_bytes_and_gives_bytes() -> None:
    """Also where it reads nothing of them, or a part."""
    data = bytes(range(256)) * 4096
    echo = "import sys; d = sys.stdin.buffer.read(); sys.stdout.buffer.write(d[-5:])"
    assert run_command(python(echo), data, 60) == (0, data[-5:], b"")
    code, out, errors = run_command(["sh", "-c", "echo no >&2; echo x; exit 3"], data, 60)
    assert (code, out, errors) == (3, b"x\n", b"no\n")


def test_what_it_started_ends_with_it(tmp_path: Path) -> None:
    """A shell's children hold its pipes, and would outlive it."""
    note = tmp_path / "pid"
    words = ["sh", "-c", f"sleep 600 & echo $! > '{note}'; wait"]
    with pytest.raises(TimeoutError):
        run_command(words, b"", 1.0)
    child = int(note.read_text())
    for _ in range(600):  # a killed process stays for as long as nobody has waited for it
        state = Path(f"/proc/{child}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.1)
    os.kill(child, 9)
    pytest.fail("the command's child is still running")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_one_that_does_not_stop_writing_is_ended(stream: str) -> None:
    program = f"import sys\nwhile True: sys.{stream}.write('y' * 65536)"
    code, out, errors = run_command(python(program), b"", 60)
    assert code != 0
    assert len(out) + len(errors) < 2 << 20


def test_a_flood_is_no_signature(tmp_path: Path) -> None:
    issue().write(tmp_path)
    key = CommandKey(tmp_path / "chain.pem", "yes", 60)
    with pytest.raises(SigningError, match="expected a signature on the output of yes, got exit"):
        key.sign(b"data")


@pytest.mark.parametrize("missing", ["chain.pem", "key.pem"])
def test_files_that_are_pipes_are_refused(tmp_path: Path, missing: str) -> None:
    """They would wait for whoever writes to them."""
    issue().write(tmp_path)
    (tmp_path / missing).unlink()
    os.mkfifo(tmp_path / missing)
    key = FileKey(tmp_path / "chain.pem", tmp_path / "key.pem")
    with pytest.raises(SigningError, match=f"{missing}: expected a PEM file, got a folder, pipe"):
        print(key.certificates, key.sign(b"data"))


@pytest.mark.parametrize(
    "url", ["https://ann:hunter2@tsa.example.com/x", "hunter2", "ftp://hunter2", "https://"]
)
def test_addresses_that_do_not_fit_are_not_shown(url: str) -> None:
    """They may hold passwords."""
    with pytest.raises(ConfigError, match="NINEFOLD_TIMESTAMP_URL: expected an address") as raised:
        read_settings(SigningSettings, {"NINEFOLD_TIMESTAMP_URL": url})
    assert "hunter2" not in str(raised.value)
