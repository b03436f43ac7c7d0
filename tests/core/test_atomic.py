"""Atomic writing: whole or not at all, on a full disk too."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ninefold.core import atomic
from ninefold.core.atomic import link_all, write_atomic


@pytest.fixture(params=["without a name", "with a name"])
def both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new file begins without a name, and with one where the file system has none without."""
    if request.param == "with a name":
        monkeypatch.setattr(atomic, "_open_unnamed", lambda *_: None)


@pytest.mark.usefixtures("both_ways")
def test_it_writes_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    write_atomic(path, b"one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert [entry.name for entry in tmp_path.iterdir()] == ["picture.png"]


@pytest.mark.usefixtures("both_ways")
def test_others_may_read_it_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomic(tmp_path / "x", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640


@pytest.mark.usefixtures("both_ways")
def test_the_longest_names_work(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    write_atomic(path, b"x")
    assert path.read_bytes() == b"x"


def _full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def _interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.usefixtures("both_ways")
@pytest.mark.parametrize("steps", [["fsync"], ["replace", "link"]])
@pytest.mark.parametrize(("failure", "kind"), [(_full, OSError), (_interrupt, KeyboardInterrupt)])
@pytest.mark.parametrize("existing", [b"old", None])
def test_a_failure_leaves_things_as_they_were(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    steps: list[str],
    failure: Callable[..., None],
    kind: type[BaseException],
    existing: bytes | None,
) -> None:
    path = tmp_path / "picture.png"
    if existing is not None:
        path.write_bytes(existing)
    for step in steps:
        monkeypatch.setattr(os, step, failure)
    with pytest.raises(kind):
        write_atomic(path, b"new")
    found = {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()}
    assert found == ({} if existing is None else {"picture.png": existing})


@pytest.mark.usefixtures("both_ways")
def test_what_is_there_may_be_left(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    write_atomic(path, b"one", mode=0o600, replace=False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        write_atomic(path, b"two", replace=False)
    assert path.read_bytes() == b"one"
    assert [entry.name for entry in tmp_path.iterdir()] == ["key.pem"]


_KILLED = """
import os, sys
from pathlib import Path
from ninefold.core.atomic import write_atomic
step, path = sys.argv[1], Path(sys.argv[2])
setattr(os, step, lambda *_, **__: os.kill(os.getpid(), 9))
write_atomic(path, b"new")
os.kill(os.getpid(), 9)
"""


def _killed(step: str, path: Path) -> list[str]:
    """What is in the folder after a process that wrote the file was killed instead of a call."""
    command = [sys.executable, "-B", "-c", _KILLED, step, str(path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run(command, check=False, env=environment).returncode == -signal.SIGKILL
    return [entry.name for entry in path.parent.iterdir()]


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="no files without names")
@pytest.mark.parametrize("step", ["fsync", "link"])
def test_a_process_that_is_killed_leaves_nothing(tmp_path: Path, step: str) -> None:
    path = tmp_path / "picture.png"
    assert _killed(step, path) == []
    path.write_bytes(b"old")
    assert _killed(step, path) == ["picture.png"]
    assert path.read_bytes() == b"old"


def test_what_a_killed_process_leaves_is_removed_once_it_is_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the one moment when the file has another name: just before it replaces one."""
    path = tmp_path / "manifests" / "picture.png"
    path.parent.mkdir()
    path.write_bytes(b"old")
    left = _killed("replace", path)
    assert len(left) == 2
    (tmp_path / ".hidden.part").write_bytes(b"a user's")
    assert atomic.remove_abandoned(tmp_path) == 0
    in_a_while = time.time() + 2 * 3600
    monkeypatch.setattr(time, "time", lambda: in_a_while)
    assert atomic.remove_abandoned(tmp_path) == 1
    assert [entry.name for entry in path.parent.iterdir()] == ["picture.png"]
    assert (tmp_path / ".hidden.part").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root; the file size limit below stands in for it")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.usefixtures("both_ways")
def test_a_full_disk_keeps_the_old_file(small_disk: Path) -> None:
    path = small_disk / "picture.png"
    write_atomic(path, b"old")
    with pytest.raises(OSError, match="No space left"):
        write_atomic(path, bytes(1 << 20))
    assert [entry.name for entry in small_disk.iterdir()] == ["picture.png"]
    assert path.read_bytes() == b"old"
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"


def test_a_write_that_the_kernel_cuts_short(tmp_path: Path) -> None:
    script = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from ninefold.core.atomic import write_atomic\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try: write_atomic(Path(sys.argv[1]), bytes(100_000))\n"
        "except OSError as error: print(error.errno)\n"
    )
    command = [sys.executable, "-B", "-c", script, str(tmp_path / "picture.png")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == str(errno.EFBIG)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("both_ways")
def test_wrong_places_raise_and_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomic(tmp_path / "missing" / "x", b"")
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(OSError, match="folder"):
        write_atomic(folder, b"")
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


def test_a_folder_that_cannot_be_synced_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def fsync(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    write_atomic(tmp_path / "x", b"whole")
    assert (tmp_path / "x").read_bytes() == b"whole"


def test_links_replace_what_is_there_and_leave_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"1")
    (tmp_path / "two").write_bytes(b"2")
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "b").write_bytes(b"old")
    links = [(tmp_path / "one", tmp_path / "there/a"), (tmp_path / "two", tmp_path / "there/b")]
    for durable in (True, False):
        link_all(links, durable=durable)
        assert {path.name: path.read_bytes() for path in (tmp_path / "there").iterdir()} == {
            "a": b"1",
            "b": b"2",
        }
    with pytest.raises(FileNotFoundError):
        link_all([(tmp_path / "none", tmp_path / "there/c")])
    assert len(list((tmp_path / "there").iterdir())) == 2


def test_where_no_link_can_be_made_it_is_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "one").write_bytes(b"1")
    for durable in (True, False):
        link_all([(tmp_path / "one", tmp_path / "copy")], durable=durable)
        assert (tmp_path / "copy").read_bytes() == b"1"
        assert not (tmp_path / "copy").samefile(tmp_path / "one")
    assert len(list(tmp_path.iterdir())) == 2
