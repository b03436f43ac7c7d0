"""The key and certificate that ninefold makes for itself."""

from __future__ import annotations

import logging
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ninefold.core.errors import SigningError, StorageError
from ninefold.files.signing import self_made
from ninefold.files.signing.certificates import Chain
from ninefold.files.signing.keys import key_problems
from ninefold.files.signing.self_made import KEY_FILE, ROOT_FILE, SelfMadeKey, make_self_signed
from ninefold.files.signing.sign import FileSigner
from tests.certificates import validation
from tests.files.claims import claim, image_file


def test_the_self_made_key_is_made_once_and_for_its_owner_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "data" / "signing"
    with caplog.at_level(logging.WARNING):
        first, again = SelfMadeKey(folder).certificates, SelfMadeKey(folder).certificates
    assert first == again
    assert len(caplog.records) == 1
    assert "by nobody they trust" in caplog.text
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / KEY_FILE).stat().st_mode) == 0o600
    assert {path.name for path in folder.iterdir()} == {KEY_FILE, ROOT_FILE}
    root = (folder / ROOT_FILE).read_text()
    assert "PRIVATE" not in root
    signed = FileSigner(SelfMadeKey(folder)).sign(image_file(), claim())
    assert validation(signed.data, "image/png", root) == ("Trusted", [])
    assert list(key_problems(SelfMadeKey(tmp_path / "nowhere"))) == []
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("kept", [True, False])
def test_many_that_make_it_at_once_have_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    self_made._in_memory.cache_clear()
    make, others = self_made.make_self_signed, threading.Event()
    making: list[object] = []

    def make_slowly() -> tuple[bytes, Chain]:
        making.append(object())
        if len(making) > 1:
            others.set()
        others.wait(0.3)  # where others make one meanwhile, as they must not in memory
        return make()

    monkeypatch.setattr(self_made, "make_self_signed", make_slowly)
    folder = tmp_path / "x" if kept else None
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(SelfMadeKey(folder).certificates))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert kept or len(making) == 1


def test_processes_that_are_killed_while_they_make_it(tmp_path: Path) -> None:
    """One is killed after each call that changes the folder: the next one goes on from there."""
    code = """
import os, sys
from pathlib import Path
from ninefold.files.signing import self_made
name = sys.argv[2]
def killed(original):
    def call(*args, **kwargs):
        result = original(*args, **kwargs)
        os.kill(os.getpid(), 9)
    return call
setattr(os, name, killed(getattr(os, name)))
self_made.SelfMadeKey(Path(sys.argv[1])).certificates
"""
    for call in ("mkdir", "chmod", "fsync", "link"):
        folder = tmp_path / call
        killed = subprocess.run([sys.executable, "-c", code, str(folder), call], check=False)
        assert killed.returncode == -9
        if (folder / KEY_FILE).exists():
            assert stat.S_IMODE((folder / KEY_FILE).stat().st_mode) == 0o600
        key = SelfMadeKey(folder)
        assert validation(FileSigner(key).sign(image_file(), claim()).data, "image/png")[0]
        assert (folder / ROOT_FILE).read_text() in key.certificates


def test_an_expired_one_is_made_anew(tmp_path: Path) -> None:
    from datetime import UTC, datetime, timedelta

    key, chain = make_self_signed(datetime.now(UTC) - timedelta(days=365 * 11))
    (tmp_path / KEY_FILE).write_bytes(key + chain.pem.encode())
    fresh = SelfMadeKey(tmp_path)
    assert list(fresh.chain.problems()) == []
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    assert fresh.certificates == SelfMadeKey(tmp_path).certificates


def test_a_damaged_one_is_not_replaced_in_silence(tmp_path: Path) -> None:
    key, _ = make_self_signed()
    _, chain = make_self_signed()
    (tmp_path / KEY_FILE).write_bytes(key + chain.pem.encode())
    with pytest.raises(SigningError, match=r"got something else\. Remove the file"):
        SelfMadeKey(tmp_path).sign(b"x")
    (tmp_path / KEY_FILE).write_bytes(b"")
    with pytest.raises(SigningError, match=r"got something else\. Remove the file"):
        SelfMadeKey(tmp_path).sign(b"x")
    assert len(list(key_problems(SelfMadeKey(tmp_path)))) == 1


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"self-made\.pem: the key .* cannot be kept"):
        SelfMadeKey(tmp_path / "file" / "signing").sign(b"x")
    (problem,) = key_problems(SelfMadeKey(tmp_path / "file" / "signing"))
    assert "cannot be kept: Not a directory. Make the folder writable" in problem
    (tmp_path / KEY_FILE).mkdir()
    (problem,) = key_problems(SelfMadeKey(tmp_path))
    assert "cannot be kept: Is a directory" in problem


def test_a_folder_that_is_not_writable_is_known_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: path != tmp_path)  # root may all
    (problem,) = key_problems(SelfMadeKey(tmp_path / "marks" / "signing"))
    assert "cannot be kept: Permission denied. Make the folder writable" in problem
    assert not (tmp_path / "marks").exists()


def test_a_chain_knows_whom_it_names() -> None:
    chain = SelfMadeKey(None).chain
    assert chain.subject == "ninefold"
    assert chain.algorithm == "Es256"
    assert Chain.from_pem(chain.pem.encode(), "x").fingerprint == chain.fingerprint
