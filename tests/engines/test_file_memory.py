"""What is remembered of files between processes, and when it is not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ninefold.engines import hashing
from ninefold.engines.file_memory import FileMemory, FileStamp


@pytest.fixture
def memory(tmp_path: Path) -> FileMemory:
    return FileMemory(tmp_path / "cache" / "files.sqlite3")


def _old(path: Path, content: bytes = b"weights", *, at: int = 1_000_000_000) -> Path:
    path.write_bytes(content)
    os.utime(path, (at, at))
    return path


def test_a_fact_holds_until_the_file_changes(memory: FileMemory, tmp_path: Path) -> None:
    file = _old(tmp_path / "a")
    stamp = FileStamp.of(file)
    assert memory.recall(file, stamp, "sha256") is None
    memory.remember(file, stamp, "sha256", "abc")
    assert memory.recall(file, stamp, "sha256") == "abc"
    assert list(memory.recall_all("sha256").values()) == [(stamp, "abc")]
    # Another size, another time, another file of the same size and time.
    for changed in (_old(file, b"longer weights"), _old(file, at=1_000_000_001)):
        assert memory.recall(changed, FileStamp.of(changed), "sha256") is None
    _old(tmp_path / "b").replace(file)
    assert memory.recall(file, FileStamp.of(file), "sha256") is None


def test_a_file_that_was_just_written_is_not_remembered(memory: FileMemory, tmp_path: Path) -> None:
    file = tmp_path / "fresh"
    file.write_bytes(b"x")
    memory.remember(file, FileStamp.of(file), "sha256", "abc")
    assert memory.recall(file, FileStamp.of(file), "sha256") is None


def test_trouble_with_the_memory_is_no_trouble(tmp_path: Path) -> None:
    file = _old(tmp_path / "a")
    stamp = FileStamp.of(file)
    blocked = FileMemory(file / "below" / "a-file")
    blocked.remember(file, stamp, "sha256", "abc")
    assert blocked.recall(file, stamp, "sha256") is None
    damaged = FileMemory(tmp_path / "damaged.sqlite3")
    (tmp_path / "damaged.sqlite3").write_bytes(b"this is no database" * 100)
    assert damaged.recall(file, stamp, "sha256") is None
    damaged.remember(file, stamp, "sha256", "abc")
    assert damaged.recall(file, stamp, "sha256") == "abc"


def test_names_that_are_no_utf_8_are_remembered_too(memory: FileMemory, tmp_path: Path) -> None:
    file = _old(Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")))
    memory.remember(file, FileStamp.of(file), "sha256", "abc")
    assert memory.recall(file, FileStamp.of(file), "sha256") == "abc"


def test_processes_share_the_memory(memory: FileMemory, tmp_path: Path) -> None:
    files = [_old(tmp_path / str(number)) for number in range(40)]
    program = (
        "import sys; from pathlib import Path\n"
        "from ninefold.engines.file_memory import FileMemory, FileStamp\n"
        "memory = FileMemory(Path(sys.argv[1]))\n"
        "for name in sys.argv[2:]:\n"
        "    memory.remember(Path(name), FileStamp.of(Path(name)), 'sha256', 'of ' + name)\n"
    )
    database = str(tmp_path / "cache" / "files.sqlite3")
    running = [
        subprocess.Popen([sys.executable, "-c", program, database, *map(str, files[part::3])])
        for part in range(3)
    ]
    assert [process.wait() for process in running] == [0, 0, 0]
    for file in files:
        assert memory.recall(file, FileStamp.of(file), "sha256") == f"of {file}"


def test_a_large_file_is_hashed_once_for_all_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(hashing, "_WORTH_REMEMBERING", 5)
    file, small = _old(tmp_path / "large"), _old(tmp_path / "small", b"x")
    digest = hashing.file_sha256(file)
    assert hashing.remembered_sha256(file) == digest
    hashing.file_sha256(small)
    assert hashing.remembered_sha256(small) is None
    # What another process remembers is taken; what is read anew is true.
    FileMemory.of_user().remember(file, FileStamp.of(file), "sha256", "0" * 64)
    monkeypatch.setattr(hashing, "_digests", {})
    assert hashing.file_sha256(file) == "0" * 64
    assert hashing.read_sha256(file) == digest
    assert hashing.remembered_sha256(file) == digest
